"""The task of finding forged pixels in video."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from outpaint_lightning.callbacks import MaskWriter, TestExamples
from outpaint_lightning.geometry import at_scales, in_tiles
from outpaint_lightning.losses import CompressionCriterion
from outpaint_lightning.metrics import Evaluation, FullEvaluation, MaskPrior, robustness
from outpaint_lightning.results import LOCALIZATION, Result
from outpaint_lightning.tasks.base import TrainedTask, accepts, is_count, is_share, unsaved
from outpaint_lightning.types import Batch, ClipData, InputError, datamodule

MAX_SCALE = 4  # of `model.scales`: 16 times the pixels
UNCHOSEN = 0.5  # what a validation is reported at while no threshold could be chosen: none of its videos is forged


class LocalizationTask(TrainedTask):
    """Train and test a net that predicts class scores per pixel for the first frame of a window.

    Metrics are per video: `val/f1` and `test/f1` are means of each video's pixel F1. A test leaves its whole result in
    `result`, which the `TestReport` callback writes.

    Args:
        net: called with `image` (`B T 3 H W`), returns a list of logits `B 2 H W`, the last one best; with
            `last_only=True`, the last one alone.
        criterion: called with those logits and `B 1 H W` masks, returns `{"loss": ..., "loss/<term>": ...}`. If it has
            `set_forged_share`, it is told the forged share of the training pixels.
        optimizer: called with the parameters.
        lr_scheduler: called with the optimizer and the number of training steps; stepped after each of them.
        threshold: pixels whose forged probability reaches it are forged, in (0, 1). `"validation"` chooses it anew
            after each validation, by the highest mean F1 over the validation videos; checkpoints keep it, with how it
            was chosen, for `test`, `predict` and `localize`. A test never chooses.
        scales: sizes at which frames are judged, as factors of their sides; the logits are averaged. Training does not
            use them.
        mirrored: judge the mirror image of each frame as well; the logits are averaged. Takes twice the time. Training
            does not use it.
        pixel_fpr_limit: of `threshold: validation`: only thresholds count at which the mean share of marked pixels
            over the authentic validation videos is at most this; where none is as low, the one with the lowest share.
            None sets no limit.
        tile: `[height, width]` of the overlapping tiles in which frames are judged, or None for whole frames. A net
            trained on crops knows no frame larger than they are: instance normalisation compares a place with the rest
            of what it sees, so give the size of the crops.

    Raises:
        InputError: the threshold is outside (0, 1), the limit outside [0, 1], a scale is not in (0, `MAX_SCALE`], or
            the tile is not two positive numbers.
    """

    kind = LOCALIZATION
    writers = (TestExamples, MaskWriter)

    def __init__(
        self,
        net: nn.Module,
        criterion: nn.Module,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: Callable[[Optimizer, int], LRScheduler] | None = None,
        threshold: float | Literal["validation"] = 0.5,
        tile: list[int] | None = None,
        pixel_fpr_limit: float | None = None,
        scales: list[float] | None = None,
        mirrored: bool = False,
    ) -> None:
        super().__init__(optimizer, lr_scheduler)
        fixed = None if threshold == "validation" else float(threshold)
        if fixed is not None and not 0 < fixed < 1:
            raise InputError(
                f"{type(self).__name__}: threshold is {threshold}: expected a number between 0 and 1, or 'validation'"
            )
        if pixel_fpr_limit is not None and not 0 <= pixel_fpr_limit <= 1:
            raise InputError(
                f"{type(self).__name__}: pixel_fpr_limit is {pixel_fpr_limit}: expected a number in [0, 1] or null"
            )
        if scales is not None and (not scales or not all(0 < scale <= MAX_SCALE for scale in scales)):
            raise InputError(
                f"{type(self).__name__}: scales is {scales}: expected numbers above 0 and up to {MAX_SCALE}, or null"
            )
        if not accepts(net.forward, "last_only"):
            raise InputError(
                f"{type(self).__name__}: net is a {type(net).__name__}, whose forward has no argument last_only; "
                "expected forward(image, last_only=False)"
            )
        if tile is not None and (len(tile) != 2 or min(tile) < 1):
            raise InputError(f"{type(self).__name__}: tile is {tile}: expected [height, width] or null")
        self.save_hyperparameters(ignore=unsaved("net", "criterion", "optimizer", "lr_scheduler"), logger=False)
        self.net, self.criterion = net, criterion
        self.threshold = fixed
        self.chooses_threshold = fixed is None
        self.threshold_choice: dict[str, Any] | None = None
        self.pixel_fpr_limit = pixel_fpr_limit
        self.tile = (tile[0], tile[1]) if tile else None
        self.scales = tuple(scales) if scales else (1.0,)
        self.mirrored = mirrored
        self.prior = MaskPrior()
        self.window: dict[str, int] = {}  # the shape of those that the net was trained on, once it was

    def forward(self, image: Tensor) -> Tensor:
        """Return the forged probability `B H W` of each pixel of the first frame of windows `B T 3 H W` in [0, 1]."""
        return self._judge(image).softmax(1)[:, 1]

    def _judge(self, image: Tensor) -> Tensor:
        """Return the last update's logits `B 2 H W`, averaged over scales and mirror images, each whole or in tiles.

        Raises:
            InputError: a scale makes the frames smaller than the net's stride.
        """

        def last(frames: Tensor) -> Tensor:
            logits: Tensor = self.net(frames, last_only=True)[-1]
            return logits.float()

        def whole(frames: Tensor) -> Tensor:
            return in_tiles(last, frames, self.tile) if self.tile else last(frames)

        def both(frames: Tensor) -> Tensor:
            return (whole(frames) + whole(frames.flip(-1)).flip(-1)) / 2

        self._check_scales(*image.shape[-2:])
        return at_scales(both if self.mirrored else whole, image, self.scales)

    def _check_scales(self, height: int, width: int) -> None:
        smallest, stride = min(self.scales), getattr(self.net, "stride", 1)
        if smallest < 1 and min(height, width) * smallest < stride:
            raise InputError(
                f"model.scales has {smallest:g}: frames of {width}x{height} would become smaller than the net's stride "
                f"of {stride} pixels; expected {stride / min(height, width):.2f} or more"
            )

    def on_fit_start(self) -> None:
        """Count the forged pixels of the training masks, for the floors and for balanced class weights."""
        data: ClipData = datamodule(self.trainer, ClipData)
        masks, share = data.training_masks(MaskPrior.GRID)
        self.prior.fit(masks.to(self.device))
        self.window = data.window
        tell_share = getattr(self.criterion, "set_forged_share", None)
        if callable(tell_share):
            tell_share(share)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the shape of the windows and the choice of the threshold beside the weights."""
        checkpoint["window"] = dict(self.window)
        checkpoint["threshold_choice"] = self.threshold_choice

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Read the shape of the windows and the threshold; a threshold that was given as a number stays.

        Raises:
            InputError: they differ from what `on_save_checkpoint` writes.
        """
        window, choice = checkpoint.get("window", self.window), checkpoint.get("threshold_choice")
        if not _is_window(window):
            raise InputError(f"window is {window!r}: expected frames and stride")
        if choice is not None and not _is_choice(choice):
            raise InputError(f"threshold_choice is {choice!r}: expected a threshold, its F1 and an epoch")
        self.window = window
        if self.chooses_threshold and choice:
            self.threshold_choice, self.threshold = choice, choice["threshold"]

    def chosen_threshold(self) -> float:
        """Return the threshold.

        Raises:
            InputError: it should come from validation data, and no validation has run.
        """
        if self.threshold is None:
            raise InputError(
                f"{type(self).__name__}: threshold is 'validation', but none was chosen yet: fit with it on a "
                "validation split with forgeries, or give a number (`validate` finds the best one there)"
            )
        return self.threshold

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch.

        Raises:
            InputError: the loss is not finite; see `log_training`.
        """
        if isinstance(self.criterion, CompressionCriterion):
            terms = self.criterion.judge(self.net, batch)
        else:
            terms = self.criterion(self.net(batch["image"]), batch["mask"][:, 0])
        return self.log_training(terms, batch_idx)

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self._evaluations = [Evaluation(self._data().videos("val"), self.device, self.threshold)]

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002 (Lightning's hook)
        """Log the loss of the last update, computed as in a test, and count pixels.

        Returns `probability`, `B H W`, for callbacks.
        """
        logits = self._judge(batch["image"])
        loss = self.criterion([logits], batch["mask"][:, 0])["loss"]
        self.log_validation({"loss": loss}, batch)
        probability = logits.softmax(1)[:, 1]
        self._evaluate(self._evaluations[0], batch, probability)
        return {"probability": probability}

    def on_validation_epoch_end(self) -> None:
        """Choose the threshold if `threshold` says so, and log the metrics over the validation videos."""
        evaluation = self._evaluations[0]
        chooses = self.chooses_threshold and not self.trainer.sanity_checking
        if chooses and (found := evaluation.best(self.pixel_fpr_limit)):
            self.threshold = found[0]
            self.threshold_choice = {
                "threshold": found[0], "f1": found[1], "by": "highest mean F1 over the validation videos",
                "pixel_fpr_limit": self.pixel_fpr_limit, "epoch": self.current_epoch, "step": self.global_step,
            }  # fmt: skip
        self._finish("val", *evaluation.summary(self.threshold or UNCHOSEN))

    def on_test_start(self) -> None:
        """Refuse to test without a threshold."""
        self.chosen_threshold()

    def on_test_epoch_start(self) -> None:
        """Start the counts: of the net, of each floor, and of the net under each corruption."""
        data, threshold = self._data(), self.chosen_threshold()
        videos = data.videos("test")
        corrupted = [Evaluation(videos, self.device, threshold) for _ in data.conditions]
        self._evaluations = [FullEvaluation(videos, self.device, threshold, self.prior), *corrupted]

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:  # noqa: ARG002
        """Count pixels, and return `probability`, `B H W`, for callbacks."""
        probability = self(batch["image"])
        self._evaluate(self._evaluations[dataloader_idx], batch, probability)
        return {"probability": probability}

    def on_test_epoch_end(self) -> None:
        """Log the test's means and store the whole result for the report."""
        clean, *corrupted = self._evaluations
        assert isinstance(clean, FullEvaluation)
        summary, rows = clean.report()
        if corrupted:
            under = [evaluation.summary(self.chosen_threshold())[0] for evaluation in corrupted]
            data = self._data()
            summary["robustness"] = robustness(summary, under, data.conditions, data.corruption_options)
        self._finish("test", summary, rows)

    def on_predict_start(self) -> None:
        """Refuse to predict without a threshold, or on windows of another shape than in training."""
        self.chosen_threshold()
        self._data()

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002 (Lightning's hook)
        """Return boolean masks `B H W` of the forged pixels."""
        probability: Tensor = self(batch["image"])
        return probability >= self.chosen_threshold()

    def _data(self) -> ClipData:
        """Return the DataModule.

        Raises:
            InputError: its windows have another shape than those the net was trained on.
        """
        data: ClipData = datamodule(self.trainer, ClipData)
        if self.window and data.window != self.window:
            raise InputError(f"data has windows of {data.window}; the checkpoint was trained on {self.window}")
        return data

    @staticmethod
    def _evaluate(evaluation: Evaluation, batch: Batch, probability: Tensor) -> None:
        truth = batch["mask"][:, 0, 0] > 0.5
        for meta, frame, mask in zip(batch["meta"], probability, truth, strict=True):
            evaluation.update(meta["clip"], meta["frames"][0], frame, mask)

    def _finish(self, split: str, summary: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        """Store the result of a split with its threshold, and log its means."""
        about = {
            "threshold": self.threshold,
            "threshold_source": "validation" if self.chooses_threshold else "fixed",
            "threshold_choice": self.threshold_choice,
        }
        values = {
            "f1_variance": summary["f1"]["variance"],
            **{name: summary[name]["mean"] for name in ("iou", "precision", "recall")},
            "pixel_fpr": summary["authentic"]["pixel_fpr"],
            "threshold": self.threshold,
            **{f"floor_{name}": value for name, value in summary["floors"].items()},
        }
        result = Result(self.kind, {**summary, **about}, rows)
        self.report(split, result, {"f1": summary["f1"]["mean"]}, values)


def _is_window(value: Any) -> bool:
    """Return whether a value from a checkpoint is the shape of windows, or empty, as before a training."""
    if not isinstance(value, dict) or not value:
        return value == {}
    stride = value.get("stride")
    return value.keys() == {"frames", "stride"} and is_count(value["frames"]) and type(stride) is int and stride != 0


def _is_choice(value: Any) -> bool:
    """Return whether a value from a checkpoint is the choice of a threshold."""
    numbers = value if isinstance(value, dict) else {}
    return all(is_share(numbers.get(key)) for key in ("threshold", "f1")) and type(numbers.get("epoch")) is int
