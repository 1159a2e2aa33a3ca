"""SyntheticContext: small scenes in which things imply their surroundings, by a fixed rule.

Each kind of thing has its surroundings: a boat has water below a sky, a car a road before buildings. The horizon
follows from where the first thing stands, up to a little chance; whether something lies along the horizon (a beach, a
wood) is chance alone. So the layout of a scene can be predicted from its things, in part, and the quality of that
prediction is measurable without a download.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.data.synthetic.textures import Cells, Clouds, Palette, Texture, Tiles, Waves, seed_of
from outpaint_lightning.types import UNKNOWN

STUFF = ("sky", "water", "grass", "road", "sand", "snow", "forest", "building")
"""Names of the background classes; a layout holds their positions."""

SMALLEST = 16
"""Pixels a side of a scene."""
JITTER = 0.03
"""Of the height: the deviation of the horizon from where the rule has it."""
BAND_CHANCE = 0.5
SECOND_CHANCE = 0.4
"""Of a second thing of the same kind."""


@dataclass(frozen=True)
class Rule:
    """What surrounds a kind of thing.

    Attributes:
        above: Stuff above the horizon.
        below: Stuff below it.
        band: Stuff that may lie along it, on its upper side.
        offset: How far the horizon is below the centre of the thing, as a share of the thing's size.
        rows: Where the centre of the first thing may be, as shares of the height.
        outline: Corners of the thing, x and y from -1 to 1; y points down.
        colour: Of the thing, RGB in [0, 1].
    """

    above: str
    below: str
    band: str
    offset: float
    rows: tuple[float, float]
    outline: tuple[tuple[float, float], ...]
    colour: tuple[float, float, float]


_SAIL = ((-1, 0.2), (-0.1, 0.2), (-0.1, -1), (0.7, 0.1), (1, 0.2), (0.6, 0.7), (-0.6, 0.7))
_KITE = ((0, -1), (0.7, -0.2), (0, 1), (-0.7, -0.2))
_CAR = ((-1, 0.5), (-1, 0), (-0.5, -0.1), (-0.3, -0.5), (0.4, -0.5), (0.6, 0), (1, 0.1), (1, 0.5))
_HUMPS = ((-0.8, 0.9), (-0.8, 0), (-0.4, -0.6), (0, 0), (0.4, -0.6), (0.7, 0), (0.9, -0.9), (1, 0.9), (0.5, 0.2))
_SKIER = ((-0.2, -1), (0.2, -1), (0.3, 0.4), (1, 0.9), (-1, 0.9), (-0.3, 0.4))
_COW = ((-1, -0.5), (0.6, -0.5), (1, -0.8), (1, -0.1), (0.7, 0.8), (0.4, 0.8), (0.4, 0.3), (-0.6, 0.3), (-0.9, 0.8))

RULES = {
    "boat": Rule("sky", "water", "sand", -0.3, (0.4, 0.75), _SAIL, (0.85, 0.2, 0.15)),
    "kite": Rule("sky", "grass", "forest", 1.6, (0.15, 0.45), _KITE, (0.9, 0.1, 0.75)),
    "car": Rule("building", "road", "grass", 0.2, (0.5, 0.8), _CAR, (0.1, 0.15, 0.85)),
    "camel": Rule("sky", "sand", "building", 0.7, (0.35, 0.7), _HUMPS, (0.5, 0.25, 0.05)),
    "skier": Rule("forest", "snow", "sky", -0.6, (0.45, 0.8), _SKIER, (0.95, 0.85, 0.1)),
    "cow": Rule("forest", "grass", "water", -0.1, (0.4, 0.75), _COW, (0.08, 0.06, 0.06)),
}
"""By kind of thing."""
THINGS = tuple(RULES)

_TONES: dict[str, tuple[float, float, float]] = {
    "sky": (0.5, 0.72, 0.95), "water": (0.1, 0.35, 0.55), "grass": (0.35, 0.62, 0.2), "road": (0.42, 0.42, 0.44),
    "sand": (0.87, 0.76, 0.52), "snow": (0.93, 0.94, 0.97), "forest": (0.1, 0.27, 0.12), "building": (0.6, 0.38, 0.3),
}  # fmt: skip
"""The mean colour of each stuff."""


@dataclass(frozen=True)
class Placed:
    """One thing: its centre and half its width, as shares of the scene's height and width, and its lightness."""

    row: float
    column: float
    size: float
    light: float


@dataclass(frozen=True)
class ContextScene:
    """The parameters of a scene.

    Attributes:
        kind: Of its things, a key of `RULES`.
        things: The first one decides where the horizon is.
        horizon: Row at the left and at the right edge, as shares of the height.
        band: Thickness of the band along the horizon; 0 for none.
        seed: Of the textures.
    """

    kind: str
    things: tuple[Placed, ...]
    horizon: tuple[float, float]
    band: float
    seed: int


@dataclass(frozen=True, eq=False)
class ContextPicture:
    """A rendered scene.

    Attributes:
        frame: uint8 `H W 3` RGB.
        layout: uint8 `H W`: positions in `STUFF`, `UNKNOWN` where a thing hides the background.
        objects: uint8 `H W`: 0 for background, n for the n-th thing.
    """

    frame: NDArray[np.uint8]
    layout: NDArray[np.uint8]
    objects: NDArray[np.uint8]


def sample_context(seed: Any) -> ContextScene:
    """Draw a scene.

    Args:
        seed: what `numpy.random.default_rng` takes; same seed, same scene.

    Example:
        >>> sample_context(0).kind in THINGS
        True
    """
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(THINGS))
    rule = RULES[kind]
    size = rng.uniform(0.14, 0.2)
    things = [Placed(rng.uniform(*rule.rows), rng.uniform(0.2, 0.8), size, rng.uniform(0.8, 1.15))]
    if rng.random() < SECOND_CHANCE:
        column = (things[0].column + 0.4) % 1
        things.append(Placed(things[0].row + rng.uniform(-0.04, 0.04), column, size * 0.9, rng.uniform(0.8, 1.15)))
    middle = horizon_of(kind, things[0]) + rng.normal(0, JITTER)
    slope = rng.normal(0, JITTER)
    ends = tuple(float(np.clip(end, 0.08, 0.92)) for end in (middle - slope, middle + slope))
    band = rng.uniform(0.08, 0.16) if rng.random() < BAND_CHANCE else 0.0
    return ContextScene(kind, tuple(things), (ends[0], ends[1]), band, seed_of(rng))


def horizon_of(kind: str, thing: Placed) -> float:
    """Return where the rule has the horizon, as a share of the height, given the first thing."""
    return thing.row + RULES[kind].offset * thing.size


def render_context(scene: ContextScene, height: int, width: int) -> ContextPicture:
    """Render a scene; edges are hard, so that no pixel of a thing shows what is behind it.

    Example:
        >>> picture = render_context(sample_context(0), 32, 40)
        >>> picture.frame.shape, bool(((picture.layout == 255) == (picture.objects > 0)).all())
        ((32, 40, 3), True)
    """
    stuff = _stuff(scene, height, width)
    rng = np.random.default_rng(scene.seed)
    frame = np.zeros((height, width, 3), np.float32)
    for number in np.unique(stuff):
        name = STUFF[number]
        drawn = _texture(name, rng, height).draw(height, width)
        frame[stuff == number] = drawn[stuff == number]
    objects = np.zeros((height, width), np.uint8)
    for number, thing in enumerate(scene.things, start=1):
        cover = _cover(RULES[scene.kind].outline, thing, height, width)
        shade = np.linspace(1.1, 0.8, height, dtype=np.float32)[:, None, None] * thing.light
        painted = np.array(RULES[scene.kind].colour, np.float32) * shade + np.zeros_like(frame)
        frame[cover], objects[cover] = painted[cover], number
    frame += rng.normal(0, 0.01, frame.shape).astype(np.float32)
    layout = np.where(objects > 0, np.uint8(UNKNOWN), stuff)
    return ContextPicture((frame.clip(0, 1) * 255).round().astype(np.uint8), layout, objects)


def _stuff(scene: ContextScene, height: int, width: int) -> NDArray[np.uint8]:
    """Return the layout behind the things."""
    rule = RULES[scene.kind]
    above, below, band = (np.uint8(STUFF.index(name)) for name in (rule.above, rule.below, rule.band))
    row = (np.arange(height) + 0.5)[:, None] / height
    horizon = np.linspace(*scene.horizon, width)
    stuff = np.where(row >= horizon, below, above)
    return np.where((row < horizon) & (row >= horizon - scene.band), band, stuff).astype(np.uint8)


def _cover(outline: Any, thing: Placed, height: int, width: int) -> NDArray[np.bool_]:
    """Return the pixels of a thing; its size is a share of the shorter side."""
    scale = thing.size * min(height, width)
    corners = np.array(outline) * scale + [thing.column * width, thing.row * height]
    cover = np.zeros((height, width), np.uint8)
    cv2.fillPoly(cover, [np.rint(corners).astype(np.int32)], 1)
    return cover > 0


def _texture(name: str, rng: np.random.Generator, height: int) -> Texture:
    """Draw what a stuff looks like; its patterns grow with the scene."""
    seed, unit = seed_of(rng), height / 32
    tone = np.array(_TONES[name]) * rng.uniform(0.9, 1.1)
    soft, strong = _palette(tone, 0.06), _palette(tone, 0.22)
    textures: dict[str, Texture] = {
        "sky": Clouds(seed, 1.8, soft),
        "water": Waves(3 * unit, 1.57, (2.0, 20 * unit), 1.5, _palette(tone, 0.12)),
        "grass": Clouds(seed, 0.3, strong),
        "road": Clouds(seed, 0.9, soft),
        "sand": Waves(7 * unit, 1.2, (3.0, 16 * unit), 1.0, soft),
        "snow": Clouds(seed, 1.4, soft),
        "forest": Cells(max(3.0, 3 * unit), seed, strong),
        "building": Tiles((5 * unit, 4 * unit), 1.0, 0.0, 0.0, seed, strong),
    }
    return textures[name]


def _palette(tone: NDArray[np.float64], spread: float) -> Palette:
    """Return a darker, the middle and a lighter colour."""
    levels = [np.clip(tone + step * spread, 0, 1) for step in (-1, 0, 1)]
    return tuple((float(r), float(g), float(b)) for r, g, b in levels)
