"""Weights & Biases for runs of this package: offline without a key, frames with masks and boxes."""

from __future__ import annotations

import netrc
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import lightning.pytorch.loggers
import numpy as np
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray

from outpaint_lightning.pictures import MarkedPicture
from outpaint_lightning.types import InputError


class WandbLogger(lightning.pytorch.loggers.WandbLogger):
    """Lightning's W&B logger, extended to work without a key and to show masks and boxes on the frames.

    Without a key (`WANDB_API_KEY`, or netrc from `wandb login`), and unless `WANDB_MODE` is set, the run is stored in
    its run folder without any network request, and a printed line shows how to upload it later.

    Args:
        project: project at W&B; default: `WANDB_PROJECT`, else `outpaint_lightning`.
        name: name of the run; default: `WANDB_NAME`, else the name of the run folder.
        group: group of the run; default: `WANDB_RUN_GROUP`, which a sweep sets to its name.
        job_type: job type of the run; default: `WANDB_JOB_TYPE`, else the command (`fit`, `test`).
        tags: tags of the run.
        notes: notes on the run.
        entity: user or team; default: the key's own.
        id: id of the run; with the id of an earlier run, W&B continues that run.
        offline: True stays offline, False needs a key; None is offline if there is no key.
        save_dir: folder for the folder `wandb`; default: the run folder.
        log_model: upload checkpoints: `all`, or True for the last ones at the end.
        settings: options of `wandb.Settings`.

    Raises:
        InputError: `log_model` is set for an offline run.
    """

    def __init__(
        self,
        project: str | None = None,
        name: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        tags: list[str] | None = None,
        notes: str | None = None,
        entity: str | None = None,
        id: str | None = None,
        offline: bool | None = None,
        save_dir: str | None = None,
        log_model: bool | Literal["all"] = False,
        settings: dict[str, Any] | None = None,
    ) -> None:
        if offline and log_model:
            raise InputError("WandbLogger.log_model uploads checkpoints: expected false while offline is true")
        super().__init__(
            name=name or os.environ.get("WANDB_NAME"),
            save_dir=save_dir or ".",
            id=id,
            project=project or os.environ.get("WANDB_PROJECT", "outpaint_lightning"),
            log_model=log_model,
            group=group or os.environ.get("WANDB_RUN_GROUP"),  # W&B reads it once per process, maybe too early
            job_type=job_type,
            tags=tags,
            notes=notes,
            entity=entity,
        )
        self._wandb_init["dir"] = self._save_dir = save_dir
        del self._wandb_init["anonymous"]  # W&B warns about it, regardless of its value
        self._settings = settings or {}
        self._stays_offline = offline

    def belong_to(self, run: Path, command: str) -> None:
        """Set the missing options from a command and its run folder: folder, name and job type of the run."""
        self._wandb_init["dir"] = self._save_dir = self._save_dir or str(run)
        self._wandb_init["name"] = self._name = self._name or run.resolve().name
        self._wandb_init["job_type"] = self._wandb_init["job_type"] or os.environ.get("WANDB_JOB_TYPE", command)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """W&B's run; it starts at the first access.

        Raises:
            InputError: W&B cannot start: an unknown setting, or a key or a server is refused.
        """
        return super().experiment if self._experiment is not None else self._begin()

    def _begin(self) -> Any:
        mode = self._mode()
        offline = mode == "offline"
        if offline:
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # W&B reads it during its import
        import wandb

        Path(self._save_dir or ".").mkdir(parents=True, exist_ok=True)  # otherwise W&B writes to a temporary folder
        try:
            settings = wandb.Settings(**{"silent": offline, **self._settings})
            self._wandb_init |= {"mode": mode, "settings": settings}
            run: Any = super().experiment
        except (wandb.errors.Error, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"trainer.logger: W&B does not start: {reason}; WANDB_MODE=offline needs no server"
            ) from error
        if run.settings.mode == "offline":
            folder = Path(run.settings.sync_dir)
            shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
            print(f"W&B is offline{'' if has_key() else ' (no key)'}; to upload the run later: wandb sync {shown}")
        return run

    def _mode(self) -> str | None:
        """Return the mode for W&B; None leaves it to W&B's own settings."""
        if self._stays_offline is None:
            return os.environ.get("WANDB_MODE") or (None if has_key() else "offline")
        return "offline" if self._stays_offline else "online"

    @rank_zero_only
    def log_pictures(self, name: str, pictures: Sequence[MarkedPicture], step: int | None = None) -> None:
        """Log frames with their masks and boxes as layers that the dashboard can show or hide.

        W&B shows all pictures of one name at one size, so smaller ones get a white border on the right and at the
        bottom.
        """
        frames = [picture.drawn if picture.frame is None else picture.frame for picture in pictures]
        height, width = (max(frame.shape[side] for frame in frames) for side in range(2))
        self.log_image(
            name,
            [_bordered(frame, height, width, 255) for frame in frames],
            step,
            caption=[picture.caption or None for picture in pictures],
            masks=[_masks(picture, height, width) or None for picture in pictures],
            boxes=[_boxes(picture) or None for picture in pictures],
        )

    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """Write the best value of the monitored metric to the run's summary, as `best/<metric>`."""
        super().after_save_checkpoint(checkpoint_callback)
        if checkpoint_callback.monitor and checkpoint_callback.best_model_score is not None:
            self.experiment.summary[f"best/{checkpoint_callback.monitor}"] = checkpoint_callback.best_model_score.item()

    @rank_zero_only
    def finish(self, exit_code: int) -> None:
        """End a started W&B run: as finished if `exit_code` is 0, otherwise as failed."""
        if self._experiment is not None:
            self._experiment.finish(exit_code=exit_code)


def has_key() -> bool:
    """Return whether W&B has a key: in `WANDB_API_KEY`, or in netrc for the host of `WANDB_BASE_URL`."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        return host in netrc.netrc(os.environ.get("NETRC")).hosts
    except (OSError, netrc.NetrcParseError):
        return False


def as_options(config: Any) -> Any:
    """Return a config with the keys of the command line: `model.criterion.gamma`, without the YAML's `init_args`."""
    if isinstance(config, Mapping):
        merged = {key: value for key, value in config.items() if key != "init_args"} | (config.get("init_args") or {})
        return {key: as_options(value) for key, value in merged.items()}
    return [as_options(value) for value in config] if isinstance(config, list) else config


def finish(loggers: Iterable[Any], exit_code: int) -> None:
    """End the runs of W&B's loggers; see `WandbLogger.finish`."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.finish(exit_code)


def _bordered(picture: NDArray[np.uint8], height: int, width: int, value: int) -> NDArray[np.uint8]:
    """Return a picture `h w ...` in the corner of a larger one, `height width ...`."""
    edges = [(0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)][: picture.ndim]
    return np.pad(picture, edges, constant_values=value)


def _masks(picture: MarkedPicture, height: int, width: int) -> dict[str, Any]:
    """Return masks in W&B's format; each has its own class, and so its own colour."""
    return {
        name: {
            "mask_data": _bordered(mask.astype(np.uint8) * np.uint8(number), height, width, 0),
            "class_labels": {number: name},
        }
        for number, (name, mask) in enumerate(picture.masks.items(), 1)
    }


def _boxes(picture: MarkedPicture) -> dict[str, Any]:
    """Return boxes in W&B's format, in pixels."""
    return {
        name: {
            "box_data": [
                {
                    "position": dict(zip(("minX", "minY", "maxX", "maxY"), map(float, box), strict=True)),
                    "domain": "pixel",
                    "class_id": number,
                    "box_caption": name,
                }
            ],
            "class_labels": {number: name},
        }
        for number, (name, box) in enumerate(picture.boxes.items(), 1)
    }
