"""The task that decides whether an image is forged, and where."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from outpaint_lightning.callbacks import BoxExamples, BoxWriter
from outpaint_lightning.geometry import boxes_from_masks
from outpaint_lightning.metrics import (
    BoxPrior,
    BoxScores,
    Detections,
    DetectionScores,
    RegionImage,
    component_boxes,
    found_regions,
    pixel_counts,
    summarize_regions,
)
from outpaint_lightning.results import REGIONS, Result
from outpaint_lightning.tasks.base import TrainedTask, is_count, unsaved
from outpaint_lightning.types import Batch, InputError, RegionData, datamodule

if TYPE_CHECKING:
    from outpaint_lightning.nets.detectors.region import RegionOutput


class RegionTask(TrainedTask):
    """Train and test a net that predicts the probability that an image is forged, the region's box and its mask.

    Metrics are per image: `val/f1` of the class, `val/iou` of the box, and `val/f1_and_iou`, their mean. A test leaves
    its whole result in `result`, which the `TestReport` callback writes.

    Args:
        net: called with `image` (`B 1 3 H W`), returns a `nets.RegionOutput`.
        criterion: called with that output, labels `B`, boxes `B 4` and masks `B 1 H W`, returns `{"loss": ...,
            "loss/<term>": ...}`.
        optimizer: called with the parameters.
        lr_scheduler: called with the optimizer and the number of training steps; stepped after each of them.
        threshold: an image, and a pixel of a mask, is forged if its probability reaches it, in (0, 1).
        detections: also report COCO's mean average precision of all regions; see `regions`. It needs
            `faster-coco-eval`, from the extra `detections`.

    Attributes:
        size: `[height, width]` of the images trained on; None before.

    Raises:
        InputError: the threshold is outside (0, 1), or `faster-coco-eval` is needed and not installed.
    """

    kind = REGIONS
    writers = (BoxExamples, BoxWriter)

    def __init__(
        self,
        net: nn.Module,
        criterion: nn.Module,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: Callable[[Optimizer, int], LRScheduler] | None = None,
        threshold: float = 0.5,
        detections: bool = False,
    ) -> None:
        super().__init__(optimizer, lr_scheduler)
        if not 0 < threshold < 1:
            raise InputError(f"{type(self).__name__}: threshold is {threshold}: expected a number between 0 and 1")
        if detections and find_spec("faster_coco_eval") is None:
            raise InputError(
                f"{type(self).__name__}: detections is true: expected faster-coco-eval to be installed, with the extra "
                "outpaint_lightning[detections]"
            )
        self.save_hyperparameters(ignore=unsaved("net", "criterion", "optimizer", "lr_scheduler"), logger=False)
        self.net, self.criterion = net, criterion
        self.threshold = threshold
        self.detections = detections
        self.prior = BoxPrior()
        self.size: list[int] | None = None

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Judge images `B 1 3 H W` in [0, 1]; see `answers`."""
        return self.answers(self.net(image))

    def answers(self, output: RegionOutput) -> dict[str, Tensor]:
        """Turn a net's output into a score, a box and a mask.

        Returns:
            `score`: float32 `B`, the probability of being forged. `box`: float32 `B 4`, `xmin ymin xmax ymax` in pixels
            of the input, for every image; the score tells whether there is a region. Where the net makes masks, also
            `probability`: float32 `B H W` of the pixels; `mask`: bool `B H W`, and `mask_box`, the smallest box around
            it, zeros where it is empty. Where it predicts the IoU of its box, `quality`: float32 `B` in [0, 1].

            A net that takes its box from its mask (`net.box_from_mask`) learns by the expected box, which faint marks
            all over an image pull outwards. Its answer is the surest of `regions`, or the expected box if there is
            none.
        """
        answers = {"score": output.logit.float().sigmoid(), "box": output.box.float()}
        if output.quality is not None:
            answers["quality"] = output.quality.float().sigmoid()
        if output.mask is not None:
            probability = output.mask.float().sigmoid()
            mask = probability >= self.threshold
            answers |= {
                "probability": probability[:, 0],
                "mask": mask[:, 0],
                "mask_box": boxes_from_masks(mask.float()),
            }
            if getattr(self.net, "box_from_mask", False):
                pairs = zip(self.regions(answers), answers["box"], strict=True)
                surest = [each.boxes[0].to(box) if len(each.boxes) else box for each, box in pairs]
                answers["box"] = torch.stack(surest)
        return answers

    @staticmethod
    def regions(answers: dict[str, Tensor]) -> list[Detections]:
        """Return the regions of each image: those of its mask, or else its one box.

        The score of a box is that of the image; with a predicted IoU, the geometric mean of both, as `S_det` of Wu et
        al. (arXiv:1912.05992), equation 4, at alpha 0.5.
        """
        if "probability" in answers:
            pairs = zip(answers["probability"], answers["score"].tolist(), strict=True)
            return [found_regions(probability, score) for probability, score in pairs]
        scores = (answers["score"] * answers["quality"]).sqrt() if "quality" in answers else answers["score"]
        return [Detections(*each) for each in zip(answers["box"][:, None], scores[:, None], strict=True)]

    def on_fit_start(self) -> None:
        """Average the training boxes, for the floors."""
        data: RegionData = datamodule(self.trainer, RegionData)
        boxes, _ = data.training_boxes()
        self.prior.fit(boxes.to(self.device))
        self.size = list(data.size)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the size of the images beside the weights, for `localize`."""
        checkpoint["size"] = self.size

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Read the size of the images from the checkpoint.

        Raises:
            InputError: it is not a size.
        """
        size = checkpoint.get("size", self.size)
        if size is not None and not (isinstance(size, list) and len(size) == 2 and all(map(is_count, size))):
            raise InputError(f"size is {size!r}: expected [height, width] in pixels")
        self.size = size

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch.

        Raises:
            InputError: the loss is not finite; see `log_training`.
        """
        return self.log_training(self._judge(self.net(batch["image"]), batch), batch_idx)

    def on_validation_epoch_start(self) -> None:
        """Start a new table."""
        self._start("val")

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002 (Lightning's hook)
        """Log the loss, add the batch to the table, and return `answers` for callbacks."""
        output = self.net(batch["image"])
        self.log_validation(self._judge(output, batch), batch)
        return self._enter(batch, self.answers(output))

    def on_validation_epoch_end(self) -> None:
        """Log F1, IoU and the other metrics over the validation images."""
        self._finish("val", prior=None)

    def on_test_epoch_start(self) -> None:
        """Start a new table."""
        self._start("test")

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002 (Lightning's hook)
        """Add the batch to the table, and return `answers` for callbacks."""
        return self._enter(batch, self(batch["image"]))

    def on_test_epoch_end(self) -> None:
        """Log the test's numbers and store the whole result for the report."""
        self._finish("test", prior=self.prior)

    def on_predict_start(self) -> None:
        """Refuse images of another size than in training."""
        self._data()

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002 (Lightning's hook)
        """Return `answers`."""
        answers: dict[str, Tensor] = self(batch["image"])
        return answers

    def _data(self) -> RegionData:
        """Return the DataModule.

        Raises:
            InputError: its images have another size than those the net was trained on.
        """
        data: RegionData = datamodule(self.trainer, RegionData)
        if self.size is not None and list(data.size) != list(self.size):
            raise InputError(f"data.size is {list(data.size)}; the checkpoint was trained on {list(self.size)}")
        return data

    def _judge(self, output: RegionOutput, batch: Batch) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = self.criterion(output, batch["label"], batch["box"], batch["mask"][:, 0])
        return terms

    def _start(self, split: str) -> None:
        data = self._data()
        videos, sizes = data.videos(split), data.sizes
        self._position = {video["clip"]: i for i, video in enumerate(videos)}
        self._images = [
            RegionImage(
                clip=video["clip"], frame=frame, source=video["source"], forger=video["forger"], height=height,
                width=width,
            )
            for video in videos
            for height, width in [sizes[video["clip"]]]
            for frame in range(video["frames"])
        ]  # fmt: skip
        self._scores = BoxScores([video["frames"] for video in videos]).to(self.device)
        self._detections = DetectionScores().to(self.device) if self.detections else None

    def _enter(self, batch: Batch, answers: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add the answers for a batch to the table, and return them."""
        height, width = batch["image"].shape[-2:]
        scale = torch.tensor([width, height, width, height], device=self.device)
        self._scores.update(
            videos=[self._position[meta["clip"]] for meta in batch["meta"]],
            frames=[meta["frames"][0] for meta in batch["meta"]],
            score=answers["score"],
            label=batch["label"],
            found=answers["box"] / scale,
            true=batch["box"] / scale,
            **self._of_masks(answers, batch["mask"][:, 0, 0] > 0.5, scale),
        )
        if self._detections is not None:
            true = [component_boxes(mask > 0.5).boxes for mask in batch["mask"][:, 0, 0]]
            self._detections.update(self.regions(answers), true)
        return answers

    @staticmethod
    def _of_masks(answers: dict[str, Tensor], truth: Tensor, scale: Tensor) -> dict[str, Tensor]:
        """Return the columns that describe masks, if the net makes masks."""
        if "mask" not in answers:
            return {}
        return {"mask_box": answers["mask_box"] / scale, "counts": pixel_counts(answers["mask"], truth)}

    def _finish(self, split: str, prior: BoxPrior | None) -> None:
        """Store the result of a split and log its means."""
        summary, rows = summarize_regions(self._scores.compute(), self._images, self.threshold, prior)
        if self._detections is not None:
            summary["detections"] = self._detections.compute()
        about = {
            "threshold": self.threshold,
            "threshold_source": "fixed",
            "size": self.size,
            "pretrained": any(getattr(part, "pretrained", False) for part in self.net.modules()),
        }
        iou = summary["iou"]
        values = {
            **{name: summary[name] for name in ("precision", "recall", "auroc", "giou")},
            "iou": iou["mean"],
            **{f"iou_{name}": iou[name] for name in ("found", "above_50", "above_75")},
            **{f"mask_{name}": value for name, value in summary.get("mask", {}).items()},
            **summary.get("detections", {}),
            **{f"floor_{name}": value for name, value in summary.get("floors", {}).items()},
        }
        monitored = {name: summary[name] for name in ("f1", "f1_and_iou")}
        self.report(split, Result(self.kind, {**summary, **about}, rows), monitored, values)
