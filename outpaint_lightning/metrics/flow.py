"""End-point errors of completed flow in the relevant regions, and how well a net's confidence predicts them.

Only hidden vectors with a known true vector are scored. The mean over whole frames, which also counts known vectors and
is usual in the literature, is reported too: with a hole of 7 % it is 14 times smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from outpaint_lightning.metrics.frames import FrameTable
from outpaint_lightning.metrics.intervals import bootstrap_interval
from outpaint_lightning.metrics.numbers import gain, mean, number
from outpaint_lightning.types import Batch, VideoInfo

STRATA = ("hole", "near_edges", "occluded", "frame")
"""`hole`: hidden vectors; `near_edges`, `occluded`: subsets of these; `frame`: all. True vectors must be known."""

REFINED, FILL = "refined", "fill"
"""The first two methods that a table compares: the net's result, and its initial fill."""

EDGE_JUMP = 0.5  # pixels: with a larger difference, two neighbours move differently
EDGE_REACH = 3  # pixels around a motion edge
FAR = 1.0  # pixels: a visible error
DECILES = 10
CURVES = 2 * DECILES + 2
"""Numbers that `confidence_curves` returns."""
KEPT = 20  # points of a sparsification curve


def end_point_error(flow: Tensor, true: Tensor) -> Tensor:
    """Return the distance between the ends of vectors `... 2 H W`: float32 or better `... H W`, in pixels."""
    error: Tensor = torch.linalg.vector_norm(flow.float() - true, dim=-3)
    return error


def motion_edges(flow: Tensor, valid: Tensor, jump: float = EDGE_JUMP) -> Tensor:
    """Return the pixels whose motion differs by more than `jump` pixels from that of one of their four neighbours.

    Args:
        flow: `N 2 H W`.
        valid: `N 1 H W`; vectors that are not known give no edge.
        jump: length of the difference, in pixels.

    Returns:
        Bool `N 1 H W`, True on both sides of an edge.
    """
    known = valid > 0.5
    across = end_point_error(flow[..., 1:], flow[..., :-1])[:, None] > jump
    down = end_point_error(flow[..., 1:, :], flow[..., :-1, :])[:, None] > jump
    across = across & known[..., 1:] & known[..., :-1]
    down = down & known[..., 1:, :] & known[..., :-1, :]
    return F.pad(across, (1, 0)) | F.pad(across, (0, 1)) | F.pad(down, (0, 0, 1, 0)) | F.pad(down, (0, 0, 0, 1))


def strata(batch: Batch) -> Tensor:
    """Return which vectors belong to each of `STRATA`: bool `B S T 2 H W`, the last 2 being forward and backward.

    A vector is near an edge if it is within `EDGE_REACH` pixels, along both axes, of the `motion_edges` of the true
    flow.
    """
    valid = batch["valid"] > 0.5
    hole = valid & (batch["hidden"] > 0.5)
    flow = torch.stack([batch["flow_forward"], batch["flow_backward"]], 2)
    edges = motion_edges(flow.flatten(0, 2), valid.flatten(0, 2)[:, None])
    near = F.max_pool2d(edges.float(), 2 * EDGE_REACH + 1, stride=1, padding=EDGE_REACH) > 0
    return torch.stack([hole, hole & near.view_as(hole), hole & (batch["occluded"] > 0.5), valid], 1)


def confidence_curves(error: Tensor, confidence: Tensor) -> Tensor:
    """Return how well confidence ranks errors: the mean error per decile, and the gain from dropping unsure vectors.

    Errors of equal confidence are replaced by their mean, so that the order of pixels has no influence.

    Args:
        error: `N`, in pixels.
        confidence: `N`.

    Returns:
        float32 of `CURVES`, NaN where there are too few errors. The mean error of each decile in pixels, the least
        confident first; the area between the sparsification curve and the ideal one (AUSE), where the curve
        is the mean error of what is kept, the surest first, over 20 shares from all to a twentieth, and the ideal keeps
        the smallest errors; that area for a confidence that tells nothing; and the mean confidence of each decile,
        which, beside its mean error, is a reliability plot. Source: Ilg et al. (ECCV 2018,
        arXiv:1802.07095), section 5; there the curves are divided by the mean error, which the ratio of the two areas
        does not see.
    """
    if not len(error):
        return error.new_full((CURVES,), torch.nan, dtype=torch.float32)
    error = error.float()
    levels, level = torch.unique(confidence, return_inverse=True)
    sums = error.new_zeros(len(levels)).index_add_(0, level, error)
    order = confidence.argsort()
    shared = (sums / level.bincount())[level][order]
    deciles, claimed = (
        torch.stack([part.mean() for part in values.tensor_split(DECILES)])
        for values in (shared, confidence[order].float())
    )
    kept = -(-len(error) * torch.arange(KEPT, 0, -1, device=error.device) // KEPT)  # at least so many

    def curve(order: Tensor) -> Tensor:
        return order.cumsum(0)[kept - 1] / kept

    ideal = curve(error.sort().values)
    areas = torch.stack([(curve(shared.flip(0)) - ideal).mean(), (error.mean() - ideal).mean()])
    return torch.cat([deciles, areas, claimed])


class RefinementErrors(FrameTable):
    """Errors of several methods in every window; a window that is entered twice counts once.

    Args:
        frames: number of frames of each video; a window is entered under its first frame.
        methods: number of flows with the same truth; the first is the net's, whose confidence is scored.
    """

    def __init__(self, frames: Sequence[int], methods: int) -> None:
        self.methods = methods
        super().__init__(frames, (len(STRATA) * (1 + 2 * methods) + CURVES,), torch.float32)

    def update(
        self, videos: Sequence[int], frames: Sequence[int], error: Tensor, members: Tensor, sure: Tensor | None
    ) -> None:
        """Add a batch of windows.

        Args:
            videos: index of each window's video.
            frames: first frame of each window.
            error: `M B T 2 H W`, end-point errors of the methods, forward and backward.
            members: bool `B S T 2 H W`, as `strata`.
            sure: `B T C H W`, the net's confidence, C being 1 or 2; None of a net that says none.
        """
        counts = members.flatten(2).sum(2)  # B S
        inside = torch.where(members, error[:, :, None], 0)  # M B S T 2 H W
        sums = torch.stack([inside.flatten(3).sum(3), (inside > FAR).flatten(3).sum(3)], 3)  # M B S 2
        for i, (video, frame) in enumerate(zip(videos, frames, strict=True)):
            hole = members[i, 0]
            if sure is None:
                curves = error.new_full((CURVES,), torch.nan)
            else:
                curves = confidence_curves(error[0, i][hole], sure[i].expand_as(hole)[hole])
            self.enter(video, frame, torch.cat([counts[i], sums[:, i].flatten(), curves]))

    def compute(self) -> list[Tensor]:
        """Return for each video the rows of its windows, `windows R`."""
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
        table: the errors.
        videos: description of each video, in the table's order.
        methods: names in the table's order: `REFINED`, `FILL`, then others.
        bounds: those of the methods that use more than a method may know, so they are not floors.
        fill_learned: `FILL` was trained too, so it is not a floor if there are other methods.

    Returns:
        The summary, where means are over videos with equal weight, and undefined values are None; and one row per
        video.

        - `epe`: mean end-point error of the net in each of `STRATA`, in pixels; 95 % bootstrap interval `low` to
          `high` of the first over sources; `videos` with a hole. `above_1px`: share of vectors with an error above
          `FAR`.
        - `methods`: the same two of every method.
        - `floors`: the error in the hole of every method without training that is not a bound; `gain` over the best of
          them, (floor - error) / floor. `gain_over_fill`: the same over `FILL`. `bounds`: the error in the hole of
          the bounds.
        - `worse_than_fill`: number of `videos` whose error exceeds that of the fill, `of` how many, and the `largest`
          excess, in pixels.
        - `confidence`: mean error of each decile of the net's confidence, `deciles`, least confident first, and the
          mean confidence of each, `claimed`; `ause` and `ause_random` as `confidence_curves` has them, and their
          `ratio`.
    """
    judged = _Judged.of(table, videos)
    errors = {name: judged.errors_of(method) for method, name in enumerate(methods)}
    in_hole = {name: error["epe"]["hole"] for name, error in errors.items()}
    sources = [video["source"] for video in judged.videos]
    interval = bootstrap_interval(judged.epe[:, 0, 0].tolist(), sources=sources)
    others = [name for name in methods if name not in (REFINED, FILL, *bounds)]
    floors = {name: in_hole[name] for name in ([] if fill_learned and others else [FILL]) + others}
    summary = {
        "epe": {**errors[REFINED]["epe"], "low": interval.low, "high": interval.high, "videos": interval.videos},
        "above_1px": errors[REFINED]["above_1px"],
        "methods": errors,
        "floors": floors,
        "bounds": {name: in_hole[name] for name in bounds},
        "gain": gain(interval.mean, floors.values(), perfect=0.0),
        "gain_over_fill": gain(interval.mean, [in_hole[FILL]], perfect=0.0),
        "worse_than_fill": _worse_than_fill(judged),
        "confidence": _confidence(judged),
        "windows": sum(judged.windows),
    }
    return summary, [_row(judged, video, methods) for video in range(len(judged.videos))]


class _Judged(NamedTuple):
    """The means of each video with windows, on the CPU in double precision; NaN where nothing was scored."""

    videos: list[VideoInfo]
    epe: Tensor
    """`videos methods strata`."""
    above_1px: Tensor
    """The same shape."""
    confidence: Tensor
    """`videos CURVES`, see `confidence_curves`: a mean over windows."""
    windows: list[int]
    vectors: list[int]
    """Number of vectors in the hole."""

    @classmethod
    def of(cls, table: RefinementErrors, videos: Sequence[VideoInfo]) -> Self:
        """Average over the vectors of each video; average confidence over its windows."""
        seen = [(info, rows.cpu().double()) for info, rows in zip(videos, table.compute(), strict=True) if len(rows)]
        size = len(STRATA)
        errors = torch.empty(len(seen), table.methods, size, 2, dtype=torch.float64)
        confidence = torch.empty(len(seen), CURVES, dtype=torch.float64)
        vectors = []
        for video, (_, rows) in enumerate(seen):
            counts, sums, curves = torch.split(rows, [size, 2 * size * table.methods, CURVES], 1)
            total = counts.sum(0)
            errors[video] = sums.sum(0).view(table.methods, size, 2) / total[:, None]
            confidence[video] = curves.nanmean(0)
            vectors.append(int(total[0]))
        epe, above_1px = errors.unbind(-1)
        windows = [len(rows) for _, rows in seen]
        return cls([info for info, _ in seen], epe, above_1px, confidence, windows, vectors)

    def errors_of(self, method: int) -> dict[str, dict[str, float | None]]:
        """Return `epe` and `above_1px` of a method in each stratum: means over videos."""
        kinds = {"epe": self.epe, "above_1px": self.above_1px}
        return {
            kind: {stratum: mean(values[:, method, at]) for at, stratum in enumerate(STRATA)}
            for kind, values in kinds.items()
        }


def _worse_than_fill(judged: _Judged) -> dict[str, Any]:
    excess = judged.epe[:, 0, 0] - judged.epe[:, 1, 0]
    known = excess[~excess.isnan()].tolist()
    largest = max([0.0, *known]) if known else None
    return {"videos": sum(value > 0 for value in known), "of": len(known), "largest": largest}


def _confidence(judged: _Judged) -> dict[str, Any]:
    columns = [mean(column) for column in judged.confidence.unbind(1)]
    area, random = columns[DECILES : DECILES + 2]
    return {
        "deciles": columns[:DECILES],
        "claimed": columns[DECILES + 2 :],
        "ause": area,
        "ause_random": random,
        "ratio": area / random if area is not None and random else None,
    }


def _row(judged: _Judged, video: int, methods: Sequence[str]) -> dict[str, Any]:
    """Return the row of one video."""
    epe, confidence = judged.epe[video], judged.confidence[video]
    return {
        **judged.videos[video],
        "windows": judged.windows[video],
        "vectors": judged.vectors[video],
        **{f"epe_{stratum}": number(epe[0, at]) for at, stratum in enumerate(STRATA)},
        "above_1px": number(judged.above_1px[video, 0, 0]),
        **{f"epe_hole_{name}": number(epe[method, 0]) for method, name in enumerate(methods) if method},
        "ause": number(confidence[DECILES]),
        "ause_random": number(confidence[DECILES + 1]),
    }
