"""Find and read checkpoints (`files`), check what one names (`allowed`), and rebuild its task or net (`rebuild`).

`writing` keeps a good checkpoint from being lost; `weights` are those that are passed on, with a card. Nothing is
imported here: a checkpoint that is missing is reported before torch is imported.
"""
