"""Clips known to be authentic or forged, and how a checkpoint scores them at several levels of compression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.data.corruptions import Curve
from outpaint_lightning.forge.chains import Chain
from outpaint_lightning.io import Clip, ClipEntry, Facts, facts_of, open_clip, read_dataset
from outpaint_lightning.localize.calibration import Calibration, Known, Level, fit_temperature
from outpaint_lightning.localize.scoring import score_frames
from outpaint_lightning.processes.progress import shown
from outpaint_lightning.types import InputError

AS_IT_IS = "as it is"


def known_clips(roots: Sequence[str | Path], splits: Sequence[str]) -> list[ClipEntry]:
    """Return one authentic and one forged clip of each source of some datasets, the first of each.

    Raises:
        InputError: a dataset cannot be read, or there is no authentic clip.
    """
    chosen: dict[tuple[str, bool], ClipEntry] = {}
    for root in map(Path, roots):
        for entry in read_dataset(root):
            if entry.split in (*splits, ""):
                chosen.setdefault((entry.source or entry.clip, is_forged(entry)), entry)
    clips = list(chosen.values())
    if all(is_forged(entry) for entry in clips):
        names = ", ".join(map(str, roots))
        raise InputError(f"--data {names}: no authentic clip in split {', '.join(splits)}; nothing to compare with")
    return clips


def is_forged(entry: ClipEntry) -> bool:
    """Return whether a clip of a dataset has forged frames."""
    return entry.masks is not None or bool(entry.forger)


def measured(task: Any, clips: Sequence[ClipEntry], curves: Sequence[Curve], frames: int) -> Calibration:
    """Return the scores of clips as they are and after each corruption.

    Args:
        task: that judges; see `localize.scoring.score_frames`.
        clips: known to be authentic or forged.
        curves: of chains.
        frames: of each clip that are judged at most, from its start.

    Raises:
        InputError: a corruption is no chain, or no authentic clip is long enough.
    """
    chains = {
        f"{curve.name} {curve.option} {level:g}": chain
        for curve in curves
        for level, chain in zip(curve.levels, curve.corruptions, strict=True)
    }
    for name, chain in chains.items():
        if not isinstance(chain, Chain):
            raise InputError(f"--levels: {name} is no codec; expected chains of `forge`, which write files")
    tables = {name: _Table() for name in (AS_IT_IS, *chains)}
    problems = (_problem(task, entry, chains, frames, tables) for entry in clips)
    for problem in filter(None, shown(problems, len(clips), "seal", "clip")):
        print(problem)
    return _calibration(tables)


@dataclass
class _Table:
    """What was measured at one level."""

    scores: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    """By whether the clips are forged."""
    facts: list[Facts] = field(default_factory=list)
    """Of the authentic clips."""


def _problem(task: Any, entry: ClipEntry, chains: dict[str, Any], frames: int, tables: dict[str, _Table]) -> str | None:
    """Enter a clip into the tables; return a line if it is left out."""
    try:
        _measure(task, entry, chains, frames, tables)
    except InputError as problem:
        return f"{entry.clip}: left out ({problem})"
    return None


def _measure(task: Any, entry: ClipEntry, chains: dict[str, Any], frames: int, tables: dict[str, _Table]) -> None:
    """Enter a clip into the table of each level; into none if it cannot be judged."""
    clip = open_clip(entry.frames)
    first = list(islice(clip, frames))
    found = {AS_IT_IS: (score_frames(task, first), facts_of(clip))}
    whole = np.stack(first)
    for name, chain in chains.items():
        for coded in _coded(chain, whole, clip.fps):
            found[name] = (score_frames(task, coded), facts_of(coded))
    forged = is_forged(entry)
    for name, (score, facts) in found.items():
        tables[name].scores[forged].append(round(score, 6))
        tables[name].facts += [] if forged else [facts]


def _coded(chain: Chain, frames: NDArray[np.uint8], fps: float) -> Iterator[Clip]:
    """Yield the file that a chain makes of frames, as a clip, while it lies there."""
    params = chain.sample(np.random.default_rng(0))
    prepared, _ = chain.prepare(frames, None, params)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"clip{chain.suffix}"
        chain.write(path, prepared, fps, params)
        yield open_clip(path)


def _calibration(tables: dict[str, _Table]) -> Calibration:
    levels = tuple(
        Level(name, tuple(sorted(table.scores[False])), tuple(sorted(table.scores[True])))
        for name, table in tables.items()
    )
    if not levels[0].authentic:
        raise InputError("--data: no authentic clip can be judged; longer clips were expected")
    facts = [facts for table in tables.values() for facts in table.facts]
    rates = [each.fps for each in facts if each.is_video]
    known = Known(
        side=_span([min(each.width, each.height) for each in facts]),
        fps=_span(rates) if rates else None,
        bits_per_pixel=_span([each.bits_per_pixel for each in facts]),
    )
    authentic, forged = ([s for level in levels for s in getattr(level, kind)] for kind in ("authentic", "forged"))
    temperature, offset = fit_temperature(authentic, forged) or (None, 0.0)
    return Calibration(levels, known, temperature, offset)


def _span(values: Sequence[float]) -> tuple[float, float]:
    return float(min(values)), float(max(values))
