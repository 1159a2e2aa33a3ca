"""Find and read checkpoints (`files`), and rebuild the task that one describes (`rebuild`).

Nothing is imported here: a checkpoint that is missing is reported before torch is imported.
"""
