"""The embedded default: `run` does everything on clips it renders itself, `command` is its command line.

Nothing is imported here: `demo --help` must answer at once.
"""
