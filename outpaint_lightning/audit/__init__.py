"""Audit of a dataset: does it leak, does it lie, can it be read, and which shortcuts does it offer.

>>> report = outpaint_lightning.audit("data/forged")  # doctest: +SKIP
>>> [finding.message for finding in report.findings]  # doctest: +SKIP

Nothing is imported here but what makes the package callable: `audit --help` must answer at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
