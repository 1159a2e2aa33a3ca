"""The contract every part of the package speaks: batch keys, shapes, ranges and mask polarity.

Shapes are written with `B` batch, `T` frames of a window, `H` and `W` pixels. A mask is **1 where pixels are forged,
missing or a hole and 0 where they are authentic**, everywhere; on disk that is 255 and 0.

| key | shape | type and range |
|---|---|---|
| `image` | `B T 3 H W` | float32 RGB in [0, 1] |
| `clean` | `B T 3 H W` | float32 RGB in [0, 1]: `image` before its codec (`data.codec.paired`) |
| `quality` | `B` | float32: PSNR in dB of `image` to what its codec was given, at most 60 (`data.codec`) |
| `mask` | `B T 1 H W` | float32 in {0, 1} |
| `flow_forward`, `flow_backward` | `B T 2 H W` | float32, pixels, `u` (x) first; frame t to t+1 and t to t-1 |
| `hidden` | `B T 2 H W` | float32 in {0, 1}; 1 = the vector is to be completed; channel 0 forward, 1 backward |
| `valid` | `B T 2 H W` | float32 in {0, 1}; 1 = the true vector is known; where it is not, it is 0 and hidden |
| `occluded` | `B T 2 H W` | float32 in {0, 1}; 1 = the pixel is hidden or outside the frame where the vector ends |
| `label` | `B` | long, 1 = contains a forged region |
| `box` | `B 4` | float32 `xmin ymin xmax ymax`, pixels, half-open; zeros when `label` is 0 |
| `meta` | list of `B` | `WindowMeta` |
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from torch import Tensor


class InputError(ValueError):
    """Something the user gave cannot be used. The command line prints the message as one line and exits with 2.

    The message names the file or key, what was expected and, where there is one, the nearest valid choice.
    """


class WindowMeta(TypedDict):
    """Where one window of frames comes from."""

    clip: str
    frames: list[int]
    """Indices into the clip, in the order of `image`; the first is the frame that is judged."""
    source: str
    scene: str
    camera: str
    forger: str
    codec: NotRequired[dict[str, Any]]
    """Name and parameters of the chain it went through when it was read (`data.codec`)."""


class VideoInfo(TypedDict):
    """One video of a split, as metrics group it."""

    clip: str
    frames: int
    scene: str
    camera: str
    source: str
    forger: str


class Batch(TypedDict, total=False):
    """One batch; see the module's table. Keys a task does not need are absent."""

    image: Tensor
    clean: Tensor
    quality: Tensor
    mask: Tensor
    flow_forward: Tensor
    flow_backward: Tensor
    hidden: Tensor
    valid: Tensor
    occluded: Tensor
    label: Tensor
    box: Tensor
    meta: list[WindowMeta]


def views(batch: Batch) -> list[Literal["image", "clean"]]:
    """Return the keys of a batch that hold its frames: what moves or recolours one of them treats all alike."""
    return ["image", "clean"] if "clean" in batch else ["image"]


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the choice nearest to `name`, or an empty string when none is near."""
    near: list[Any] = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
