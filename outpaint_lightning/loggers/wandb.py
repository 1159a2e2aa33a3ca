"""Weights & Biases for runs of this package: offline by itself where there is no key, frames with masks and boxes."""

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
    """Lightning's logger, which works without a key and shows what is found on the frames.

    Without a key (`WANDB_API_KEY`, or what `wandb login` stores in netrc) and unless `WANDB_MODE` says otherwise, the
    run is kept in its run folder, without any request to the network, and one line says how to upload it later.

    Args:
        project: of W&B; `WANDB_PROJECT`, else `outpaint_lightning`, by default.
        name: of the run; `WANDB_NAME`, else the name of the run folder, by default.
        group: of runs; `WANDB_RUN_GROUP` by default, which a sweep sets to its name.
        job_type: `WANDB_JOB_TYPE`, else the command (`fit`, `test`), by default.
        tags: of the run.
        notes: on the run.
        entity: user or team; the key's own by default.
        id: of the run; given that of an earlier run, W&B goes on with it.
        offline: True stays offline, False needs a key; None is offline where there is none.
        save_dir: holds the folder `wandb`; the run folder by default.
        log_model: upload checkpoints: `all`, or True for the last ones at the end.
        settings: of `wandb.Settings`.

    Raises:
        InputError: `log_model` of an offline run.
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
            group=group or os.environ.get("WANDB_RUN_GROUP"),  # W&B reads it once a process, maybe too early
            job_type=job_type,
            tags=tags,
            notes=notes,
            entity=entity,
        )
        self._wandb_init["dir"] = self._save_dir = save_dir
        del self._wandb_init["anonymous"]  # W&B warns of it, whatever it is
        self._settings = settings or {}
        self._stays_offline = offline

    def belong_to(self, run: Path, command: str) -> None:
        """Take from a command and its run folder what was not given: where to write, the run's name and job type."""
        self._wandb_init["dir"] = self._save_dir = self._save_dir or str(run)
        self._wandb_init["name"] = self._name = self._name or run.resolve().name
        self._wandb_init["job_type"] = self._wandb_init["job_type"] or os.environ.get("WANDB_JOB_TYPE", command)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """W&B's run, begun when first asked for.

        Raises:
            InputError: W&B cannot begin: a setting that it does not know, a key or a server that refuses.
        """
        return super().experiment if self._experiment is not None else self._begin()

    def _begin(self) -> Any:
        mode = self._mode()
        offline = mode == "offline"
        if offline:
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # W&B reads it while it is imported
        import wandb

        Path(self._save_dir or ".").mkdir(parents=True, exist_ok=True)  # else W&B writes to a temporary folder
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
            here = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
            print(f"W&B is offline{'' if has_key() else ' (no key)'}; to upload the run later: wandb sync {here}")
        return run

    def _mode(self) -> str | None:
        """Return the mode that W&B is told; None leaves it to what its own settings say."""
        if self._stays_offline is None:
            return os.environ.get("WANDB_MODE") or (None if has_key() else "offline")
        return "offline" if self._stays_offline else "online"

    @rank_zero_only
    def log_pictures(self, name: str, pictures: Sequence[MarkedPicture], step: int | None = None) -> None:
        """Log frames with their masks and boxes as layers that the dashboard switches on and off.

        W&B shows pictures of one name at one size, so smaller ones get a white border on the right and below.
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
        """Keep the best value of what is monitored in the run's summary, as `best/<metric>`."""
        super().after_save_checkpoint(checkpoint_callback)
        if checkpoint_callback.monitor and checkpoint_callback.best_model_score is not None:
            self.experiment.summary[f"best/{checkpoint_callback.monitor}"] = checkpoint_callback.best_model_score.item()

    @rank_zero_only
    def finish(self, exit_code: int) -> None:
        """End W&B's run: one that has begun, as done where `exit_code` is 0, as failed otherwise."""
        if self._experiment is not None:
            self._experiment.finish(exit_code=exit_code)


def has_key() -> bool:
    """Return whether there is a key for W&B: in `WANDB_API_KEY`, or in netrc for the host of `WANDB_BASE_URL`."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        return host in netrc.netrc(os.environ.get("NETRC")).hosts
    except (OSError, netrc.NetrcParseError):
        return False


def as_options(config: Any) -> Any:
    """Return a config under the keys of the command line: `model.criterion.gamma`, without the YAML's `init_args`."""
    if isinstance(config, Mapping):
        merged = {key: value for key, value in config.items() if key != "init_args"} | (config.get("init_args") or {})
        return {key: as_options(value) for key, value in merged.items()}
    return [as_options(value) for value in config] if isinstance(config, list) else config


def finish(loggers: Iterable[Any], exit_code: int) -> None:
    """End the runs of those loggers that are W&B's; see `WandbLogger.finish`."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.finish(exit_code)


def _bordered(picture: NDArray[np.uint8], height: int, width: int, value: int) -> NDArray[np.uint8]:
    """Return a picture `h w ...` as part of one `height width ...`."""
    edges = [(0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)][: picture.ndim]
    return np.pad(picture, edges, constant_values=value)


def _masks(picture: MarkedPicture, height: int, width: int) -> dict[str, Any]:
    """Return masks in W&B's format; each has a class of its own, and so a colour."""
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
