"""The embedded default: `run` does everything on clips it renders itself, `command` is its command line.

>>> outpaint_lightning.demo("runs/demo")  # doctest: +SKIP

Nothing is imported here but what makes the package callable: `demo --help` must answer at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
