"""`localize`: find forged regions in anyone's video or image.

>>> outpaint_lightning.localize(["suspect.mp4"], "runs/localizer/small", "found")  # doctest: +SKIP

Nothing is imported here but what makes the package callable: `localize --help` must answer at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
