"""Checkpoints: `files` finds and reads them, `allowed` checks the names in them, `rebuild` builds the task or net.

`writing` protects good checkpoints from being lost; `weights` handles weights for distribution, with a card. Nothing is
imported here, so a missing checkpoint is reported before torch is imported.
"""
