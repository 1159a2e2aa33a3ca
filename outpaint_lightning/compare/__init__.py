"""`compare`: runs beside each other on one page.

>>> outpaint_lightning.compare(["runs/plain", "runs/flip"], "compared")  # doctest: +SKIP

`runs` reads folders, `config` finds what differs, `groups` joins the seeds of an experiment, `comparison` sets them
against the baseline; `sections`, `pictures` and `sweeps` are what is on the page, `page` is the whole, `run` writes it.
What the numbers of each kind of task mean is in `results`.

Nothing is imported here but what makes the package callable: `compare --help` must answer at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
