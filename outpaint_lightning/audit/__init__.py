"""Audit of a dataset: leaks between splits, contradictions, unreadable files, and shortcuts that a net could use.

>>> report = outpaint_lightning.audit("data/forged")  # doctest: +SKIP
>>> [finding.message for finding in report.findings]  # doctest: +SKIP

This module imports only what makes the package callable, so that `audit --help` answers at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
