"""Make labelled forgeries of clean clips.

`masks` where, `fills` what, `seams` how it meets the rest, `forger` the three together and the record that replays
them, `run` whole folders, `command` the command line. Nothing is imported here: `forge --help` must answer at once.
"""

MAX_FRAMES = 300
"""Frames of a clip that are used unless the user says otherwise, the first ones: clips are held in memory whole."""
