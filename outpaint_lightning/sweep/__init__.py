"""Optuna studies over experiments: every trial is one `outpaint-lightning fit` in its own processes.

>>> outpaint_lightning.sweep("localizer_gamma")  # doctest: +SKIP

`spec` reads the file of a sweep and `space` its search space; `study` is the record in a database, `worker` runs
trials, `trial` runs one of them, `results` writes the result files, `run` is the whole sweep, `command` the command
line.

This module imports only what makes the package callable, so that `sweep --help` answers at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
