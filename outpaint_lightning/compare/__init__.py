"""`compare`: several runs on one page.

>>> outpaint_lightning.compare(["runs/plain", "runs/flip"], "compared")  # doctest: +SKIP

`runs` reads folders, `config` finds differences of configs, `groups` joins the seeds of an experiment, `comparison`
compares the experiments with the baseline; `sections`, `pictures` and `sweeps` make the parts of the page, `page` joins
them, `run` writes it. `results` defines the numbers of each kind of task.

This module imports only what makes the package callable, so that `compare --help` answers at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
