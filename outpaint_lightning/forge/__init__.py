"""Makes labelled forgeries of clean clips.

>>> records = outpaint_lightning.forge("clips", "data/forged", "outpainting")  # doctest: +SKIP

`masks` samples the region, `fills` its content, `seams` the transition; `forger` combines the three and writes the
record that replays them, `run` processes folders, `command` is the command line.

This module imports only what makes the package callable, so that `forge --help` answers at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)

MAX_FRAMES = 300
"""Default number of frames used per clip, the first ones, because whole clips are held in memory."""
