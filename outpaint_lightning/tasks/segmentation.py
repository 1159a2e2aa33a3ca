"""The task of semantic segmentation of backgrounds. Its net evaluates painted backgrounds."""

from __future__ import annotations

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from outpaint_lightning.losses import layout_cross_entropy
from outpaint_lightning.metrics import ClassCounts, by_scene, photo_rows, photo_scores, split_scores
from outpaint_lightning.nets import Segmenter
from outpaint_lightning.results import SEGMENTATION, Result
from outpaint_lightning.tasks.adversarial import Schedule
from outpaint_lightning.tasks.base import TrainedTask, unsaved
from outpaint_lightning.tasks.layouts import require_classes
from outpaint_lightning.types import Batch, LayoutData, datamodule


class SegmentationTask(TrainedTask):
    """Train and evaluate a `Segmenter` on whole photos. Only background pixels count.

    Args:
        net: the segmenter.
        optimizer: called with the parameters.
        lr_scheduler: called with the optimizer and the number of steps.
    """

    kind = SEGMENTATION
    net: Segmenter

    def __init__(
        self,
        net: Segmenter,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: Schedule | None = None,
    ) -> None:
        super().__init__(optimizer, lr_scheduler)
        self.save_hyperparameters(ignore=unsaved("net", "optimizer", "lr_scheduler"), logger=False)
        self.net = net

    def setup(self, stage: str) -> None:  # noqa: ARG002 (Lightning's hook)
        """Check that the net and the data have the same number of classes."""
        require_classes(self, "model.net", self.net.classes)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            Diverged: the loss is not finite; see `log_training`.
        """
        loss = layout_cross_entropy(self.net(batch["clean"][:, 0]), batch["layout"][:, 0], batch["mask"][:, 0])
        return self.log_training({"loss": loss}, batch_idx)

    def on_validation_epoch_start(self) -> None:
        """Create empty metrics."""
        self._start("val")

    def on_test_epoch_start(self) -> None:
        """Create empty metrics."""
        self._start("test")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 (Lightning's hook)
        """Update the metrics."""
        photos = [self._position[meta["clip"]] for meta in batch["meta"]]
        told = self.net(batch["clean"][:, 0]).argmax(1)
        both = torch.stack([told, self._common.expand_as(told)], 1)
        self._counts.update(photos, both, batch["layout"][:, 0], batch["mask"][:, 0])

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Update the metrics."""
        self.validation_step(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the validation photos."""
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        """Log the test's numbers and store the whole result for the report."""
        self._finish("test")

    def _start(self, split: str) -> None:
        data: LayoutData = datamodule(self.trainer, LayoutData)
        self._videos = data.videos(split)
        self._position = {video["clip"]: at for at, video in enumerate(self._videos)}
        self._common = data.common_layout().to(self.device)
        self._counts = ClassCounts(len(self._videos), 2, self.net.classes).to(self.device)

    def _finish(self, split: str) -> None:
        own, common = self._counts.compute().unbind(1)
        iou, scores = photo_scores(own, self._videos), split_scores(own)
        summary = {
            "iou": iou, **scores, "segmented": iou["photos"], "by_scene": by_scene(own, self._videos),
            "floors": {"common": photo_scores(common, self._videos)["mean"]},
        }  # fmt: skip
        rows = photo_rows(own, {"common": common}, self._videos)
        self.report(split, Result(self.kind, summary, rows), {"segment_iou": iou["mean"]}, scores)
