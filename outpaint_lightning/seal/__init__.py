"""`seal`: write into a checkpoint what is known of it: its training, its test, and how authentic footage scores.

>>> outpaint_lightning.seal("runs/localizer/small", ["data/forged", "footage"])  # doctest: +SKIP

Nothing is imported here but what makes the package callable: `seal --help` must answer at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
