"""The last lines of `fit`: the run folder, the best value, and the next command; and those of `validate`."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint

from outpaint_lightning.callbacks.base import task_kind
from outpaint_lightning.results.text import aligned

DROPPED = {"--ckpt_path": 1, "--overwrite": 0}
"""Options of a `fit` that its test does not use, and the number of words that follow each."""


def fit_lines(trainer: pl.Trainer, task: pl.LightningModule, words: Sequence[str]) -> list[str]:
    """Return the last lines of a `fit`.

    Args:
        trainer: the trainer, after training.
        task: the trained task.
        words: the command line after the program's name.
    """
    folder = "run folder", str(trainer.default_root_dir)
    return aligned([folder, *_best(trainer, task), ("next", next_command(words))])


def validate_lines(trainer: pl.Trainer, task: pl.LightningModule) -> list[str]:
    """Return why the main number of a `validate` is undefined, if it is; otherwise nothing."""
    kind = task_kind(task)
    value = trainer.callback_metrics.get(kind.monitored)
    return [] if value is None or math.isfinite(value) else [kind.logged(kind.monitored, float(value))]


def next_command(words: Sequence[str]) -> str:
    """Return the command that tests the result of a `fit`.

    >>> next_command(["fit", "--config", "a.yaml", "--ckpt_path", "last", "--data.root", "my data"])
    "outpaint-lightning test --config a.yaml --data.root 'my data'"
    """
    options, rest = [], iter(words[1:])
    for word in rest:
        name, given, _ = word.partition("=")
        if name not in DROPPED:
            options.append(word)
        elif not given:
            for _ in range(DROPPED[name]):
                next(rest, None)
    return shlex.join(["outpaint-lightning", "test", *options])


def resume_line(trainer: pl.Trainer) -> str:
    """Return how to resume an interrupted training."""
    callbacks = [callback for callback in trainer.checkpoint_callbacks if isinstance(callback, ModelCheckpoint)]
    written = [path for each in callbacks for path in (each.last_model_path, each.best_model_path) if path]
    last = next((path for path in written if Path(path).name == "last.ckpt"), next(iter(written), None))
    if last is None:
        return "no checkpoint yet: the first is written when an epoch ends; --overwrite begins again"
    return f"the same command with --ckpt_path {last} goes on from the last epoch that ended"


def _best(trainer: pl.Trainer, task: pl.LightningModule) -> Iterator[tuple[str, str]]:
    """Yield the best value that a checkpoint monitors; without such a checkpoint, the last value."""
    kind = task_kind(task)
    monitors = [one for one in trainer.checkpoint_callbacks if isinstance(one, ModelCheckpoint) and one.monitor]
    for checkpoint in monitors:
        name, score = checkpoint.monitor or "", checkpoint.best_model_score
        if score is None:
            yield "best", f"none: {name} was not logged before the end"
        else:
            yield "best", f"{kind.logged(name, float(score))}, in {checkpoint.best_model_path}"
    if not monitors and kind.monitored in trainer.callback_metrics:
        yield "last", kind.logged(kind.monitored, float(trainer.callback_metrics[kind.monitored]))
