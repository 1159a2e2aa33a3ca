"""Optuna studies over experiments: every trial is one `outpaint-lightning fit` in processes of its own.

>>> outpaint_lightning.sweep("localizer_gamma")  # doctest: +SKIP

`spec` reads the file of a sweep and `space` its search space, `study` is the record in a database, `worker` runs
trials, `trial` is one of them, `results` are the files that are left, `run` is the whole, `command` the command line.

Nothing is imported here but what makes the package callable: `sweep --help` must answer at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
