"""SyntheticContext: small scenes in which the objects imply their surroundings, by a fixed rule.

Each kind of object has fixed surroundings: a boat has water below a sky, a car has a road in front of buildings. The
position of the first object determines the horizon, up to small random deviations. A band along the horizon (a beach, a
forest) is random. So the layout of a scene can be predicted from its objects in part, and the quality of that
prediction can be measured without a download.

Classes of the background are called stuff and objects of the foreground are called things, as in COCO-Stuff.
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
"""Names of the background classes; a layout contains their indices."""

SMALLEST = 16
"""Smallest side of a scene, in pixels."""
JITTER = 0.03
"""Standard deviation of the horizon from the rule, as a share of the height."""
BAND_CHANCE = 0.5
"""Probability of a band along the horizon."""
SECOND_CHANCE = 0.4
"""Probability of a second object of the same kind."""


@dataclass(frozen=True)
class Rule:
    """The surroundings of a kind of object.

    Attributes:
        above: Stuff above the horizon.
        below: Stuff below the horizon.
        band: Stuff that may lie along the horizon, on its upper side.
        offset: Distance of the horizon below the centre of the object, as a multiple of the object's size.
        rows: Range of the centre of the first object, as shares of the height.
        outline: Corners of the object, x and y from -1 to 1; y points down.
        colour: Colour of the object, RGB in [0, 1].
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
"""The rules by kind of object."""
THINGS = tuple(RULES)

_TONES: dict[str, tuple[float, float, float]] = {
    "sky": (0.5, 0.72, 0.95), "water": (0.1, 0.35, 0.55), "grass": (0.35, 0.62, 0.2), "road": (0.42, 0.42, 0.44),
    "sand": (0.87, 0.76, 0.52), "snow": (0.93, 0.94, 0.97), "forest": (0.1, 0.27, 0.12), "building": (0.6, 0.38, 0.3),
}  # fmt: skip
"""The mean colour of each kind of stuff."""


@dataclass(frozen=True)
class Placed:
    """One object: its centre (shares of height and width), half width (share of the shorter side) and lightness."""

    row: float
    column: float
    size: float
    light: float


@dataclass(frozen=True)
class ContextScene:
    """The parameters of a scene.

    Attributes:
        kind: Kind of its objects, a key of `RULES`.
        things: The objects; the first one determines the horizon.
        horizon: Row of the horizon at the left and at the right edge, as shares of the height.
        band: Thickness of the band along the horizon, as a share of the height; 0 for none.
        seed: Seed of the textures.
    """

    kind: str
    things: tuple[Placed, ...]
    horizon: tuple[float, float]
    band: float
    seed: int


@dataclass(frozen=True, eq=False)
class ContextPicture:
    """A rendered scene, or a photo with its layout.

    Attributes:
        frame: uint8 `H W 3` RGB.
        layout: uint8 `H W`: class indices (in `STUFF` for a scene), `UNKNOWN` where an object hides the background.
        objects: uint8 `H W`: 0 for background, n for the n-th object.
    """

    frame: NDArray[np.uint8]
    layout: NDArray[np.uint8]
    objects: NDArray[np.uint8]


def sample_context(seed: Any) -> ContextScene:
    """Draw the parameters of a scene.

    Args:
        seed: a seed for `numpy.random.default_rng`; the same seed gives the same scene.

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
    """Return the horizon that the rule gives for the first object, as a share of the height."""
    return thing.row + RULES[kind].offset * thing.size


def render_context(scene: ContextScene, height: int, width: int) -> ContextPicture:
    """Render a scene. Edges are not antialiased, so no pixel of an object contains background.

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
    """Return the layout behind the objects."""
    rule = RULES[scene.kind]
    above, below, band = (np.uint8(STUFF.index(name)) for name in (rule.above, rule.below, rule.band))
    row = (np.arange(height) + 0.5)[:, None] / height
    horizon = np.linspace(*scene.horizon, width)
    stuff = np.where(row >= horizon, below, above)
    return np.where((row < horizon) & (row >= horizon - scene.band), band, stuff).astype(np.uint8)


def _cover(outline: Any, thing: Placed, height: int, width: int) -> NDArray[np.bool_]:
    """Return the pixels of an object; its size is a share of the shorter side."""
    scale = thing.size * min(height, width)
    corners = np.array(outline) * scale + [thing.column * width, thing.row * height]
    cover = np.zeros((height, width), np.uint8)
    cv2.fillPoly(cover, [np.rint(corners).astype(np.int32)], 1)
    return cover > 0


def _texture(name: str, rng: np.random.Generator, height: int) -> Texture:
    """Draw the texture of a kind of stuff; its patterns scale with the scene."""
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
    """Return a darker colour, the given one and a lighter one."""
    levels = [np.clip(tone + step * spread, 0, 1) for step in (-1, 0, 1)]
    return tuple((float(r), float(g), float(b)) for r, g, b in levels)
