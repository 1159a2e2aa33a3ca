"""`weights`: the nets that come with the package, and what their cards say.

>>> outpaint_lightning.weights()["localizer"]["licence"]  # doctest: +SKIP

Nothing is imported here but what makes the package callable: `weights --help` must answer at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
