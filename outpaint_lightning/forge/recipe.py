"""A recipe: the parts that forgeries may use, and the choice of parts for each clip."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outpaint_lightning.forge.chains import Chain
from outpaint_lightning.forge.fills import Fill
from outpaint_lightning.forge.forger import Forger
from outpaint_lightning.forge.masks import MaskSampler
from outpaint_lightning.forge.parts import Part
from outpaint_lightning.forge.seams import Seam
from outpaint_lightning.settings.find import find_config
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.types import InputError, did_you_mean

AXES: dict[str, type[Part]] = {"masks": MaskSampler, "fills": Fill, "seams": Seam, "chains": Chain}


@dataclass(frozen=True)
class Recipe:
    """The parts that forgeries may use.

    A forgery depends on the seed, the name of its clip and its own number. Adding clips changes no existing forgery,
    except splices whose donor changes.

    Attributes:
        masks: mask samplers; at least one.
        fills: fills; at least one.
        seams: seams; at least one.
        chains: encodings of a clip and all its forgeries; at least one.
        per_clip: number of forgeries per clip.
        seed: seed of every random choice.
    """

    masks: tuple[MaskSampler, ...]
    fills: tuple[Fill, ...]
    seams: tuple[Seam, ...]
    chains: tuple[Chain, ...]
    per_clip: int = 4
    seed: int = 0

    @classmethod
    def read(cls, path: str | Path = "default", **changes: Any) -> Recipe:
        """Read a recipe.

        Args:
            path: a YAML file, or the name of a file in `configs/forge`.
            changes: values that replace the file's keys; None keeps the file's value.

        Raises:
            InputError: the file does not exist or is not YAML, or a key, part or value cannot be used.
        """
        file = find_config(path, "configs/forge")
        content = read_mapping(file, f"the keys {', '.join(AXES)}")
        given = {key: value for key, value in changes.items() if value is not None}
        try:
            read = cls.of(**{str(key): value for key, value in content.items()})
        except InputError as error:
            raise InputError(f"{file}: {error}") from error
        return cls.of(**{**read.describe(), **given})

    @classmethod
    def of(cls, **content: Any) -> Recipe:
        """Build a recipe from names, `class_path` mappings or parts for each axis.

        Raises:
            InputError: a key, part or value cannot be used.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for key in content:
            if key not in known:
                raise InputError(f"no key {key!r}; expected {', '.join(known)}{did_you_mean(str(key), known)}")
        built: dict[str, Any] = {}
        for axis, part in AXES.items():
            specs = content.get(axis)
            if not isinstance(specs, Sequence) or isinstance(specs, str) or not specs:
                raise InputError(f"{axis}: expected a list of at least one {part.__name__}")
            built[axis] = tuple(part.build(spec) for spec in specs)
        for key, least in (("per_clip", 0), ("seed", 0)):
            value = content.get(key, getattr(cls, key))
            if type(value) is not int or value < least:
                raise InputError(f"{key} is {value!r}: expected a whole number from {least} on")
            built[key] = value
        return cls(**built)

    def describe(self) -> dict[str, Any]:
        """Return the recipe as plain values, the arguments of `of`."""
        axes: dict[str, Any] = {
            axis: [{"class_path": part.class_path, "init_args": _options(part)} for part in getattr(self, axis)]
            for axis in AXES
        }
        return {**axes, "per_clip": self.per_clip, "seed": self.seed}

    def forgers(self, clip: str, available: frozenset[str]) -> list[Forger]:
        """Pick the least-used combination, then the least-used parts, for each forgery of a clip; ties are random.

        Args:
            clip: name of the clip.
            available: contents of its footage besides frames; see `Part.needs`.

        Returns:
            `per_clip` forgers.

        Raises:
            InputError: all of the recipe's forgers need contents that are not available.
        """
        forgers = self.all_forgers(clip, available)
        order = [forgers[index] for index in rng_of(self.seed, clip, "forgers").permutation(len(forgers))]
        used: Counter[object] = Counter()
        chosen = []
        for _ in range(self.per_clip):
            forger = min(order, key=lambda f: (used[f], used[f.mask] + used[f.fill] + used[f.seam]))
            used.update([forger, forger.mask, forger.fill, forger.seam])
            chosen.append(forger)
        return chosen

    def all_forgers(self, clip: str, available: frozenset[str]) -> list[Forger]:
        """Return every combination whose needs a clip meets.

        Raises:
            InputError: there is none.
        """
        forgers = [Forger(*parts) for parts in itertools.product(self.masks, self.fills, self.seams)]
        usable = [forger for forger in forgers if forger.needs <= available]
        if not usable:
            lacks = sorted(set.union(*(set(forger.needs - available) for forger in forgers)))
            meanings = {
                "objects": "object masks (--masks DIR with a folder of its name)",
                "donor": "a clip of another source in its split to splice from",
            }
            raise InputError(f"{clip}: no forger is left; expected {' and '.join(meanings[need] for need in lacks)}")
        return usable

    def chain(self, clip: str, is_photo: bool, *lot: object) -> Chain:
        """Choose the chain for a clip and all its forgeries; a photo never becomes a video.

        Args:
            clip: name of the clip.
            is_photo: whether the clip is a photo.
            lot: values on which the choice depends besides the seed and the name.

        Raises:
            InputError: all of the recipe's chains are for video.
        """
        chains = [chain for chain in self.chains if not (is_photo and chain.folder == "videos")]
        if not chains:
            raise InputError(f"{clip}: a photo cannot become a video; add the chain none, resize or jpeg")
        return chains[rng_of(self.seed, clip, "chain", *lot).integers(len(chains))]


def rng_of(*key: object) -> np.random.Generator:
    """Return a generator that depends on `key` only."""
    digest = hashlib.sha256("/".join(str(part) for part in key).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _options(part: Part) -> dict[str, Any]:
    options = {name: getattr(part, name) for name in part.option_names()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
