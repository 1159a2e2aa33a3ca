"""Make weights for distribution from a checkpoint: choose the threshold on validation clips, and write the card.

The threshold gives the highest mean F1 over the validation videos while at most `model.pixel_fpr_limit` of the pixels
of authentic videos are marked. The clips are encoded with the codecs of the experiment's YAML.

    python benchmarks/ship.py CKPT localizer/shipped DATA localizer.safetensors --card CARD.yaml
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.checkpoints.weights import card_of, save_weights
from outpaint_lightning.data import ClipDataModule, RandomCodec
from outpaint_lightning.settings.find import find_config
from outpaint_lightning.settings.read import read_mapping


def main() -> None:
    """Validate, and write the weights and the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("config", help="the experiment, a file or the name of a shipped one")
    parser.add_argument("data", type=Path, help="a dataset whose split val chooses the threshold")
    parser.add_argument("weights", type=Path, help="to write; the card lies beside it")
    parser.add_argument("--card", type=Path, required=True, help="YAML of what the card says beside its own keys")
    parser.add_argument("--every", type=int, default=4, help="frames from one that is judged to the next (4)")
    options = parser.parse_args()

    task: Any = load_task(options.checkpoint)
    pl.seed_everything(0)
    trainer = pl.Trainer(logger=False, enable_checkpointing=False, barebones=False)
    trainer.validate(task, _data(options))
    choice = task.threshold_choice
    save_weights(task, options.weights, {**read_mapping(options.card, "a card"), "chosen": choice})
    print(f"threshold {choice['threshold']}: F1 {choice['f1']:.3f} in validation")
    print(f"{options.weights}, {card_of(options.weights)}")


def _data(options: Any) -> ClipDataModule:
    """Return the validation clips, encoded with the codecs of the experiment."""
    given = read_mapping(find_config(options.config), "an experiment")["data"]["init_args"]
    codec = RandomCodec(**given["codec"]["init_args"])
    window = {"frames": given["frames"], "stride": given["stride"]}
    return ClipDataModule(options.data, eval_batch_size=1, val_every=options.every, workers=1, codec=codec, **window)


if __name__ == "__main__":
    main()
