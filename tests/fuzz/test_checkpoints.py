"""Checkpoints, weights and their cards that are nearly right: described, or refused in one line."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest
import torch
from fuzz.harness import fuzz
from safetensors.torch import save

from outpaint_lightning.checkpoints.allowed import checked
from outpaint_lightning.checkpoints.files import read_checkpoint
from outpaint_lightning.checkpoints.rebuild import described
from outpaint_lightning.checkpoints.weights import card_of
from outpaint_lightning.nets import UNet

OPTIONS = {
    "_class_path": "outpaint_lightning.tasks.LocalizationTask",
    "_instantiator": "lightning.pytorch.cli.instantiate_module",
    "net": {"class_path": "outpaint_lightning.nets.UNet", "init_args": {"width": 8, "depth": 1}},
    "criterion": {"class_path": "outpaint_lightning.losses.SequenceCrossEntropy", "init_args": {"gamma": 0.8}},
    "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 1e-3, "betas": [0.9, 0.999]}},
    "threshold": 0.5,
    "tile": None,
}
LOOPS = {"fit_loop": {"state_dict": {}, "epoch_progress": {"current": {"completed": 1}}}}


@pytest.fixture(scope="module")
def checkpoint():
    weights = {f"net.{name}": value for name, value in UNet(width=8, depth=1).state_dict().items()}
    return {
        "state_dict": {name: value for name, value in weights.items() if value.numel() < 100},
        "hyper_parameters": OPTIONS,
        "callbacks": {"ModelCheckpoint": {"best_model_path": "/runs/a/best.ckpt", "best_k_models": {}}},
        "loops": LOOPS,
        "epoch": 1,
        "global_step": 10,
    }


def test_checkpoints(checkpoint, tmp_path):
    with io.BytesIO() as file, io.BytesIO() as old:
        torch.save(checkpoint, file)
        torch.save(checkpoint, old, _use_new_zipfile_serialization=False)
        seeds = {"a.ckpt": file.getvalue(), "old.ckpt": old.getvalue()}

    def read(path):
        checked(read_checkpoint(path).get("hyper_parameters"))

    fuzz(read, seeds, tmp_path, 100)


def test_options(tmp_path):
    """The text of options is changed, not their pickle: so most mutants come as far as to the classes."""

    def read(path):
        try:
            options = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            return
        described({"hyper_parameters": options}, path)

    fuzz(read, {"options.json": json.dumps(OPTIONS).encode()}, tmp_path, 15)


def test_weights_and_cards(checkpoint, tmp_path):
    """Mutants of either: a changed file of weights comes with a card that holds its hash."""
    weights = save(checkpoint["state_dict"])
    init_args = {key: value for key, value in OPTIONS.items() if key[0] != "_"}
    card = {
        "format": 1, "class_path": OPTIONS["_class_path"], "init_args": init_args,
        "state": {"window": {"frames": 1, "stride": 1}, "threshold_choice": None},
        "sha256": hashlib.sha256(weights).hexdigest(), "data": "none",
    }  # fmt: skip

    def read(path: Path) -> None:
        if path.suffix == ".json":
            path.with_suffix(".safetensors").write_bytes(weights)
        else:
            card_of(path).write_text(json.dumps({**card, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))
        checked(read_checkpoint(path.with_suffix(".safetensors"))["hyper_parameters"])

    fuzz(read, {"a.safetensors": weights, "b.json": json.dumps(card).encode()}, tmp_path, 100)
