"""Plain torch networks: no Lightning, their own input scaling, any frame size in and the same size out."""

from outpaint_lightning.nets.raft import RaftLocalizer

__all__ = ["RaftLocalizer"]
