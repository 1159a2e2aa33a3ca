"""`inpaint`: fill masked regions of a video.

>>> outpaint_lightning.inpaint("clip.mp4", "masks", "out", fill="harmonic")  # doctest: +SKIP

Nothing is imported here but what makes the package callable: `inpaint --help` must answer at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
