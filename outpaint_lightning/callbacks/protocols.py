"""Evaluates a test with the protocols of other code bases too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from outpaint_lightning.callbacks.base import is_dry, reports
from outpaint_lightning.io import write_json
from outpaint_lightning.metrics import PROTOCOLS
from outpaint_lightning.results import LOCALIZATION
from outpaint_lightning.types import Batch, InputError, did_you_mean


class ProtocolReport(Callback):
    """Write `<run>/test/protocols.json` with the result of each protocol on the maps of a test, and print it.

    A protocol gets the net's map of a frame, before any threshold of ours; docs/explanation/protocols.md describes each
    protocol. An undefined number is null. Serves localizers.

    Args:
        protocols: names of `PROTOCOLS`; None uses all.

    Raises:
        InputError: there is no protocol of that name.
    """

    def __init__(self, protocols: Sequence[str] | None = None) -> None:
        self.names = list(PROTOCOLS) if protocols is None else list(protocols)
        for name in self.names:
            if name not in PROTOCOLS:
                raise InputError(
                    f"protocols: no protocol {name!r}; expected some of {', '.join(PROTOCOLS)}"
                    f"{did_you_mean(name, PROTOCOLS)}"
                )

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Create the protocols.

        Raises:
            InputError: the task is not a localizer; or there are several processes, although some protocols depend on
                the order of all frames.
        """
        if not reports(pl_module, LOCALIZATION):
            raise InputError(f"ProtocolReport judges maps of forged pixels, and {type(pl_module).__name__} makes none")
        if trainer.world_size > 1:
            raise InputError("ProtocolReport judges in one process: give --trainer.devices 1")
        self._protocols = {name: PROTOCOLS[name]() for name in self.names}

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,  # noqa: ARG002 (Lightning's hook)
        pl_module: pl.LightningModule,  # noqa: ARG002
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Batch,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,
    ) -> None:
        """Add a batch of frames; corrupted frames are skipped."""
        if dataloader_idx > 0:
            return
        assert isinstance(outputs, Mapping)  # what the task's `test_step` returns
        truth = batch["mask"][:, 0, 0] > 0.5
        for meta, probability, mask in zip(batch["meta"], outputs["probability"], truth, strict=True):
            for protocol in self._protocols.values():
                protocol.update(probability[None], mask[None], meta["clip"], f"{meta['scene']}/{meta['camera']}")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Write and print the results."""
        results = {name: protocol.compute() for name, protocol in self._protocols.items()}
        for name, values in results.items():
            shown = ", ".join(f"{key} {value:.3f}" for key, value in values.items() if "/" not in key)
            print(f"protocol {name:12} {shown}")
        if is_dry(trainer):
            return
        plain = {
            name: {key: None if math.isnan(value) else value for key, value in values.items()}
            for name, values in results.items()
        }
        write_json(Path(trainer.default_root_dir) / "test" / "protocols.json", plain)
