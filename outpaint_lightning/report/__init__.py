"""What people look at: `overlay` draws, `localize` analyses a stranger's video, `command` is its command line.

Nothing is imported here: `localize --help` must answer at once.
"""
