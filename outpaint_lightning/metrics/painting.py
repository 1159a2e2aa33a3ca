"""Errors of clips filled by several methods, and Fréchet distances between sets of clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.fid import FrechetInceptionDistance

from outpaint_lightning.metrics.frames import FrameTable
from outpaint_lightning.metrics.intervals import bootstrap_interval
from outpaint_lightning.metrics.numbers import gain, mean, number
from outpaint_lightning.types import InputError, VideoInfo

FILLED = "net"
"""Name of the evaluated method; all others are floors."""
SUMS = 5
"""Values per frame and method: sums of absolute and squared errors, over hidden values and over all; and 1 - SSIM."""
SSIM_SIDE = 11
"""Side of the window of SSIM in pixels. Smaller frames have no SSIM."""


class FillErrors(FrameTable):
    """Errors of several methods in every frame; a frame that is added twice counts once.

    Args:
        frames: number of frames of each video.
        methods: number of methods; the first is the net.

    Example:
        >>> errors, clean = FillErrors(frames=[1], methods=1), torch.zeros(1, 1, 1, 4, 4)
        >>> errors.update([0], [[0]], made=clean[None] + 0.5, clean=clean, mask=torch.ones(1, 1, 1, 4, 4))
        >>> video = {"clip": "a", "frames": 1, "scene": "", "camera": "", "source": "a", "forger": "rain"}
        >>> summary, rows = summarize_fills(errors, [video], ["net"])
        >>> summary["mae"]["hole"]
        0.5
    """

    def __init__(self, frames: Sequence[int], methods: int) -> None:
        self.methods = methods
        super().__init__(frames, (2 + SUMS * methods,), torch.float32)

    def update(
        self, videos: Sequence[int], frames: Sequence[Sequence[int]], made: Tensor, clean: Tensor, mask: Tensor
    ) -> None:
        """Add a batch of windows.

        Args:
            videos: index of each window's video.
            frames: numbers of each window's frames.
            made: `M B T C H W`, the clips as the methods fill them, in [0, 1].
            clean: `B T C H W`.
            mask: `B T 1 H W`, 1 where voxels were hidden.
        """
        hole = (mask > 0.5).expand_as(clean)
        error = (made - clean).abs()
        inside = torch.where(hole, error, 0)
        sums = [part.flatten(3).sum(3) for part in (inside, inside.square(), error, error.square())]
        unlike = torch.stack([1 - _ssim(method, clean) for method in made])
        values = torch.stack([*sums, unlike], 3).permute(1, 2, 0, 3).flatten(2)  # B T M*SUMS
        hidden = hole.flatten(2).sum(2)
        rows = torch.cat([torch.stack([hidden, torch.full_like(hidden, hole[0, 0].numel())], 2), values], 2)
        for video, numbers, window in zip(videos, frames, rows, strict=True):
            for frame, row in zip(numbers, window, strict=True):
                self.enter(video, frame, row)

    def compute(self) -> list[Tensor]:
        """Return the rows of each video's frames, `frames R`."""
        return self.videos()


def _ssim(made: Tensor, clean: Tensor) -> Tensor:
    """Return the structural similarity of each frame, `B T`; NaN if frames are too small for it."""
    if min(clean.shape[-2:]) < SSIM_SIDE:
        return clean.new_full(clean.shape[:2], torch.nan)
    frames = made.flatten(0, 1), clean.flatten(0, 1)
    similar: Any = structural_similarity_index_measure(*frames, data_range=1.0, reduction="none")
    return torch.as_tensor(similar).view(clean.shape[:2])


class _Errors(NamedTuple):
    """Means of each video, `videos methods`, in double precision."""

    mae_hole: Tensor
    rmse_hole: Tensor
    mae_all: Tensor
    rmse_all: Tensor
    psnr: Tensor
    ssim: Tensor


def summarize_fills(
    table: FillErrors, videos: Sequence[VideoInfo], methods: Sequence[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Turn a table into the summary and the per-video rows of a test.

    Args:
        table: the errors.
        videos: description of each video, in the table's order; its `forger` is the occlusion.
        methods: names in the table's order; the first is the net, the others are floors.

    Returns:
        The summary, where means are over videos with equal weight, and one row per video.

        - `mae`, `rmse`: errors of the net, `hole` over hidden values and `all` over all values of the filled clip, in
          units of [0, 1]. `mae` also has the 95 % bootstrap interval over sources, `low` to `high`, and the number of
          `videos`. `psnr` in dB (of the filled clip, at most 100) and `ssim`, also of the net.
        - `methods`: the same six values of every method.
        - `floors`: `mae` in the hole of every other method; `gain`: (floor - mae) / floor over the best of them.
        - `by_occlusion`: `mae`, `floors`, `gain` and `videos` of each kind of occlusion.
    """
    known = [(info, rows.cpu().double()) for info, rows in zip(videos, table.compute(), strict=True) if len(rows)]
    infos = [info for info, _ in known]
    errors = _errors([rows for _, rows in known], table.methods)
    named = {name: _means(errors, column) for column, name in enumerate(methods)}
    interval = bootstrap_interval(errors.mae_hole[:, 0].tolist(), sources=[info["source"] for info in infos])
    own = named[methods[0]]
    floors = {name: named[name]["mae_hole"] for name in methods[1:]}
    summary = {
        "mae": {"hole": own["mae_hole"], "all": own["mae_all"], "low": interval.low, "high": interval.high,
                "videos": interval.videos},
        "rmse": {"hole": own["rmse_hole"], "all": own["rmse_all"]},
        "psnr": own["psnr"],
        "ssim": own["ssim"],
        "methods": named,
        "floors": floors,
        "gain": gain(own["mae_hole"], floors.values(), perfect=0.0),
        "by_occlusion": _by_occlusion(errors, infos, methods),
    }  # fmt: skip
    return summary, [_row(errors, video, info, methods) for video, info in enumerate(infos)]


def _errors(videos: Sequence[Tensor], methods: int) -> _Errors:
    """Average over the values of each video, and SSIM over its frames. NaN if nothing was hidden."""
    means = torch.full((6, len(videos), methods), torch.nan, dtype=torch.float64)
    for video, rows in enumerate(videos):
        hidden, values = rows[:, 0].sum(), rows[:, 1].sum()
        absolute, squared, absolute_all, squared_all, unlike = rows[:, 2:].view(-1, methods, SUMS).sum(0).unbind(1)
        psnr = -10 * (squared_all / values).clamp(min=1e-10).log10()
        means[:, video] = torch.stack(
            [absolute / hidden, (squared / hidden).sqrt(), absolute_all / values, (squared_all / values).sqrt(), psnr,
             1 - unlike / len(rows)]
        )  # fmt: skip
    return _Errors(*means)


def _means(errors: _Errors, column: int) -> dict[str, float | None]:
    return {name: mean(values[:, column]) for name, values in errors._asdict().items()}


def _by_occlusion(errors: _Errors, infos: Sequence[VideoInfo], methods: Sequence[str]) -> dict[str, Any]:
    groups: dict[str, Any] = {}
    for kind in dict.fromkeys(info["forger"] for info in infos):
        members = torch.tensor([info["forger"] == kind for info in infos])
        own, *others = (mean(errors.mae_hole[members, column]) for column in range(len(methods)))
        floors = dict(zip(methods[1:], others, strict=True))
        groups[kind] = {
            "mae": own, "floors": floors, "gain": gain(own, others, perfect=0.0), "videos": int(members.sum()),
        }  # fmt: skip
    return groups


def _row(errors: _Errors, video: int, info: VideoInfo, methods: Sequence[str]) -> dict[str, Any]:
    """Return the row of one video."""
    described: dict[str, Any] = {key: value for key, value in info.items() if key != "forger"}
    return {
        **described,
        "occlusion": info["forger"],
        **{name: number(values[video, 0]) for name, values in errors._asdict().items()},
        **{f"mae_hole_{name}": number(errors.mae_hole[video, column]) for column, name in enumerate(methods) if column},
    }


class FrechetDistance(FrechetInceptionDistance):
    """Fréchet distance between the features of filled and of clean clips, each modelled as a Gaussian.

    This is torchmetrics' FID with another feature net. Values can only be compared if they come from the same net, so a
    report names the net and the number of samples. If there are not more samples than features, the covariances are
    singular, and the distance is NaN.

    Args:
        features: called with clips `N T C H W` in [0, 1], returns features `N F`. Its `dim` is 2 for single frames (T
            is 1) and 3 for clips; its `num_features` is F.

    Raises:
        InputError: the net has no `dim` or no `num_features`.

    Example:
        >>> from outpaint_lightning.nets import SeededFeatures
        >>> metric, clips = FrechetDistance(SeededFeatures(2)), torch.rand(20, 1, 3, 8, 8)
        >>> metric.update(clips, real=True)
        >>> metric.update(clips, real=False)
        >>> distance, samples = metric.compute()
        >>> bool(distance < 1e-3), int(samples)
        (True, 20)
    """

    def __init__(self, features: nn.Module) -> None:
        for name in ("dim", "num_features"):
            if not isinstance(getattr(features, name, None), int):
                raise InputError(f"{type(features).__name__} has no `{name}`; expected features as `SeededFeatures`")
        super().__init__(features.eval().requires_grad_(False))
        known: Any = features
        self.dim: int = known.dim
        self.size: int = known.num_features

    @torch.no_grad()
    def update(self, imgs: Tensor, real: bool) -> None:
        """Add clips `B T C H W`."""
        super().update(imgs.flatten(0, 1)[:, None] if self.dim == 2 else imgs, real=real)

    def compute(self) -> Tensor:
        """Return the distance and the number of samples (frames or clips) of the smaller set: `2`."""
        samples = torch.minimum(self.real_features_num_samples, self.fake_features_num_samples).double()
        enough = samples > self.size
        distance = super().compute().double() if enough else torch.full_like(samples, torch.nan)
        return torch.stack([distance, samples])


def frechet_summary(distances: Mapping[str, FrechetDistance]) -> dict[str, dict[str, float | int | None]]:
    """Return, for each distance by name, its `distance` and the numbers of `samples` and of `features`."""
    found = {name: (metric.compute(), metric.size) for name, metric in distances.items()}
    return {
        name: {"distance": number(values[0]), "samples": int(values[1]), "features": size}
        for name, (values, size) in found.items()
    }
