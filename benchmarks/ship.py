"""Make weights for distribution from a checkpoint: choose the threshold on validation clips, and write the card.

The threshold gives the highest mean F1 over the validation videos while at most `model.pixel_fpr_limit` of the pixels
of authentic videos are marked. For a region detector, it gives the highest F1 over the validation images while at most
`FALSE_ALARMS` of the authentic images are called forged. The clips or images are encoded with the codecs of the
experiment's YAML.

    python benchmarks/ship.py CKPT localizer/shipped DATA localizer.safetensors --card CARD.yaml
    python benchmarks/ship.py CKPT regions/shipped IMAGES regions.safetensors --card CARD.yaml
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.checkpoints.weights import card_of, save_weights
from outpaint_lightning.data import ClipDataModule, RandomCodec, RegionDataModule
from outpaint_lightning.settings.find import find_config
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.tasks import RegionTask

FALSE_ALARMS = 0.1
"""Share of authentic validation images that a region detector may call forged."""


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
    if isinstance(task, RegionTask):
        trainer.validate(task, _images(options))
        choice = chosen(task.result.rows)
        task.threshold = task.hparams["threshold"] = choice["threshold"]
    else:
        trainer.validate(task, _data(options))
        choice = task.threshold_choice
    save_weights(task, options.weights, {**read_mapping(options.card, "a card"), "chosen": choice})
    print(f"threshold {choice['threshold']}: F1 {choice['f1']:.3f} in validation")
    print(f"{options.weights}, {card_of(options.weights)}")


def chosen(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the threshold of a hundred that is best for images, given their labels and scores, and its numbers."""
    forged, authentic = ([row["score"] for row in rows if row["label"] == label] for label in (1, 0))
    found = []
    for threshold in (hundredth / 100 for hundredth in range(1, 100)):
        hits, alarms = (sum(score >= threshold for score in scores) for scores in (forged, authentic))
        f1, rate = 2 * hits / (hits + alarms + len(forged)), alarms / len(authentic)
        if rate <= FALSE_ALARMS:
            found.append({"threshold": threshold, "f1": f1, "false_alarms": rate})
    best = max(found, key=lambda each: each["f1"])
    by = f"highest F1 over {len(rows)} validation images with at most {FALSE_ALARMS:.0%} false alarms"
    return {**best, "by": by}


def _images(options: Any) -> RegionDataModule:
    """Return the validation images of an experiment of regions, forged as there and under its codecs."""
    given = read_mapping(find_config(options.config), "an experiment")["data"]["init_args"]
    codec = RandomCodec(**given["codec"]["init_args"])
    size = (given["size"][0], given["size"][1])
    return RegionDataModule(options.data, size=size, online=True, recipe=given["recipe"], codec=codec, workers=1)


def _data(options: Any) -> ClipDataModule:
    """Return the validation clips, encoded with the codecs of the experiment."""
    given = read_mapping(find_config(options.config), "an experiment")["data"]["init_args"]
    codec = RandomCodec(**given["codec"]["init_args"])
    window = {"frames": given["frames"], "stride": given["stride"]}
    return ClipDataModule(options.data, eval_batch_size=1, val_every=options.every, workers=1, codec=codec, **window)


if __name__ == "__main__":
    main()
