"""Loggers that the YAML files name."""

from outpaint_lightning.loggers.wandb import WandbLogger, as_options, finish, has_key

__all__ = ["WandbLogger", "as_options", "finish", "has_key"]
