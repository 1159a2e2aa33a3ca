"""Distances of sets of images to real images, by the features of one net: Fréchet and kernel distances."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torchmetrics.image.kid import KernelInceptionDistance

from outpaint_lightning.metrics.numbers import number
from outpaint_lightning.metrics.painting import FrechetDistance
from outpaint_lightning.types import InputError

SUBSETS = 100
"""Number of random subsets; a kernel distance is the mean over them."""


class KernelDistance(KernelInceptionDistance):
    """Torchmetrics' KID for given features: the squared distance of two means under a cubic kernel.

    Unlike a Fréchet distance, it has no bias with few samples. It is the mean over random subsets with a fixed seed.
    Their standard deviation decreases with their size, so a value means little without that size. The distance is NaN
    if a set is not larger than a subset: each subset would be the whole set, and the deviation would be 0.

    Args:
        subset_size: number of samples of a subset.
    """

    def __init__(self, subset_size: int) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save")  # a few numbers a sample
            super().__init__(nn.Identity(), SUBSETS, subset_size)

    def compute(self) -> Any:
        """Return mean and standard deviation over the subsets; NaN if there are too few samples."""
        smaller = min(sum(map(len, found)) for found in (self.real_features, self.fake_features))
        if smaller <= self.subset_size:
            return torch.full((2,), torch.nan)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return torch.stack([*super().compute()])


class _Given(nn.Module):
    """Passes precomputed features to `FrechetDistance`."""

    dim = 3  # with 3, `FrechetDistance` does not reshape its input

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        """Return the features unchanged."""
        return features


class SetDistances:
    """Fréchet and kernel distance of the images of several methods to real ones. Each image is embedded once.

    Args:
        features: called with `N 1 3 H W` in [0, 1], returns `N F`; has `dim` 2 and `num_features`, like
            `SeededFeatures(2)`.
        methods: names of the methods.
        subset_size: number of samples in a subset of the kernel distance.

    Raises:
        InputError: the net has another `dim`, or a subset has fewer than 2 samples.
    """

    def __init__(self, features: nn.Module, methods: Sequence[str], subset_size: int) -> None:
        name = type(features).__name__
        if getattr(features, "dim", None) != 2:
            raise InputError(f"{name}: dim is {getattr(features, 'dim', None)}: expected 2, features of single images")
        if subset_size < 2:
            raise InputError(f"subset_size is {subset_size}: expected at least 2")
        self.features = features.eval().requires_grad_(False)
        self.extractor = str(getattr(features, "model", name))
        self.size: int = features.num_features  # type: ignore[assignment]  # any net's attribute is a Tensor to torch
        self.subset_size = subset_size
        self.frechet = {name: FrechetDistance(_Given(self.size)) for name in methods}
        self.kernel = {name: KernelDistance(subset_size) for name in methods}

    def to(self, device: torch.device) -> Self:
        """Move the net and the stored features to a device."""
        for part in (self.features, *self.frechet.values(), *self.kernel.values()):
            part.to(device)
        return self

    @torch.no_grad()
    def update(self, real: Tensor, made: Mapping[str, Tensor]) -> None:
        """Add images `N 3 H W` in [0, 1]: real ones, and those of each method."""
        true = self.features(real[:, None])
        for name, images in made.items():
            found = self.features(images[:, None])
            for metric in (self.frechet[name], self.kernel[name]):
                metric.update(true, real=True)
                metric.update(found, real=False)

    def summary(self) -> dict[str, Any]:
        """Return `extractor`, `features`, `samples`, `subset_size`, `subsets` and `methods`.

        `methods` has `fid`, `kid` and `kid_deviation` of each method; undefined values are None.
        """
        found = {}
        samples = 0
        for name, metric in self.frechet.items():
            distance, count = metric.compute()
            kernel = self.kernel[name].compute()
            samples = int(count)
            found[name] = {
                "fid": number(distance), "kid": number(kernel[0]), "kid_deviation": number(kernel[1])
            }  # fmt: skip
        return {
            "extractor": self.extractor, "features": self.size, "samples": samples, "subset_size": self.subset_size,
            "subsets": SUBSETS, "methods": found,
        }  # fmt: skip
