"""Write into a checkpoint what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outpaint_lightning.checkpoints.card import PARTS, new_card, write_card
from outpaint_lightning.checkpoints.files import find_checkpoint, read_checkpoint
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.data.corruptions import read_curves
from outpaint_lightning.io.manifest import SPLITS
from outpaint_lightning.localize.knowledge import card_lines
from outpaint_lightning.localize.scoring import require_scored
from outpaint_lightning.processes.device import choose_device
from outpaint_lightning.seal.known import known_clips, measured
from outpaint_lightning.seal.records import benchmark_of, test_of, training_of
from outpaint_lightning.types import InputError, did_you_mean


def seal(
    ckpt_path: str | Path,
    data: Sequence[str | Path] = (),
    *,
    split: Sequence[str] = ("val",),
    levels: str | Path = "verdict",
    frames: int = 48,
    device: str = "auto",
    run: str | Path | None = None,
    benchmark: str | Path | None = None,
) -> dict[str, Any]:
    """Write a card into a checkpoint: its training and its test, as the run folder has them, and a calibration.

    >>> card = outpaint_lightning.seal("runs/localizer/small", ["data/forged", "footage"])  # doctest: +SKIP
    >>> card["calibration"]["temperature"]  # doctest: +SKIP
    0.41

    The calibration keeps one score for each source: clips of one source resemble each other, and counting them apart
    would promise too much. An earlier card's parts stay where there is nothing newer.

    Args:
        ckpt_path: checkpoint or run folder.
        data: datasets of clips that the net was not trained on. None leaves the calibration as it was.
        split: splits of them; a dataset that is not divided is used whole.
        levels: YAML of codecs, or the name of one of `configs/corruptions`.
        frames: frames of each clip that are judged, from its start.
        device: a torch device, or `auto`.
        run: folder of the run that trained and tested these weights; None takes that in which the checkpoint lies.
        benchmark: `benchmark.json` of these weights; it counts as their test.

    Returns:
        The card.

    Raises:
        InputError: the checkpoint or a dataset cannot be used, no clip of it is authentic, or the net was trained on
            it.
    """
    for name in set(split).difference(SPLITS):
        raise InputError(f"--split {name}: expected some of {', '.join(SPLITS)}{did_you_mean(name, SPLITS)}")
    if frames < 1:
        raise InputError(f"--frames is {frames}: expected at least 1")
    path = find_checkpoint(ckpt_path)
    checkpoint = read_checkpoint(path)
    folder = path.parent.parent if run is None else Path(run)
    if not folder.is_dir():
        raise InputError(f"--run {folder}: no such folder; expected that of a run")
    parts = {key: part for key, part in (checkpoint.get("card") or {}).items() if key in PARTS}
    card = new_card(checkpoint["state_dict"], **parts)
    tested = test_of(folder, card) if benchmark is None else benchmark_of(Path(benchmark), card)
    card |= {key: part for key, part in (("trained", training_of(folder)), ("tested", tested)) if part}
    if data:
        _require_unseen(data, split, card.get("trained"))
        task: Any = load_task(path)
        require_scored(task, path)
        curves = read_curves(levels)
        task.to(choose_device(device))
        clips = known_clips(data, split)
        card["calibration"] = measured(task, clips, curves, frames).plain
    write_card(path, card)
    print("\n".join([f"checkpoint {line}" for line in card_lines(card)] + [f"sealed into {path}"]))
    return card


def _require_unseen(data: Sequence[str | Path], split: Sequence[str], trained: Any) -> None:
    for root in data:
        if "train" in split and trained and Path(root).resolve().name == trained.get("data"):
            raise InputError(f"{root}: the net was trained on its split 'train'; expected --split val")
