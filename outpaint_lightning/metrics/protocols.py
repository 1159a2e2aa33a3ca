"""The definitions of "F1" in the code bases of the field, one class each, to compare papers on the same maps.

Each class computes what that code computes, including its oddities; none of the code is copied. If a code base leaves a
choice open, or reads files instead of maps, the class documents our decision. `docs/explanation/protocols.md` has the
table.

A protocol receives frames of one video at a time and stores a few numbers per frame, never the maps:

    protocol = PROTOCOLS["vidnet"]()
    protocol.update(probability, truth, video="D01", category="outdoor/move")
    protocol.compute()

Protocols are for one process: some depend on the order of the frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from outpaint_lightning.metrics.localization import pixel_counts, scores
from outpaint_lightning.metrics.seams import auroc, dilate, frame_scores
from outpaint_lightning.types import InputError


class Protocol(ABC):
    """Base class: collects numbers per frame; the result is their mean over all frames, NaN if one of them is NaN."""

    names: tuple[str, ...]
    """Names of the numbers that `frame` returns."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, Tensor]] = []

    def update(self, probability: Tensor, truth: Tensor, video: str, category: str = "") -> None:
        """Add consecutive frames of one video, all or some of them.

        Args:
            probability: forged probability `T H W`, float in [0, 1].
            truth: forged pixels, boolean `T H W`. ViLocal, TruVIL and VIDNet accept other sizes too, as their code
                does.
            video: name of the video; frames of the same name belong together.
            category: category by which `source` groups videos.

        Raises:
            InputError: the numbers of frames or the sizes differ.
        """
        if probability.ndim != 3 or truth.ndim != 3 or len(probability) != len(truth):
            raise InputError(
                f"maps of shape {list(probability.shape)} against truth of {list(truth.shape)}: expected T H W of both"
            )
        for frame in zip(probability, truth, strict=True):
            self._rows.append((video, category, torch.stack([number.cpu().double() for number in self.frame(*frame)])))

    @abstractmethod
    def frame(self, probability: Tensor, truth: Tensor) -> Sequence[Tensor]:
        """Return the numbers of one frame; both maps are `H W`."""

    def compute(self) -> dict[str, float]:
        """Return the results by name; undefined results are NaN."""
        return dict(zip(self.names, self._table().mean(0).tolist(), strict=True))

    def _table(self) -> Tensor:
        """Return the numbers of all frames, double `frames numbers`, in the order of arrival."""
        nothing = torch.empty(0, len(self.names), dtype=torch.float64)
        return torch.stack([row for _, _, row in self._rows]) if self._rows else nothing


def _same_size(probability: Tensor, truth: Tensor) -> None:
    if probability.shape != truth.shape:
        raise InputError(f"a map of {list(probability.shape)} against a truth of {list(truth.shape)}: sizes must agree")


def _counts(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the numbers of pixels that are both, predicted, and true, as doubles on the CPU."""
    both, found, forged = torch.stack([(predicted & truth).sum(), predicted.sum(), truth.sum()]).cpu().double()
    return both, found, forged


def _harmonic(precision: Tensor, recall: Tensor, epsilon: float) -> Tensor:
    return 2 * precision * recall / (precision + recall + epsilon)


class Source(Protocol):
    """*Outpainting Localizer* (Darra, Vicentini 2023): F1 of each video's pixels, mean and variance over videos.

    The slides use the threshold 0.5 first, then 0.4; both are reported: `f1@0.5`, `variance@0.5`, and
    `f1@0.5/<category>` for each category; the same for 0.4. The code is not public. Our decisions: a pixel is forged if
    its probability is at least the threshold; counts are summed over a video's frames before F1 is computed; the
    variance is the population variance; videos without forged pixels are left out.

    Example:
        >>> import torch
        >>> protocol = Source()
        >>> protocol.update(torch.tensor([[[0.9, 0.45]]]), torch.tensor([[[True, True]]]), video="D01")
        >>> {name: round(value, 3) for name, value in protocol.compute().items() if name.startswith("f1@")}
        {'f1@0.5': 0.667, 'f1@0.4': 1.0}
    """

    thresholds = (0.5, 0.4)
    names = tuple(f"{count}@{threshold}" for threshold in thresholds for count in ("tp", "fp", "fn", "tn"))

    def frame(self, probability: Tensor, truth: Tensor) -> Sequence[Tensor]:
        """Return pixel counts at both thresholds."""
        _same_size(probability, truth)
        predicted = torch.stack([probability >= threshold for threshold in self.thresholds])
        return pixel_counts(predicted, truth).flatten().unbind()

    def compute(self) -> dict[str, float]:
        """Return mean, variance and categories at both thresholds."""
        videos: dict[tuple[str, str], Tensor] = {}
        for video, category, row in self._rows:
            videos[video, category] = videos.get((video, category), 0) + row
        counts = torch.stack([*videos.values()]) if videos else self._table()
        f1 = scores(counts.view(len(counts), len(self.thresholds), 4))["f1"]
        known = ~f1[:, 0].isnan()
        groups = [category for _, category in videos]
        result = {}
        for threshold, values in zip(self.thresholds, f1.T, strict=True):
            result[f"f1@{threshold}"] = values[known].mean().item()
            result[f"variance@{threshold}"] = (values[known] - values[known].mean()).square().mean().item()
            for group in sorted({*groups} - {""}):
                members = torch.tensor([name == group for name in groups]) & known
                if members.any():
                    result[f"f1@{threshold}/{group}"] = values[members].mean().item()
        return result


class VIDNet(Protocol):
    """VIDNet (BMVC 2021), `src/iou_measure.py`: F1 and IoU per frame above 0.5, mean over frames.

    A frame with empty truth has F1 0/0 = NaN, and so has the mean; its IoU, smoothed by 1e-5, is 1 if nothing is
    predicted. `eval.py` thresholds a map before it saves it; if the sizes of mask and truth differ, OpenCV then resizes
    the mask bilinearly, and it is thresholded again.
    """

    names = ("f1", "iou")

    def frame(self, probability: Tensor, truth: Tensor) -> Sequence[Tensor]:
        """Return F1 and IoU."""
        predicted = probability > 0.5
        if predicted.shape != truth.shape:
            pixels = predicted.cpu().numpy().astype(np.uint8) * 255
            resized = cv2.resize(pixels, (truth.shape[1], truth.shape[0]), interpolation=cv2.INTER_LINEAR)
            predicted = torch.from_numpy(resized > 127.5).to(truth.device)
        both, found, forged = _counts(predicted, truth)
        f1 = _harmonic(both / (found + 1e-6), both / forged, 1e-6)
        return f1, (both + 1e-5) / (found + forged - both + 1e-5)


class MumPy(Protocol):
    """MumPy (BMVC 2024), `measure.py`: F1 and IoU per frame at 224 x 224, mean over frames.

    The mask (map above 0.5, saved as 0 and 255) and the truth are resized by Pillow, bilinearly, on 8 bits; the same is
    done here with Pillow on the CPU. The prediction is forged above one half, the truth **above 0**, which widens it.
    Empty truth scores F1 0, but IoU 1 if the prediction is empty too. The recall's denominator contains 1e-6 for each
    of the 224 x 224 pixels, 0.05 in total. Frames that their code skips (no mask file, an odd score) do not occur with
    maps.
    """

    names = ("f1", "iou")
    size = 224

    def frame(self, probability: Tensor, truth: Tensor) -> Sequence[Tensor]:
        """Return F1 and IoU."""
        predicted, forged = self._resized(probability > 0.5) > 127.5, self._resized(truth) > 0
        both, found, actual = _counts(predicted, forged)
        f1 = _harmonic(both / (found + 1e-6), both / (actual + 1e-6 * self.size**2), 1e-6)
        return f1, (both + 1e-5) / (found + actual - both + 1e-5)

    def _resized(self, mask: Tensor) -> Tensor:
        image = Image.fromarray(mask.cpu().numpy().astype(np.uint8) * 255)
        resized = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(resized))


class ViLocal(Protocol):
    """ViLocal (SPL 2025), `train_stage2/test.py` and `metric.py`: F1 and IoU per frame above 0.5, mean over frames.

    If the sizes differ, the truth is resized to the map, by nearest neighbour. (They apply the sigmoid twice, once to a
    mask that is already 0 or 1, without effect.) A frame with empty truth scores 0 in both, for every prediction. Their
    epsilons of 1e-8 vanish in float32 unless a denominator is 0; here they are kept, in double precision.
    """

    names: tuple[str, ...] = ("f1", "iou")

    def frame(self, probability: Tensor, truth: Tensor) -> Sequence[Tensor]:
        """Return F1 and IoU."""
        return self._scores(*self._nearest_counts(probability, truth))

    @staticmethod
    def _nearest_counts(probability: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        resized = F.interpolate(truth[None, None].float(), probability.shape, mode="nearest")[0, 0] > 0.5
        return _counts(probability > 0.5, resized)

    @staticmethod
    def _scores(both: Tensor, found: Tensor, forged: Tensor) -> tuple[Tensor, Tensor]:
        f1 = _harmonic(both / (found + 1e-8), both / (forged + 1e-8), 1e-8)
        return f1, both / (found + forged - both + 1e-8)


class TruVIL(ViLocal):
    """TruVIL (TDSC 2025), `test.py`, `metric.py`: ViLocal's scores on the pixels of 16 frames together.

    Frames are batched in the order of arrival, across the ends of videos, and the last batch may be smaller; a batch is
    weighted by its number of frames. So the result depends on the batch size and on the order.
    """

    batch = 16
    names = ("both", "found", "forged")

    def frame(self, probability: Tensor, truth: Tensor) -> Sequence[Tensor]:
        """Return the numbers of pixels that are both, predicted, and true."""
        return self._nearest_counts(probability, truth)

    def compute(self) -> dict[str, float]:
        """Return F1 and IoU."""
        batches = torch.split(self._table(), self.batch)
        sums = torch.stack([batch.sum(0) for batch in batches])
        frames = torch.tensor([len(batch) for batch in batches]).double()
        f1, iou = torch.stack(self._scores(*sums.T)) @ frames / frames.sum()
        return {"f1": f1.item(), "iou": iou.item()}


class TruFor(Protocol):
    """TruFor (CVPR 2023), `test_docker/metrics.py`, where each frame is treated as an image.

    F1 is **permuted**: the larger of F1(p) and F1(1 - p). Pixels near the forgery's boundary are ignored: those removed
    by erosion with a box of 15 or added by dilation with a box of 11, except from the frame's edge. `f1_best` uses the
    best threshold of each image, among all values of the map; `f1_fixed` uses 0.5. Only tampered images count. An image
    scores NaN, and is left out, if no pixel remains; in `f1_fixed` also if the remaining truth and prediction are all
    one class, even a correct one: there `confusion_matrix` returns a single cell and their code fails. If all forged
    pixels are ignored and authentic ones remain, F1 is 0.

    `image_auc` and `image_balanced_accuracy` (above 0.5) are over all images. Their integrity score comes from a
    network; our decision is `frame_scores`, the mean of the highest 1 % of the map. With one class the AUC is NaN,
    where scikit-learn raises, and the accuracy is that of the one class.

    Example:
        >>> import torch
        >>> protocol, truth = TruFor(), torch.zeros(1, 64, 64, dtype=torch.bool)
        >>> truth[:, :, :32] = True
        >>> protocol.update(1.0 - truth.float(), truth, video="D01")  # exactly inverted
        >>> protocol.compute()["f1_fixed"]
        1.0
    """

    names = ("f1_best", "f1_fixed", "score", "forged")

    def frame(self, probability: Tensor, truth: Tensor) -> Sequence[Tensor]:
        """Return both F1, the image's score and its label."""
        _same_size(probability, truth)
        undefined = probability.new_tensor(torch.nan)
        forged = truth.any()
        kept = ~(dilate(~truth, 7) & dilate(truth, 5))
        values, label = probability[kept], truth[kept]
        judged = bool(forged) and len(values) > 0
        return (
            self._best(values, label) if judged else undefined,
            self._fixed(values > 0.5, label) if judged else undefined,
            frame_scores(probability.cpu().double()),  # rounding to float32 would separate equal scores
            forged,
        )

    @staticmethod
    def _permuted(found: Tensor, predicted: Tensor, label: Tensor) -> Tensor:
        """Return the larger F1 of a mask and its inverse, from the numbers of pixels found and predicted."""
        forged, pixels = label.sum(), label.numel()
        f1 = 2 * found / (predicted + forged).clamp(min=1)
        inverse = 2 * (forged - found) / (pixels - predicted + forged).clamp(min=1)
        return torch.maximum(f1, inverse).max()

    def _best(self, values: Tensor, label: Tensor) -> Tensor:
        values, order = values.sort(descending=True)
        last_of_ties = F.pad(values[1:] < values[:-1], (0, 1), value=True)
        predicted = torch.arange(1, len(values) + 1, device=values.device)
        # Predicting nothing is the inverse of the last threshold, at which everything is predicted.
        return self._permuted(label[order].cumsum(0)[last_of_ties], predicted[last_of_ties], label)

    def _fixed(self, predicted: Tensor, label: Tensor) -> Tensor:
        both_classes = (predicted | label).any() & ~(predicted & label).all()
        f1 = self._permuted((predicted & label).sum(), predicted.sum(), label)
        return torch.where(both_classes, f1, torch.nan)

    def compute(self) -> dict[str, float]:
        """Return `f1_best`, `f1_fixed`, `image_auc` and `image_balanced_accuracy`."""
        best, fixed, score, forged = self._table().unbind(1)
        label = forged > 0
        auc = auroc(score, label)
        right = (score > 0.5) == label
        recalls = torch.stack([right[label].double().mean(), right[~label].double().mean()])
        return {
            "f1_best": best.nanmean().item(),
            "f1_fixed": fixed.nanmean().item(),
            "image_auc": torch.nan if auc is None else auc,
            "image_balanced_accuracy": recalls.nanmean().item(),
        }


class IMDLBenCo(Protocol):
    """IMDL-BenCo (NeurIPS 2024), `evaluation/F1.py`, `AUC.py`: per image, above 0.5, mean over images.

    It has three modes: the map itself (`f1`, `auc`), the reversed map 1 - p (`f1_reverse`, `auc_reverse`), and the
    larger of both (`f1_double`, `auc_double`). Authentic images count, always with 0. The pixel AUC sorts pixels by
    probability and **does not join ties**, so a constant map may score anything between 0 and 1; torch leaves the order
    of ties undefined, here it is the order of the pixels. If all pixels are forged, the AUC is 0/0 = NaN, and so is the
    mean.
    """

    names = ("f1", "f1_reverse", "f1_double", "auc", "auc_reverse", "auc_double")

    def frame(self, probability: Tensor, truth: Tensor) -> Sequence[Tensor]:
        """Return F1 and AUC in the three modes."""
        _same_size(probability, truth)
        predicted = probability > 0.5
        f1, f1_reverse = self._f1(predicted, truth), self._f1(~predicted, truth)
        auc, auc_reverse = self._auc(probability, truth), self._auc(1 - probability, truth)
        return f1, f1_reverse, torch.maximum(f1, f1_reverse), auc, auc_reverse, torch.maximum(auc, auc_reverse)

    @staticmethod
    def _f1(predicted: Tensor, truth: Tensor) -> Tensor:
        both, found, forged = _counts(predicted, truth)
        return _harmonic(both / (found + 1e-8), both / (forged + 1e-8), 1e-8)

    @staticmethod
    def _auc(probability: Tensor, truth: Tensor) -> Tensor:
        order = probability.flatten().argsort(descending=True, stable=True)
        forged = truth.flatten()[order]
        above = forged.cumsum(0)  # each authentic pixel adds a strip as high as the forged pixels before it
        area = above[~forged].sum() / (forged.sum() * (~forged).sum())
        return torch.where(forged.any(), area, 0.0)


PROTOCOLS: dict[str, type[Protocol]] = {
    "source": Source,
    "vidnet": VIDNet,
    "mumpy": MumPy,
    "vilocal": ViLocal,
    "truvil": TruVIL,
    "trufor": TruFor,
    "imdlbenco": IMDLBenCo,
}
