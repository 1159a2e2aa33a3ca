"""Make labelled forgeries of clean clips.

>>> records = outpaint_lightning.forge("clips", "data/forged", "outpainting")  # doctest: +SKIP

`masks` where, `fills` what, `seams` how it meets the rest, `forger` the three together and the record that replays
them, `run` whole folders, `command` the command line.

Nothing is imported here but what makes the package callable: `forge --help` must answer at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)

MAX_FRAMES = 300
"""Frames of a clip that are used unless the user says otherwise, the first ones: clips are held in memory whole."""
