"""Find and read checkpoints (`files`), check what one names (`allowed`), and rebuild its task or net (`rebuild`).

Nothing is imported here: a checkpoint that is missing is reported before torch is imported.
"""
