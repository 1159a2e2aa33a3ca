"""The task of painting the background of a foreground: the second stage of contextual outpainting."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from outpaint_lightning.callbacks import LayoutWriter
from outpaint_lightning.losses import (
    AdversarialLoss,
    ContextAwareBce,
    ContextAwareLoss,
    Hinge,
    feature_matching,
    masked_l1,
)
from outpaint_lightning.metrics import FILLED, disagreement
from outpaint_lightning.nets import BiharmonicFrameFill, ContextualOutpainter, Critic, MeanFill, PatchDiscriminator
from outpaint_lightning.results import OUTPAINTING, Result
from outpaint_lightning.tasks.adversarial import AdversarialTask, Schedule, Terms
from outpaint_lightning.tasks.base import unsaved
from outpaint_lightning.tasks.judging import PhotoJudge
from outpaint_lightning.tasks.layouts import require_classes
from outpaint_lightning.tasks.turns import Turns
from outpaint_lightning.types import Batch, InputError, LayoutData, datamodule

OBJECTS = (
    *("net", "context_critic", "patch_critic", "context_criterion", "patch_criterion", "turns", "perceptual"),
    *("segmenter", "features", "optimizer", "critic_optimizer", "lr_scheduler", "critic_lr_scheduler"),
)
"""Arguments of the task that are objects, not plain values."""
WEIGHTS = ("context", "patch", "matching", "l1", "perceptual_weight")


class ContextualOutpaintingTask(AdversarialTask):
    """Train and evaluate a generator that paints the background of a foreground from its layout.

    All critics and metrics get the composite: the unchanged foreground with the painted background. A context-aware
    critic scores each pixel (`losses.contextual`); a second critic scores patches.

    A net that is trained only on true layouts would not know the sampled layouts that it gets in use. So in the last
    part of the training, a share `drawn` of all steps, it paints layouts that `net.layouts` samples. These have no true
    photo, so only the critics' losses are used.

    Args:
        net: its `layouts` samples layouts and is not trained. If that is null, training and evaluation use only true
            layouts.
        context_critic: a critic with `head` `mask` and `dim` 2, such as `PatchDiscriminator` or, to train against a
            localizer of the package, `LocalizerCritic`; null omits it.
        patch_critic: a critic with `dim` 2; null omits it. At least one of the two critics is required.
        context_criterion: null for `ContextAwareBce()`.
        patch_criterion: null for `Hinge()`.
        context: weight of the generator's loss from the context-aware critic.
        patch: weight of the generator's loss from the patch critic.
        matching: weight of `feature_matching` on the patch critic's layers.
        l1: weight of the mean absolute error on the background.
        perceptual: called with photos `N 3 H W` in [0, 1], returns a list of features, whose mean absolute difference
            is a loss; null omits it.
        perceptual_weight: weight of that loss.
        drawn: share of the training steps, at the end, that paint sampled layouts; only with `net.layouts`.
        samples: number of layouts sampled per photo in tests and prediction; 0 predicts with the layouts of the data.
        segmenter: called with photos `N 3 H W`, returns class scores `N C H W`. It evaluates the classes of painted
            photos and is not stored in checkpoints. Null omits the scores of classes.
        optimizer: called with the generator's parameters.
        critic_optimizer: called with the critics' parameters.
        lr_scheduler: see `AdversarialTask`.
        critic_lr_scheduler: see `AdversarialTask`.
        turns: null for `SameBatch(1)`.
        decay: see `AdversarialTask`.
        clip: see `AdversarialTask`.
        features: net for the Fréchet distance between photos in a test; null for `SeededFeatures(2)`.

    Raises:
        InputError: an option is out of range.

    Example:
        >>> from outpaint_lightning.nets import ContentGenerator
        >>> net = ContextualOutpainter(ContentGenerator(classes=5, width=4, downs=2, hidden=4))
        >>> task = ContextualOutpaintingTask(net, patch_critic=PatchDiscriminator(2, width=4, layers=1))
        >>> task(torch.rand(2, 3, 16, 16), torch.ones(2, 1, 16, 16), torch.zeros(2, 16, 16).long()).shape
        torch.Size([2, 3, 16, 16])
    """

    kind = OUTPAINTING
    writers = (LayoutWriter,)
    net: ContextualOutpainter
    trained: ContextualOutpainter

    def __init__(
        self,
        net: ContextualOutpainter,
        context_critic: Critic | None = None,
        patch_critic: PatchDiscriminator | None = None,
        context_criterion: ContextAwareLoss | None = None,
        patch_criterion: AdversarialLoss | None = None,
        context: float = 1.0,
        patch: float = 1.0,
        matching: float = 10.0,
        l1: float = 10.0,
        perceptual: nn.Module | None = None,
        perceptual_weight: float = 10.0,
        drawn: float = 0.2,
        samples: int = 4,
        segmenter: nn.Module | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        critic_optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: Schedule | None = None,
        critic_lr_scheduler: Schedule | None = None,
        turns: Turns | None = None,
        decay: float = 0.999,
        clip: float | None = None,
        features: nn.Module | None = None,
    ) -> None:
        given = {"context": context_critic, "patch": patch_critic}
        critics: dict[str, nn.Module] = {name: critic for name, critic in given.items() if critic is not None}
        super().__init__(
            net, critics, optimizer, critic_optimizer, lr_scheduler, critic_lr_scheduler, turns, decay, clip
        )
        owner = type(self).__name__
        weights = dict(zip(WEIGHTS, (context, patch, matching, l1, perceptual_weight), strict=True))
        for name, value in weights.items():
            if not value >= 0:
                raise InputError(f"{owner}: {name} is {value}: expected 0 or more")
        if not 0 <= drawn <= 1:
            raise InputError(f"{owner}: drawn is {drawn}: expected a share from 0 to 1")
        if samples < 0:
            raise InputError(f"{owner}: samples is {samples}: expected 0 or more")
        if context_critic is not None and context_critic.head != "mask":
            raise InputError(f"{owner}: context_critic has the head {context_critic.head!r}: expected mask")
        self.save_hyperparameters(ignore=unsaved(*OBJECTS), logger=False)
        self.weights, self.drawn, self.samples = weights, drawn if net.layouts else 0.0, samples
        self.context_criterion = context_criterion or ContextAwareBce()
        self.patch_criterion = patch_criterion or Hinge()
        self.floors = {"mean": MeanFill(), "biharmonic": BiharmonicFrameFill()}
        self._judges = perceptual, segmenter, features
        self._paints_drawn, self._first_drawn = False, float("inf")

    def setup(self, stage: str) -> None:
        """Check that the net and the data have the same number of classes."""
        super().setup(stage)
        require_classes(self, "model.net", self.net.classes)

    def on_fit_start(self) -> None:
        """Compute the step from which on sampled layouts are painted."""
        if self.drawn:
            self._first_drawn = (1 - self.drawn) * self.planned_steps("drawn")

    def forward(self, image: Tensor, mask: Tensor, layout: Tensor) -> Tensor:
        """Return photos `N 3 H W` with their background painted according to a layout `N H W`."""
        painted: Tensor = self.net(image, mask, layout)
        return painted

    def generate(self, batch: Batch) -> Tensor:
        """Return composites `B 1 3 H W` for true layouts, or for sampled ones in the last part of the training."""
        image, mask = batch["image"][:, 0], batch["mask"][:, 0]
        self._paints_drawn = self.global_step >= self._first_drawn
        layout = self.trained.sample(image, mask, 1)[:, 0] if self._paints_drawn else batch["layout"][:, 0]
        made: Tensor = self.trained(image, mask, layout)
        return made[:, None]

    def generator_terms(self, batch: Batch, made: Tensor) -> Terms:
        """Return the generator's losses: from the critics and, if the true photo is known, from its pixels."""
        terms, weights = {}, self.weights
        if "context" in self.critics:
            scores = self.critics["context"](made)
            terms["context"] = self.context_criterion.generator(scores, batch["mask"])
        if "patch" in self.critics:
            real, fake = (self._layers(clips) for clips in (batch["clean"], made))
            relative = real[-1] if self.patch_criterion.relative else None
            terms["patch"] = self.patch_criterion.generator(fake[-1], relative)
            if weights["matching"] and not self._paints_drawn:
                terms["matching"] = feature_matching(real[:-1], fake[:-1])
        if not self._paints_drawn:
            terms |= self._pixel_terms(batch, made)
        loss = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        return {"loss": loss, **{f"loss/{name.removesuffix('_weight')}": value for name, value in terms.items()}}

    def _pixel_terms(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        terms = {"l1": masked_l1(made, batch["clean"], batch["mask"])} if self.weights["l1"] else {}
        perceptual = self._judges[0]
        if perceptual is not None and self.weights["perceptual_weight"]:
            net = perceptual.to(self.device)
            terms["perceptual_weight"] = feature_matching(net(batch["clean"][:, 0]), net(made[:, 0]))
        return terms

    def critic_terms(self, batch: Batch, made: Tensor) -> Terms:
        """Return the critics' losses."""
        terms = {}
        if "context" in self.critics:
            real, fake = (self.critics["context"](clips) for clips in (batch["clean"], made))
            terms["loss/context"] = self.context_criterion.critic(real, fake, batch["mask"])
        if "patch" in self.critics:
            real, fake = (self.critics["patch"](clips) for clips in (batch["clean"], made))
            terms["loss/patch"] = self.patch_criterion.critic(real, fake)
        return {"loss": torch.stack([*terms.values()]).sum(), **terms}

    def _layers(self, clips: Tensor) -> list[Tensor]:
        critic: Any = self.critics["patch"]
        found: list[Tensor] = critic.layers(clips)
        return found

    def on_validation_epoch_start(self) -> None:
        """Create empty metrics."""
        self._start("val", samples=0)

    def on_test_epoch_start(self) -> None:
        """Create empty metrics, also for sampled layouts and for distances."""
        self._start("test", samples=self.samples if self.net.layouts else 0)

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002 (Lightning's hook)
        """Update the metrics; return the composites `filled` of true layouts for callbacks."""
        filled = self._enter(batch)
        return {"filled": filled[:, None], "layouts": batch["layout"]}

    def test_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 (Lightning's hook)
        """Update the metrics for true layouts, for sampled layouts and for each floor."""
        self._enter(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the errors over the validation photos."""
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        """Log the test's numbers and store the whole result for the report."""
        self._finish("test")

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002 (Lightning's hook)
        """Return `layouts` `B K H W`, sampled or given, and their composites, `filled` `B K 3 H W`.

        Raises:
            InputError: layouts are to be sampled and `net.layouts` is null, or a given layout has no known class.
        """
        image, mask, given = batch["image"][:, 0], batch["mask"][:, 0], batch["layout"]
        layouts = self.net.sample(image, mask, self.samples) if self.samples else given
        for meta, own in zip(batch["meta"], layouts, strict=True):
            if not ((own >= 0) & (own < self.net.classes)).any():
                raise InputError(f"{meta['clip']}: no class is known in its layout; expected one in data.root/stuff")
        filled = torch.stack([self(image, mask, layout) for layout in layouts.unbind(1)], 1)
        return {"layouts": layouts, "filled": filled}

    def _start(self, split: str, samples: int) -> None:
        data: LayoutData = datamodule(self.trainer, LayoutData)
        _, segmenter, features = self._judges
        self._judge = PhotoJudge(
            data.videos(split), [FILLED, *self.floors], samples, self.net.classes, segmenter, features,
            distances=split == "test", device=self.device,
        )  # fmt: skip

    def _enter(self, batch: Batch) -> Tensor:
        image, mask = batch["image"][:, 0], batch["mask"][:, 0]
        filled: Tensor = self(image, mask, batch["layout"][:, 0])
        floors = [fill(batch["image"], batch["mask"])[:, 0] for fill in self.floors.values()]
        self._judge.update(batch, torch.stack([filled, *floors], 1))
        if self._judge.samples:
            layouts = self.net.sample(image, mask, self._judge.samples)
            drawn = torch.stack([self(image, mask, layout) for layout in layouts.unbind(1)], 1)
            self._judge.update_drawn(batch, drawn, disagreement(layouts, mask))
        return filled

    def _finish(self, split: str) -> None:
        """Store the result of a split and log its means."""
        summary, rows = self._judge.summarize()
        content, pixels = summary["content"], summary["methods"][FILLED]
        values = {
            "mae_hole": pixels["mae_hole"], "content_miou": content["miou"], "content_accuracy": content["accuracy"],
            "psnr": pixels["psnr"], "ssim": pixels["ssim"],
            **{f"floor_{name}": value for name, value in summary["floors"].items()},
        }  # fmt: skip
        self.report(split, Result(self.kind, summary, rows), {"content_iou": content["mean"]}, values)
