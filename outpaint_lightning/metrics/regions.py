"""Metrics of images with at most one forged region: the class, the box and, if predicted, the mask.

A box is compared with a box and a mask with a mask, never one with the other. Boxes are stored relative to their image,
in [0, 1]: the overlap of two boxes does not depend on the image's size or aspect ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self, TypedDict

import torch
from torch import Tensor, nn

from outpaint_lightning.geometry import box_iou, generalized_iou
from outpaint_lightning.metrics.frames import FrameTable
from outpaint_lightning.metrics.intervals import bootstrap_interval
from outpaint_lightning.metrics.localization import scores
from outpaint_lightning.metrics.numbers import gain, mean, number
from outpaint_lightning.metrics.seams import auroc

SIDES = ("xmin", "ymin", "xmax", "ymax")
BOX_FLOORS = ("centre", "mean", "whole")
RECTANGLES = ("border", "box")  # mask families whose edges are horizontal and vertical

_SCORE, _LABEL, _FOUND, _TRUE, _MASK_BOX, _COUNTS = 0, 1, slice(2, 6), slice(6, 10), slice(10, 14), slice(14, 18)


class RegionImage(TypedDict):
    """The description of one image that metrics need for grouping and scaling."""

    clip: str
    frame: int
    source: str
    forger: str
    height: int
    """Height of the original image, in pixels."""
    width: int


class BoxPrior(nn.Module):
    """The information in the training boxes alone: the mean box, in a buffer, so that a checkpoint has its floors."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.0, 0.0, 1.0, 1.0]))

    def fit(self, boxes: Tensor) -> None:
        """Learn from training boxes `N 4`, `xmin ymin xmax ymax` relative to their images, N at least 1."""
        self.mean.copy_(boxes.float().mean(0))

    def boxes(self) -> Tensor:
        """Return the box that each of `BOX_FLOORS` predicts for every image, relative: float32 `3 4`.

        `centre` is a centred box with the training boxes' mean width and height, `mean` is the mean box at its own
        position, `whole` is the whole image.
        """
        half = (self.mean[2:] - self.mean[:2]) / 2
        return torch.stack([torch.cat([0.5 - half, 0.5 + half]), self.mean, self.mean.new_tensor([0.0, 0.0, 1.0, 1.0])])


class BoxScores(FrameTable):
    """Score, label, boxes and mask counts of every image; an image that is entered twice counts once.

    A row has 18 numbers: `score, label, found box, true box`, then the box around the found mask and `COUNTS` of its
    pixels (exact below 2^24), which are -1 without a mask. Boxes are relative to the image; an authentic image has a
    box of zeros.

    Args:
        frames: number of images of each clip.
    """

    def __init__(self, frames: Sequence[int]) -> None:
        super().__init__(frames, (18,), torch.float32)

    def update(
        self,
        videos: Sequence[int],
        frames: Sequence[int],
        *,
        score: Tensor,
        label: Tensor,
        found: Tensor,
        true: Tensor,
        mask_box: Tensor | None = None,
        counts: Tensor | None = None,
    ) -> None:
        """Add a batch: scores `N` in [0, 1], labels `N`, relative boxes `N 4`, and counts `N 4` of masks.

        A NaN score counts as 0, the worst value, because -1 marks missing images in the table.
        """
        none = torch.full_like(found, -1)
        masks = [none if part is None else part for part in (mask_box, counts)]
        columns = [score[:, None].nan_to_num(0), label[:, None], found, true, *masks]
        positions = [self.starts[video] + frame for video, frame in zip(videos, frames, strict=True)]
        self.table[torch.tensor(positions, device=self.table.device)] = torch.cat([c.float() for c in columns], 1)

    def compute(self) -> Tensor:
        """Return the table, `images 18`, the clips in order; missing images are -1."""
        return self.table


def mask_family(forger: str) -> str:
    """Return the kind of mask at the start of a forger's name: `box` for `box/telea/hard`."""
    return forger.partition("/")[0]


def summarize_regions(
    rows: Tensor, images: Sequence[RegionImage], threshold: float, prior: BoxPrior | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Turn `BoxScores.compute()` into the summary and the rows of a test.

    Args:
        rows: `images 18`; missing images are left out.
        images: description of each image, in the same order.
        threshold: images with at least this score count as found forged.
        prior: prior of the training boxes, for the floors of the box; None leaves the floors out.

    Returns:
        The summary, where undefined values are None, and one row per image with boxes in pixels of the original.

        - `precision`, `recall`, `f1`, `auroc` of the class. `f1_and_iou` is the mean of F1 and mean IoU.
        - `authentic`: the number of `images`, and `false_alarms`, the share of them that is called forged.
        - `iou`: `mean` over images with a true region, found or not (the paper does not say over which), its 95 %
          bootstrap interval `low` to `high` over sources; `found`, the mean over the found ones only; `above_50` and
          `above_75`, the share of images with a true region whose IoU exceeds 0.5 and 0.75. `giou`: the mean.
        - `by_forger` and `by_family`: F1, recall and mean IoU of the images of a forger and of a kind of mask. Each
          gets a part of the false positives in proportion to its forged images, so F1 does not depend on the number of
          forgers.
        - `rectangle_gap`: F1 and mean IoU of `RECTANGLES` minus those of all other kinds of masks.
        - `floors`: F1 of calling every image forged, and the mean IoU of `BOX_FLOORS`; `gain` over them, (score - best
          floor) / (1 - best floor).
        - with masks, `mask`: pixel F1 and IoU, mean over images with a true region; `box_iou`, the mean IoU of the box
          around the found mask; `pixel_fpr`, mean over authentic images.
    """
    judged = _Judged.of(rows, images, threshold)
    classes = _class_scores(judged.found[judged.forged], judged.false_positives)
    iou = _box_scores(judged)
    summary: dict[str, Any] = {
        **classes,
        "auroc": auroc(judged.rows[:, _SCORE], judged.forged) if judged.images else None,
        "f1_and_iou": None if iou["mean"] is None else (classes["f1"] + iou["mean"]) / 2,
        "authentic": {
            "images": int((~judged.forged).sum()),
            "false_alarms": mean(judged.found[~judged.forged].double()),
        },
        "iou": iou,
        "giou": mean(judged.giou),
        **_groups(judged),
        "images": {
            "forged": int(judged.forged.sum()),
            "authentic": int((~judged.forged).sum()),
            "found": int(judged.found.sum()),
        },
    }
    if prior is not None:
        authentic = int((~judged.forged).sum())
        summary |= _floors(prior, judged.rows[judged.forged][:, _TRUE], authentic, classes["f1"], iou["mean"])
    masks = _mask_scores(judged)
    if masks:
        summary["mask"] = {
            **{name: mean(masks[f"mask_{name}"]) for name in ("f1", "iou", "box_iou")},
            "pixel_fpr": mean(masks["mask_pixel_fpr"][~judged.forged]),
        }
    return summary, _table(judged, masks)


class _Judged(NamedTuple):
    """The entered images, on the CPU in double precision."""

    images: list[RegionImage]
    rows: Tensor
    """`N 18`, as in `BoxScores`."""
    found: Tensor
    """Bool `N`: predicted forged."""
    forged: Tensor
    """Bool `N`: truly forged."""
    iou: Tensor
    """`N`, IoU of the boxes; NaN for authentic images, like `giou`."""
    giou: Tensor

    @classmethod
    def of(cls, rows: Tensor, images: Sequence[RegionImage], threshold: float) -> Self:
        """Take the entered images from a table, and measure their boxes."""
        seen = rows[:, _SCORE] >= 0
        found = (rows[seen, _SCORE] >= threshold).cpu()  # in float32, as in the task
        chosen = [image for image, judged in zip(images, seen.tolist(), strict=True) if judged]
        rows = rows[seen].cpu().double()
        forged = rows[:, _LABEL] > 0
        overlaps = (measure(rows[:, _FOUND], rows[:, _TRUE]) for measure in (box_iou, generalized_iou))
        iou, giou = (torch.where(forged, overlap, torch.nan) for overlap in overlaps)
        return cls(chosen, rows, found, forged, iou, giou)

    @property
    def false_positives(self) -> int:
        """The number of authentic images that are predicted forged."""
        return int((self.found & ~self.forged).sum())


def _box_scores(judged: _Judged) -> dict[str, float | None]:
    interval = bootstrap_interval(judged.iou.tolist(), sources=[image["source"] for image in judged.images])
    of_forged = judged.iou[judged.forged]
    return {
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "found": mean(judged.iou[judged.found]),
        "above_50": mean((of_forged > 0.5).double()),
        "above_75": mean((of_forged > 0.75).double()),
    }


def _groups(judged: _Judged) -> dict[str, Any]:
    """Return `by_forger`, `by_family` and `rectangle_gap`."""
    pairs = zip(judged.images, judged.forged.tolist(), strict=True)
    forgers = [image["forger"] if is_forged else "" for image, is_forged in pairs]
    families = [mask_family(forger) for forger in forgers]
    rectangles = [family in RECTANGLES for family in families]
    others = [family not in ("", *RECTANGLES) for family in families]
    return {
        "by_forger": _by_name(judged, forgers),
        "by_family": _by_name(judged, families),
        "rectangle_gap": _gap(_group(judged, rectangles), _group(judged, others)),
    }


def _by_name(judged: _Judged, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {name: _group(judged, [other == name for other in names]) for name in sorted({*names} - {""})}


def _group(judged: _Judged, members: Sequence[bool]) -> dict[str, Any]:
    """Return the scores of some forged images, with their part of the false positives."""
    chosen = judged.forged & torch.tensor(members, dtype=torch.bool)
    share = int(chosen.sum()) / max(1, int(judged.forged.sum()))
    classes = _class_scores(judged.found[chosen], judged.false_positives * share)
    iou = judged.iou[chosen]
    return {"f1": classes["f1"], "recall": classes["recall"], "iou": mean(iou), "images": len(iou)}


def _mask_scores(judged: _Judged) -> dict[str, Tensor]:
    """Return the columns that masks add to the table, `N` each; empty if the net predicts no masks."""
    rows = judged.rows
    if not (rows[:, _COUNTS] >= 0).any():
        return {}
    pixels = scores(rows[:, _COUNTS])
    columns = {f"mask_{name}": pixels[name] for name in ("f1", "iou", "pixel_fpr")}
    overlap = box_iou(rows[:, _MASK_BOX], rows[:, _TRUE])
    return {**columns, "mask_box_iou": torch.where(judged.forged, overlap, torch.nan)}


def _table(judged: _Judged, masks: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """Return one row per image, with boxes in pixels of the original."""
    return [
        {
            **image,
            "label": int(judged.forged[i]),
            "found": int(judged.found[i]),
            "score": row[_SCORE].item(),
            "iou": number(judged.iou[i]),
            "giou": number(judged.giou[i]),
            **in_pixels(row[_FOUND].tolist(), image["height"], image["width"]),
            **in_pixels(row[_TRUE].tolist(), image["height"], image["width"], "true_"),
            **{name: number(column[i]) for name, column in masks.items()},
        }
        for i, (image, row) in enumerate(zip(judged.images, judged.rows, strict=True))
    ]


def in_pixels(box: Sequence[float], height: int, width: int, prefix: str = "") -> dict[str, float]:
    """Return a relative box `4` as `SIDES` in pixels of an image of this size, rounded to 0.01."""
    lengths = (width, height, width, height)
    return {f"{prefix}{side}": round(v * length, 2) for side, v, length in zip(SIDES, box, lengths, strict=True)}


def _class_scores(found: Tensor, false_positives: float) -> dict[str, Any]:
    """Return precision, recall and F1 of forged images (bool `N`: found or not) with this number of false positives.

    Precision is undefined if nothing is found, recall and F1 if nothing is forged.
    """
    true_positives, forged = int(found.sum()), len(found)
    positives = true_positives + false_positives
    return {
        "precision": true_positives / positives if positives else None,
        "recall": true_positives / forged if forged else None,
        "f1": 2 * true_positives / (positives + forged) if forged else None,
    }


def _floors(prior: BoxPrior, true: Tensor, authentic: int, f1: float | None, iou: float | None) -> dict[str, Any]:
    """Return `floors` over true boxes `N 4` and a number of authentic images, and the `gain` of F1 and mean IoU."""
    boxes = zip(BOX_FLOORS, prior.boxes().double().cpu(), strict=True)
    of_boxes = {name: mean(box_iou(box.expand_as(true), true)) for name, box in boxes}
    all_forged = _class_scores(torch.ones(len(true)), authentic)["f1"]
    return {
        "floors": {"all_forged": all_forged, **of_boxes},
        "gain": {"f1": gain(f1, [all_forged]), "iou": gain(iou, of_boxes.values())},
    }


def _gap(rectangles: dict[str, Any], others: dict[str, Any]) -> dict[str, float | None]:
    return {
        name: None if None in (rectangles[name], others[name]) else rectangles[name] - others[name]
        for name in ("f1", "iou")
    }
