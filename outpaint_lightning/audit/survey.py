"""All that an audit knows when its checks begin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from outpaint_lightning.audit.findings import Finding
from outpaint_lightning.audit.scan import GRID, ClipFacts

_MOST_MASKS = 2000  # clips from which the mean training mask is learnt; more change no digit that is printed


@dataclass(frozen=True)
class Survey:
    """A dataset, looked at clip by clip."""

    root: Path
    clips: tuple[ClipFacts, ...]
    problems: tuple[Finding, ...] = ()
    """What reading the dataset's names and lists brought up; the clips concerned may be missing from `clips`."""

    @property
    def masks(self) -> Path:
        """Where the masks lie, in whatever layout."""
        return next((clip.entry.masks.parent for clip in self.clips if clip.entry.masks), self.root)

    @property
    def manifest(self) -> Path:
        """What tells the splits and categories: the manifest, or the dataset where there is none."""
        return path if (path := self.root / "manifest.csv").exists() else self.root

    @cached_property
    def names_forgers(self) -> bool:
        """Whether the manifest says of any clip what made the forgery, and so by silence what is authentic."""
        return any(clip.entry.forger for clip in self.clips)

    def is_forged(self, clip: ClipFacts) -> bool:
        """Whether a clip is called forged: by its forger where the manifest names any, else by what its masks mark."""
        if self.names_forgers:
            return bool(clip.entry.forger)
        return clip.entry.masks is not None if clip.area is None else clip.area > 0

    @cached_property
    def forged(self) -> list[ClipFacts]:
        """The clips that are called forged."""
        return [clip for clip in self.clips if self.is_forged(clip)]

    @cached_property
    def authentic(self) -> list[ClipFacts]:
        """The other clips."""
        return [clip for clip in self.clips if not self.is_forged(clip)]

    @cached_property
    def splits(self) -> dict[str, list[ClipFacts]]:
        """The clips of each split; those of none come under the empty name."""
        names = dict.fromkeys(["train", "val", "test", *(clip.entry.split for clip in self.clips)])
        clips = {name: [clip for clip in self.clips if clip.entry.split == name] for name in names}
        return {name: members for name, members in clips.items() if members}

    @cached_property
    def floors(self) -> dict[str, dict[str, float]]:
        """F1 of each of `metrics.FLOORS` in each forged clip of `val` and `test`, by the clip's name.

        The floors are learnt from the coverage of the training clips, each counting the same. A mask that does not
        change with time has, over all frames of a clip, the same counts against the masks as against their mean: so
        these are the F1 per video of a test, at a resolution of `GRID` cells.
        """
        train = [clip.coverage for clip in self.splits.get("train", []) if clip.area]
        judged = [clip for clip in self.clips if clip.entry.split in ("val", "test") and clip.area]
        if not train or not judged:
            return {}
        import torch

        from outpaint_lightning.metrics import FLOORS, MaskPrior

        prior = MaskPrior()
        chosen = np.unique(np.linspace(0, len(train) - 1, min(len(train), _MOST_MASKS)).astype(int))
        prior.fit(torch.from_numpy(np.stack([train[index] for index in chosen], dtype=np.float32, casting="unsafe")))
        guesses = prior.masks(GRID, GRID).flatten(1).double().numpy()
        floors = {}
        for clip in judged:
            truth = np.asarray(clip.coverage, np.float64).ravel()
            f1 = 2 * guesses @ truth / (guesses.sum(axis=1) + truth.sum())
            floors[clip.entry.clip] = dict(zip(FLOORS, f1.tolist(), strict=True))
        return floors

    def floor(self, clips: list[ClipFacts]) -> dict[str, float]:
        """Return the mean of each floor over those of `clips` that have them; empty when none has."""
        known = [self.floors[clip.entry.clip] for clip in clips if clip.entry.clip in self.floors]
        return {name: float(np.mean([floor[name] for floor in known])) for name in (known[0] if known else ())}
