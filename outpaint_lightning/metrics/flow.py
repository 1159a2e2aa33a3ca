"""End-point errors of completed flow, where it matters, and whether a net's confidence tells where they are.

Only vectors that were hidden and whose true one is known are judged. A mean over whole frames, which counts the known
vectors as well and which the literature reports, stands beside them: at a hole of 7 % it is 14 times smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from outpaint_lightning.metrics.frames import FrameTable
from outpaint_lightning.metrics.intervals import bootstrap_interval
from outpaint_lightning.types import Batch, VideoInfo

STRATA = ("hole", "near_edges", "occluded", "frame")
"""`hole`: hidden vectors; `near_edges`, `occluded`: those of them; `frame`: all. Each where the true one is known."""

REFINED, FILL = "refined", "fill"
"""The first two of the methods that a table compares: the net's answer, and what it began with."""

EDGE_JUMP = 0.5  # pixels: by more, two neighbours do not move as one
EDGE_REACH = 3  # pixels around a motion edge
FAR = 1.0  # pixels: an error that is seen
DECILES = 10
KEPT = 20  # points of a sparsification curve


def end_point_error(flow: Tensor, true: Tensor) -> Tensor:
    """Return the distance between the ends of vectors `... 2 H W`: float32 or better `... H W`, in pixels."""
    error: Tensor = torch.linalg.vector_norm(flow.float() - true, dim=-3)
    return error


def motion_edges(flow: Tensor, valid: Tensor, jump: float = EDGE_JUMP) -> Tensor:
    """Return which pixels have a neighbour, of four, that moves otherwise by more than `jump` pixels.

    Args:
        flow: `N 2 H W`.
        valid: `N 1 H W`; no edge lies beside a vector that is not known.
        jump: length of the difference, in pixels.

    Returns:
        Bool `N 1 H W`, both sides of an edge.
    """
    known = valid > 0.5
    across = end_point_error(flow[..., 1:], flow[..., :-1])[:, None] > jump
    down = end_point_error(flow[..., 1:, :], flow[..., :-1, :])[:, None] > jump
    across = across & known[..., 1:] & known[..., :-1]
    down = down & known[..., 1:, :] & known[..., :-1, :]
    return F.pad(across, (1, 0)) | F.pad(across, (0, 1)) | F.pad(down, (0, 0, 1, 0)) | F.pad(down, (0, 0, 0, 1))


def strata(batch: Batch) -> Tensor:
    """Return which vectors belong to each of `STRATA`: bool `B S T 2 H W`, the last 2 being forward and backward.

    Near an edge is what lies within `EDGE_REACH` pixels, along both axes, of the `motion_edges` of the true flow.
    """
    valid = batch["valid"] > 0.5
    hole = valid & (batch["hidden"] > 0.5)
    flow = torch.stack([batch["flow_forward"], batch["flow_backward"]], 2)
    edges = motion_edges(flow.flatten(0, 2), valid.flatten(0, 2)[:, None])
    near = F.max_pool2d(edges.float(), 2 * EDGE_REACH + 1, stride=1, padding=EDGE_REACH) > 0
    return torch.stack([hole, hole & near.view_as(hole), hole & (batch["occluded"] > 0.5), valid], 1)


def confidence_curves(error: Tensor, confidence: Tensor) -> Tensor:
    """Return how well confidence sorts errors: what a decile of it errs by, and what dropping the unsure would gain.

    Errors of equal confidence are exchanged for their mean, so that the order of pixels tells nothing.

    Args:
        error: `N`, in pixels.
        confidence: `N`.

    Returns:
        float32 of `DECILES` + 2, all in pixels and NaN where there are too few errors. The mean error of each decile,
        the least confident first; the area between the sparsification curve and the ideal one (AUSE), where the curve
        is the mean error of what is kept, the surest first, over 20 shares from all to a twentieth, and the ideal keeps
        the smallest errors; and that area for a confidence that tells nothing. Source: Ilg et al. (ECCV 2018,
        arXiv:1802.07095), section 5; there the curves are divided by the mean error, which the ratio of the two areas
        does not see.
    """
    if not len(error):
        return error.new_full((DECILES + 2,), torch.nan, dtype=torch.float32)
    error = error.float()
    levels, level = torch.unique(confidence, return_inverse=True)
    sums = error.new_zeros(len(levels)).index_add_(0, level, error)
    shared = (sums / level.bincount())[level][confidence.argsort()]
    deciles = torch.stack([part.mean() for part in shared.tensor_split(DECILES)])
    kept = -(-len(error) * torch.arange(KEPT, 0, -1, device=error.device) // KEPT)  # at least so many

    def curve(order: Tensor) -> Tensor:
        return order.cumsum(0)[kept - 1] / kept

    ideal = curve(error.sort().values)
    areas = torch.stack([(curve(shared.flip(0)) - ideal).mean(), (error.mean() - ideal).mean()])
    return torch.cat([deciles, areas])


class RefinementErrors(FrameTable):
    """Errors of several methods in every window; a window judged twice counts once.

    Args:
        frames: number of frames of each video; a window is entered under its first frame.
        methods: how many flows are judged against the same truth; the first is the net's, whose confidence is judged.
    """

    def __init__(self, frames: Sequence[int], methods: int) -> None:
        self.methods = methods
        super().__init__(frames, (len(STRATA) * (1 + 2 * methods) + DECILES + 2,), torch.float32)

    def update(
        self, videos: Sequence[int], frames: Sequence[int], error: Tensor, members: Tensor, sure: Tensor
    ) -> None:
        """Enter a batch of windows.

        Args:
            videos: position of each window's video.
            frames: first frame of each window.
            error: `M B T 2 H W`, end-point errors of the methods, forward and backward.
            members: bool `B S T 2 H W`, as `strata`.
            sure: `B T 1 H W`, the net's confidence.
        """
        counts = members.flatten(2).sum(2)  # B S
        inside = torch.where(members, error[:, :, None], 0)  # M B S T 2 H W
        sums = torch.stack([inside.flatten(3).sum(3), (inside > FAR).flatten(3).sum(3)], 3)  # M B S 2
        for i, (video, frame) in enumerate(zip(videos, frames, strict=True)):
            hole = members[i, 0]
            curves = confidence_curves(error[0, i][hole], sure[i].expand_as(hole)[hole])
            self.enter(video, frame, torch.cat([counts[i], sums[:, i].flatten(), curves]))

    def compute(self) -> list[Tensor]:
        """Return for each video the rows of the windows entered, `windows R`."""
        return self.videos()


def summarize_refinement(
    table: RefinementErrors,
    videos: Sequence[VideoInfo],
    methods: Sequence[str],
    bounds: Sequence[str] = (),
    fill_learned: bool = False,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Turn a table into the summary and the per-video rows of a test.

    Args:
        table: what was entered.
        videos: what is known of each video, in the table's order.
        methods: names in the table's order: `REFINED`, `FILL`, then others.
        bounds: those of them that know more than a method may: no floors.
        fill_learned: `FILL` has learned, too, and is no floor where others are judged.

    Returns:
        The summary, where means are over videos, each the same, and what is undefined is None; and one row a video.

        - `epe`: mean end-point error of the net in each of `STRATA`, in pixels; 95 % bootstrap interval `low` to
          `high` of the first over sources; `videos` with a hole. `above_1px`: share of vectors that err by more than
          `FAR`.
        - `methods`: the same two of every method.
        - `floors`: the error in the hole of every method that learned nothing and is no bound; `gain` over the best of
          them, (floor - error) / floor. `gain_over_fill`: the same over `FILL`. `bounds`: the error in the hole of
          these.
        - `worse_than_fill`: number of `videos` whose error exceeds that of the fill, `of` how many, and the `largest`
          excess, in pixels.
        - `confidence`: mean error of each decile of the net's confidence, `deciles`, least confident first; `ause` and
          `ause_random` as `confidence_curves` has them, and their `ratio`.
    """
    rows = [_of_video(windows.cpu().double(), methods) for windows in table.compute()]
    seen = [(video, row) for video, row in zip(videos, rows, strict=True) if row["windows"]]
    errors = {
        name: {kind: _means([row[kind][name] for _, row in seen]) for kind in ("epe", "above_1px")} for name in methods
    }
    in_hole = {name: [row["epe"][name]["hole"] for _, row in seen] for name in methods}
    interval = bootstrap_interval(in_hole[REFINED], sources=[video["source"] for video, _ in seen])
    others = [name for name in methods if name not in (REFINED, FILL, *bounds)]
    floors = {name: errors[name]["epe"]["hole"] for name in ([] if fill_learned and others else [FILL]) + others}
    excess = [
        error - fill
        for error, fill in zip(in_hole[REFINED], in_hole[FILL], strict=True)
        if error is not None and fill is not None
    ]
    curves = [row["confidence"] for _, row in seen]
    summary = {
        "epe": {**errors[REFINED]["epe"], "low": interval.low, "high": interval.high, "videos": interval.videos},
        "above_1px": errors[REFINED]["above_1px"],
        "methods": errors,
        "floors": floors,
        "bounds": {name: errors[name]["epe"]["hole"] for name in bounds},
        "gain": _gain(interval.mean, list(floors.values())),
        "gain_over_fill": _gain(interval.mean, [errors[FILL]["epe"]["hole"]]),
        "worse_than_fill": {
            "videos": sum(value > 0 for value in excess),
            "of": len(excess),
            "largest": max([0.0, *excess]) if excess else None,
        },
        "confidence": {
            "deciles": [_mean([curve[i] for curve in curves]) for i in range(DECILES)],
            "ause": _mean([curve[DECILES] for curve in curves]),
            "ause_random": _mean([curve[DECILES + 1] for curve in curves]),
        },
        "windows": sum(row["windows"] for _, row in seen),
    }
    area, random = summary["confidence"]["ause"], summary["confidence"]["ause_random"]
    summary["confidence"]["ratio"] = area / random if area is not None and random else None
    per_video = [
        {
            **video,
            "windows": row["windows"],
            "vectors": row["vectors"],
            **{f"epe_{stratum}": row["epe"][REFINED][stratum] for stratum in STRATA},
            "above_1px": row["above_1px"][REFINED]["hole"],
            **{f"epe_hole_{name}": row["epe"][name]["hole"] for name in methods[1:]},
            "ause": row["confidence"][DECILES],
            "ause_random": row["confidence"][DECILES + 1],
        }
        for video, row in seen
    ]
    return summary, per_video


def _of_video(windows: Tensor, methods: Sequence[str]) -> dict[str, Any]:
    """Return the means of one video's rows, `windows R`: over its vectors, of confidence over its windows."""
    size = len(STRATA)
    counts, sums, curves = torch.split(windows, [size, 2 * size * len(methods), DECILES + 2], 1)
    total = counts.sum(0)
    means = sums.sum(0).view(len(methods), size, 2) / total[:, None]
    kinds = {
        kind: {
            name: {stratum: _number(value) for stratum, value in zip(STRATA, row, strict=True)}
            for name, row in zip(methods, means[..., at], strict=True)
        }
        for at, kind in enumerate(("epe", "above_1px"))
    }
    confidence = [_number(value) for value in curves.nanmean(0)]
    return {**kinds, "confidence": confidence, "windows": len(windows), "vectors": int(total[0])}


def _means(rows: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    return {stratum: _mean([row[stratum] for row in rows]) for stratum in STRATA}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _gain(error: float | None, floors: Sequence[float | None]) -> float | None:
    known = [floor for floor in floors if floor is not None]
    if error is None or not known or min(known) == 0:
        return None
    return (min(known) - error) / min(known)


def _number(value: Tensor) -> float | None:
    return None if value.isnan() else float(value)
