"""The task of predicting layouts from foregrounds: the first stage of contextual outpainting."""

from __future__ import annotations

from typing import Any, Literal

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from outpaint_lightning.callbacks import LayoutWriter
from outpaint_lightning.losses import (
    alike_layouts,
    class_histogram,
    info_nce,
    layout_cross_entropy,
    normal_divergence,
)
from outpaint_lightning.metrics import (
    ClassCounts,
    Embeddings,
    best_of,
    by_scene,
    disagreement,
    photo_rows,
    photo_scores,
    retrieval,
    split_scores,
)
from outpaint_lightning.nets import LayoutGenerator
from outpaint_lightning.results import LAYOUTS, Result
from outpaint_lightning.tasks.adversarial import Schedule
from outpaint_lightning.tasks.base import TrainedTask, unsaved
from outpaint_lightning.types import Batch, InputError, LayoutData, datamodule

Granularity = Literal["image", "object"]
OBJECTS = ("net", "optimizer", "lr_scheduler")
"""Arguments of the task that are objects, not plain values."""


class LayoutTask(TrainedTask):
    """Train and evaluate a net that samples layouts for a foreground.

    The loss is a sum of three terms. The first is the cross-entropy, on the background, of layouts decoded from the
    posterior of the true layouts. The second is `divergence` times the KL divergence of that posterior from the
    standard normal distribution; its weight rises linearly at first. The third is `contrast` times `losses.info_nce`
    between foregrounds and layouts. There is no critic of layouts: it could tell one-hot true layouts from soft
    predicted ones by that difference alone.

    Metrics are those of `metrics.layouts`, for `samples` layouts per photo and for the most common training layout as a
    floor. Checkpoints can monitor `val/layout_iou`.

    Args:
        net: see `LayoutGenerator`.
        contrast: weight of the contrastive loss; 0 omits it.
        divergence: weight of the KL divergence.
        warm_up: share of the training steps in which that weight rises.
        temperature: temperature of the contrastive loss.
        granularity: what is compared with a layout: the whole foreground (`image`), or each of its objects (`object`).
        alike: if the class histograms of two photos have a cosine above this, their layouts are not negatives of each
            other, because both would be right.
        samples: number of layouts sampled per photo in validation, test and prediction.
        optimizer: called with the parameters.
        lr_scheduler: called with the optimizer and the number of steps.

    Raises:
        InputError: an option is out of range.

    Example:
        >>> task = LayoutTask(LayoutGenerator(classes=5, width=4, downs=2, latent=8, embedding=6))
        >>> mask = torch.ones(2, 1, 1, 16, 16)
        >>> mask[..., 4:12, 4:12] = 0  # the foreground
        >>> batch = {"image": torch.rand(2, 1, 3, 16, 16), "mask": mask, "layout": torch.zeros(2, 1, 16, 16).long()}
        >>> [*task.terms(batch, noise=torch.zeros(2, 8), weight=1.0)]
        ['loss', 'loss/layout', 'loss/divergence', 'loss/contrast']
    """

    kind = LAYOUTS
    writers = (LayoutWriter,)
    net: LayoutGenerator

    def __init__(
        self,
        net: LayoutGenerator,
        contrast: float = 0.1,
        divergence: float = 0.05,
        warm_up: float = 0.1,
        temperature: float = 0.07,
        granularity: Granularity = "image",
        alike: float = 0.9,
        samples: int = 8,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: Schedule | None = None,
    ) -> None:
        super().__init__(optimizer, lr_scheduler)
        for name, value, fine, expected in (
            ("contrast", contrast, contrast >= 0, "0 or more"),
            ("divergence", divergence, divergence >= 0, "0 or more"),
            ("warm_up", warm_up, 0 <= warm_up <= 1, "a share from 0 to 1"),
            ("temperature", temperature, temperature > 0, "a positive number"),
            ("granularity", granularity, granularity in ("image", "object"), "image or object"),
            ("samples", samples, samples >= 1, "at least 1"),
        ):
            if not fine:
                raise InputError(f"{type(self).__name__}: {name} is {value!r}: expected {expected}")
        self.save_hyperparameters(ignore=unsaved(*OBJECTS), logger=False)
        self.net = net
        self.contrast, self.divergence, self.warm_up = contrast, divergence, warm_up
        self.temperature, self.granularity, self.alike, self.samples = temperature, granularity, alike, samples
        self._rising = 0.0

    def setup(self, stage: str) -> None:  # noqa: ARG002 (Lightning's hook)
        """Check that the net and the data have the same number of classes."""
        require_classes(self, "model.net", self.net.classes)

    def on_fit_start(self) -> None:
        """Compute the number of steps in which the weight of the divergence rises; 0 if the training has no end."""
        steps = self.trainer.estimated_stepping_batches
        self._rising = 0.0 if steps == float("inf") else self.warm_up * steps

    def terms(self, batch: Batch, noise: Tensor, weight: float) -> dict[str, Tensor]:
        """Return the losses of a batch.

        Args:
            batch: photos with layouts.
            noise: `B Z`, noise for the sample of the posterior.
            weight: weight of the KL divergence.
        """
        image, mask, layout = batch["image"][:, 0], batch["mask"][:, 0], batch["layout"][:, 0]
        places, owners, chosen = parts_of(batch, self.granularity)
        made = self.net.reason(image, mask, layout, places, noise)
        terms = {
            "loss/layout": layout_cross_entropy(made.logits, layout, mask),
            "loss/divergence": normal_divergence(made.mean, made.log_variance),
        }
        total = terms["loss/layout"] + weight * terms["loss/divergence"]
        if self.contrast:
            alike = alike_layouts(layout, self.net.classes, self.alike)
            terms["loss/contrast"] = info_nce(made.things[chosen], made.layouts, owners, alike, self.temperature)
            total = total + self.contrast * terms["loss/contrast"]
        return {"loss": total, **terms}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            Diverged: the loss is not finite; see `log_training`.
        """
        noise = torch.randn(len(batch["meta"]), self.net.latent, device=self.device)
        return self.log_training(self.terms(batch, noise, self._weight()), batch_idx)

    def _weight(self) -> float:
        """Return the weight of the divergence at this step."""
        return self.divergence * (min(1.0, self.global_step / self._rising) if self._rising else 1.0)

    def on_validation_epoch_start(self) -> None:
        """Create empty metrics."""
        self._start("val")

    def on_test_epoch_start(self) -> None:
        """Create empty metrics."""
        self._start("test")

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002 (Lightning's hook)
        """Update the metrics; return the sampled layouts for callbacks."""
        return {"layouts": self._enter(batch)}

    def test_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 (Lightning's hook)
        """Update the metrics."""
        self._enter(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the validation photos."""
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        """Log the test's numbers and store the whole result for the report."""
        self._finish("test")

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002 (Lightning's hook)
        """Return `samples` layouts of each photo, `layouts` `B K H W`."""
        return {"layouts": self.net.sample(batch["image"][:, 0], batch["mask"][:, 0], self.samples)}

    def _start(self, split: str) -> None:
        data: LayoutData = datamodule(self.trainer, LayoutData)
        self._videos = data.videos(split)
        self._position = {video["clip"]: at for at, video in enumerate(self._videos)}
        self._common = data.common_layout().to(self.device)
        photos, classes = len(self._videos), self.net.classes
        self._counts = ClassCounts(photos, self.samples + 1, classes).to(self.device)
        self._vectors = Embeddings(photos, self.net.embedding, classes).to(self.device)

    def _enter(self, batch: Batch) -> Tensor:
        image, mask, layout = batch["image"][:, 0], batch["mask"][:, 0], batch["layout"][:, 0]
        photos = [self._position[meta["clip"]] for meta in batch["meta"]]
        drawn = self.net.sample(image, mask, self.samples)
        common = self._common.expand(len(drawn), 1, *self._common.shape)
        self._counts.update(photos, torch.cat([drawn, common], 1), layout, mask)
        still = torch.zeros(len(drawn), self.net.latent, device=self.device)
        found = self.net.reason(image, mask, layout, 1 - mask, still)
        histogram = class_histogram(layout, self.net.classes)
        self._vectors.update(photos, found.things[:, 0], found.layouts, histogram, disagreement(drawn, mask))
        return drawn

    def _finish(self, split: str) -> None:
        """Store the result of a split and log its means."""
        counts = self._counts.compute()
        drawn, common = counts[:, :-1], counts[:, -1]
        things, layouts, histogram, differ = self._vectors.compute()
        of_samples = [split_scores(drawn[:, sample]) for sample in range(self.samples)]
        floor = photo_scores(common, self._videos)["mean"]
        iou, found = photo_scores(drawn, self._videos), retrieval(things, layouts, histogram, self.alike)
        summary: dict[str, Any] = {
            "iou": iou,
            **{key: _mean([scores[key] for scores in of_samples]) for key in ("miou", "accuracy")},
            "best": split_scores(best_of(drawn)),
            "samples": self.samples,
            "disagreement": None if self.samples < 2 else float(differ.nanmean()),
            "retrieval": found,
            "floors": {"common": floor},
            "by_scene": by_scene(drawn, self._videos),
        }
        values = {"miou": summary["miou"], "accuracy": summary["accuracy"], "top1": found["top1"],
                  "alike": found["alike"], "disagreement": summary["disagreement"], "floor_common": floor}  # fmt: skip
        rows = photo_rows(drawn, {"common": common}, self._videos)
        self.report(split, Result(self.kind, summary, rows), {"layout_iou": iou["mean"]}, values)


def parts_of(batch: Batch, granularity: Granularity) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Return the parts of each foreground that are compared with layouts.

    Args:
        batch: photos.
        granularity: `image` takes the foreground as one part, `object` takes each visible object as a part.

    Returns:
        Masks of the parts, `B M H W`; for each of the A non-empty parts the index of its photo, `A`; and the index pair
        (photo, part) of each, for indexing `B M`.
    """
    if granularity == "image":
        places = 1 - batch["mask"][:, 0]
    else:
        objects = batch["objects"][:, 0]
        numbers = torch.arange(1, max(1, int(objects.max())) + 1, device=objects.device)
        places = (objects[:, None] == numbers.view(1, -1, 1, 1)).float()
    photo, part = places.flatten(2).any(2).nonzero(as_tuple=True)
    return places, photo, (photo, part)


def require_classes(task: Any, key: str, classes: int) -> None:
    """Raise `InputError` unless a task's net has the same number of classes as the data."""
    data: LayoutData = datamodule(task.trainer, LayoutData)
    if len(data.classes) != classes:
        raise InputError(f"{key}: has {classes} classes; the data has {len(data.classes)} ({', '.join(data.classes)})")


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
