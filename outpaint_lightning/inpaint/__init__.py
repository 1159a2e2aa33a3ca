"""`inpaint`: fill masked regions of a video.

>>> outpaint_lightning.inpaint("clip.mp4", "masks", "out", fill="harmonic")  # doctest: +SKIP

This module imports only what makes the package callable, so that `inpaint --help` answers at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
