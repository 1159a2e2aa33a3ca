"""The data that an audit's checks use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from outpaint_lightning.audit.findings import Finding
from outpaint_lightning.audit.scan import GRID, ClipFacts

_MOST_MASKS = 2000  # clips used for the mean training mask; more change no printed digit


@dataclass(frozen=True)
class Survey:
    """A dataset after the scan of every clip."""

    root: Path
    clips: tuple[ClipFacts, ...]
    problems: tuple[Finding, ...] = ()
    """Problems found in the dataset's names and lists; the clips concerned may be missing from `clips`."""

    @property
    def masks(self) -> Path:
        """The folder of the masks, in any layout."""
        return next((clip.entry.masks.parent for clip in self.clips if clip.entry.masks), self.root)

    @property
    def manifest(self) -> Path:
        """The file that gives splits and categories: the manifest, or the dataset's root without one."""
        return path if (path := self.root / "manifest.csv").exists() else self.root

    @cached_property
    def names_forgers(self) -> bool:
        """Whether the manifest names a forger for any clip; then clips without a forger are authentic."""
        return any(clip.entry.forger for clip in self.clips)

    def is_forged(self, clip: ClipFacts) -> bool:
        """Whether a clip counts as forged: by its forger if the manifest names any, otherwise by its masks."""
        if self.names_forgers:
            return bool(clip.entry.forger)
        return clip.entry.masks is not None if clip.area is None else clip.area > 0

    @cached_property
    def forged(self) -> list[ClipFacts]:
        """The clips that count as forged."""
        return [clip for clip in self.clips if self.is_forged(clip)]

    @cached_property
    def authentic(self) -> list[ClipFacts]:
        """The other clips."""
        return [clip for clip in self.clips if not self.is_forged(clip)]

    @cached_property
    def splits(self) -> dict[str, list[ClipFacts]]:
        """The clips of each split; clips without a split have the empty name."""
        names = dict.fromkeys(["train", "val", "test", *(clip.entry.split for clip in self.clips)])
        clips = {name: [clip for clip in self.clips if clip.entry.split == name] for name in names}
        return {name: members for name, members in clips.items() if members}

    @cached_property
    def floors(self) -> dict[str, dict[str, float]]:
        """F1 of each of `metrics.FLOORS` in each forged clip of `val` and `test`, by the clip's name.

        The floors are learnt from the coverage of the training clips, each with the same weight. A mask that is
        constant in time has, over all frames of a clip, the same counts against the masks as against their mean. So
        these are a test's F1 per video, at a resolution of `GRID` cells.
        """
        train = [clip.coverage for clip in self.splits.get("train", []) if clip.area]
        scored = [clip for clip in self.clips if clip.entry.split in ("val", "test") and clip.area]
        if not train or not scored:
            return {}
        import torch

        from outpaint_lightning.metrics import FLOORS, MaskPrior

        prior = MaskPrior()
        chosen = np.unique(np.linspace(0, len(train) - 1, min(len(train), _MOST_MASKS)).astype(int))
        prior.fit(torch.from_numpy(np.stack([train[index] for index in chosen], dtype=np.float32, casting="unsafe")))
        guesses = prior.masks(GRID, GRID).flatten(1).double().numpy()
        floors = {}
        for clip in scored:
            truth = np.asarray(clip.coverage, np.float64).ravel()
            f1 = 2 * guesses @ truth / (guesses.sum(axis=1) + truth.sum())
            floors[clip.entry.clip] = dict(zip(FLOORS, f1.tolist(), strict=True))
        return floors

    def floor(self, clips: list[ClipFacts]) -> dict[str, float]:
        """Return the mean of each floor over the `clips` that have floors; empty if none has."""
        known = [self.floors[clip.entry.clip] for clip in clips if clip.entry.clip in self.floors]
        return {name: float(np.mean([floor[name] for floor in known])) for name in (known[0] if known else ())}
