"""Make labelled forgeries of clean clips.

`masks` where, `fills` what, `seams` how it meets the rest, `forger` the three together and the record that replays
them, `run` whole folders, `command` the command line. Nothing is imported here: `forge --help` must answer at once.
"""
