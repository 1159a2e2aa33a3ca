"""The contract every part of the package speaks: batch keys, shapes, ranges and mask polarity.

Shapes are written with `B` batch, `T` frames of a window, `H` and `W` pixels. A mask is **1 where pixels are forged,
missing or a hole and 0 where they are authentic**, everywhere; on disk that is 255 and 0.

| key | shape | type and range |
|---|---|---|
| `image` | `B T 3 H W` | float32 RGB in [0, 1] |
| `clean` | `B T 3 H W` | float32 RGB in [0, 1]: `image` before its codec or its occlusion |
| `again` | `B T 1 H W` | float32 in {0, 1}: another mask of the process that made `mask` (`data.painting`) |
| `other` | `B T 3 H W` | float32 RGB in [0, 1]: clean frames of another clip (`data.painting`) |
| `pair` | `B 1 3 H W` | float32 RGB in [0, 1]: two photos with a hidden middle, 0 there (`data.blending`) |
| `layout` | `B T H W` | long: background class of each pixel; 255 where it is not known (`data.context`) |
| `objects` | `B T H W` | long: 0 for background, n for the n-th thing in the foreground (`data.context`) |
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
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal, NotRequired, Protocol, TypedDict

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


UNKNOWN = 255
"""In a layout, a pixel whose class is not known, or that no background class covers."""


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
    partner: NotRequired[str]
    """Clip whose photo stands on the right in `pair` (`data.blending`)."""
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
    again: Tensor
    other: Tensor
    pair: Tensor
    layout: Tensor
    objects: Tensor
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


class VideoData(Protocol):
    """What every task needs of its DataModule."""

    def videos(self, split: str) -> list[VideoInfo]:
        """Return what is known of each video of a split."""
        ...


class ClipData(VideoData, Protocol):
    """What a localizer needs of its DataModule."""

    window: dict[str, int]
    """`frames` and `stride` of a window."""
    conditions: list[tuple[str, float]]
    """Curve and level of each loader of a test after the first."""
    corruption_options: dict[str, str]
    """Of each curve, the option that its levels are values of."""

    def training_masks(self, size: int) -> tuple[Tensor, float]:
        """Return forged training masks `N size size` in [0, 1], and the forged share of the training pixels."""
        ...


class RegionData(VideoData, Protocol):
    """What a region detector needs of its DataModule."""

    size: tuple[int, int]
    """Height and width of the images that a batch holds."""

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """Height and width of each clip on disk."""
        ...

    def training_boxes(self) -> tuple[Tensor, float]:
        """Return forged training boxes `N 4`, relative to their images, and the share of forged images."""
        ...


class FlowData(VideoData, Protocol):
    """What a flow refiner needs of its DataModule."""

    protocol: str
    """Name of the rule by which a hole hides vectors."""
    hole_setup: str
    """Name of the choice of frames that have the hole."""


class LayoutData(VideoData, Protocol):
    """What contextual outpainting needs of its DataModule."""

    classes: Sequence[str]
    """Names of the background classes, by their number in a layout."""

    def common_layout(self) -> Tensor:
        """Return the most common class of training layouts at each pixel, long `H W`."""
        ...


class StoredData(VideoData, Protocol):
    """What callbacks that show the original images need of a DataModule."""

    root: Path

    def clips(self, split: str) -> Sequence[Any]:
        """Return the clips of a split (`io.Clip`), in the order of `videos`."""
        ...


def datamodule(trainer: Any, needs: type[Any]) -> Any:
    """Return the DataModule of a trainer; assign it to a variable of the type `needs`.

    Args:
        trainer: Lightning's, whose own type hints leave the attribute out.
        needs: one of the protocols above.

    Raises:
        InputError: the DataModule lacks something of it, as that of another task does.
    """
    data = trainer.datamodule
    members = [name for name in (*dir(needs), *needs.__annotations__) if not name.startswith("_")]
    missing = [name for name in members if not hasattr(data, name)]
    if missing:
        raise InputError(
            f"data: {type(data).__name__} lacks {', '.join(missing)}; expected a DataModule for this task, "
            f"see outpaint_lightning.types.{needs.__name__}"
        )
    return data


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice that is spelled most like `name`, or None when none is near.

    Names that differ in capitals or a file's suffix alone come first: of `a0` and `a2.mp4`, the latter is nearest to
    `a2`.
    """
    choices = list(choices)
    alike = [choice for choice in choices if _bare(choice) == _bare(name)]  # also options of one class: `trainer.x`
    near = difflib.get_close_matches(name, alike or choices, n=1, cutoff=0 if alike else 0.6)
    return near[0] if near else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the choice nearest to `name`, or an empty string when none is near."""
    near = nearest(name, choices)
    return f"; did you mean {near!r}?" if near else ""


def did_you_mean_beside(path: PurePath) -> str:
    """Return the hint of `did_you_mean` for a path that does not exist: the nearest name in its folder."""
    folder = Path(path).parent
    return did_you_mean(path.name, [entry.name for entry in folder.iterdir()] if folder.is_dir() else [])


def _bare(name: str) -> str:
    return PurePath(name).stem.casefold()
