"""The task of filling hidden voxels of clips, with or without clean clips for training."""

from __future__ import annotations

from typing import Literal

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from outpaint_lightning.callbacks import ClipWriter
from outpaint_lightning.losses import AdversarialLoss, Hinge, masked_l1
from outpaint_lightning.metrics import FILLED, FillErrors, FrechetDistance, frechet_summary, summarize_fills
from outpaint_lightning.nets import BiharmonicFrameFill, MeanFill, NearestFrameFill, SeededFeatures
from outpaint_lightning.results import PAINTING, Result
from outpaint_lightning.tasks.adversarial import AdversarialTask, Schedule, Terms
from outpaint_lightning.tasks.base import unsaved
from outpaint_lightning.tasks.turns import Turns
from outpaint_lightning.types import Batch, InputError, VideoData, datamodule

Mode = Literal["unsupervised", "unpaired", "paired"]
MODES: tuple[Mode, ...] = ("unsupervised", "unpaired", "paired")


OBJECTS = (
    *("net", "frame_critic", "sequence_critic", "criterion", "turns", "frame_features", "clip_features"),
    *("optimizer", "critic_optimizer", "lr_scheduler", "critic_lr_scheduler"),
)
"""Arguments of the task that are objects, not plain values."""


class SpatiotemporalInpaintingTask(AdversarialTask):
    """Train and evaluate a generator that fills hidden voxels of clips.

    With y an occluded clip, m its mask and G the generator, the filled clip is `x = y` where m is 0 and `G(y, m)` where
    it is 1. The critics compare::

        mode            real                        fake
        unsupervised    y                           x, occluded again by a new random mask
        unpaired        clean frames of other clips x
        paired          the clean clip              x; G has an extra loss, see `l1`

    In `unsupervised`, no clean frame is read. All clips that a critic sees are occluded, so it can detect x only by the
    voxels that the new mask leaves visible. So G learns from a voxel if m hides it and the new mask does not. Source:
    Yin, Pajot, de Bezenac, Gallinari (2019). There, m is 1 for observed voxels; here 1 is hidden, as everywhere in this
    package.

    Metrics are those of `metrics.summarize_fills`: means over clips, on voxels that m hides. Checkpoints can monitor
    `val/mae_hole`.

    Args:
        net: called with `image` (`B T C H W`) and `mask` (`B T 1 H W`), returns all voxels.
        frame_critic: called with clips `B T C H W`, returns scores of any shape; null omits it. The losses of both
            critics are added.
        sequence_critic: as `frame_critic`, for errors that only several frames show. At least one of the two is
            required.
        mode: see above.
        criterion: the adversarial loss of both sides; null for `Hinge()`.
        adversarial: weight of the generator's adversarial loss.
        l1: weight of the mean absolute error of G where m is 1; for `paired` only.
        held_out: weight of the absolute error on known voxels (m is 0) that the second mask hides from G. It reads no
            clean frame, so it can be used in every mode. It is our own addition; the paper does not have it. It needs
            another forward pass of G; at 0 it is not computed.
        optimizer: called with the generator's parameters.
        critic_optimizer: called with the critics' parameters.
        lr_scheduler: see `AdversarialTask`.
        critic_lr_scheduler: see `AdversarialTask`.
        turns: null for `SameBatch(1)`; the authors use `SameBatch(2)`.
        decay: see `AdversarialTask`.
        clip: see `AdversarialTask`.
        frame_features: net for the Fréchet distance between frames in a test; null for `SeededFeatures(2)`.
        clip_features: net for the Fréchet distance between clips; null for `SeededFeatures(3)`.

    Raises:
        InputError: the mode is unknown, or an option is out of range.

    Example:
        >>> from outpaint_lightning.nets import PatchDiscriminator, SpatiotemporalGenerator
        >>> net = SpatiotemporalGenerator(width=4, widest=2, norm="group")
        >>> task = SpatiotemporalInpaintingTask(net, frame_critic=PatchDiscriminator(2, width=4, layers=1))
        >>> task(torch.rand(1, 3, 3, 16, 16), torch.ones(1, 3, 1, 16, 16)).shape
        torch.Size([1, 3, 3, 16, 16])
    """

    kind = PAINTING
    writers = (ClipWriter,)

    def __init__(
        self,
        net: nn.Module,
        frame_critic: nn.Module | None = None,
        sequence_critic: nn.Module | None = None,
        mode: Mode = "unsupervised",
        criterion: AdversarialLoss | None = None,
        adversarial: float = 1.0,
        l1: float = 1.0,
        held_out: float = 0.0,
        optimizer: OptimizerCallable = torch.optim.Adam,
        critic_optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: Schedule | None = None,
        critic_lr_scheduler: Schedule | None = None,
        turns: Turns | None = None,
        decay: float = 0.999,
        clip: float | None = None,
        frame_features: nn.Module | None = None,
        clip_features: nn.Module | None = None,
    ) -> None:
        given = {"frame": frame_critic, "sequence": sequence_critic}
        critics = {name: critic for name, critic in given.items() if critic is not None}
        super().__init__(
            net, critics, optimizer, critic_optimizer, lr_scheduler, critic_lr_scheduler, turns, decay, clip
        )
        owner = type(self).__name__
        if mode not in MODES:
            raise InputError(f"{owner}: mode is {mode!r}: expected one of {', '.join(MODES)}")
        for name, value in (("adversarial", adversarial), ("l1", l1), ("held_out", held_out)):
            if not value >= 0:
                raise InputError(f"{owner}: {name} is {value}: expected 0 or more")
        self.save_hyperparameters(ignore=unsaved(*OBJECTS), logger=False)
        self.mode, self.adversarial, self.l1, self.held_out = mode, adversarial, l1, held_out
        self.criterion = criterion or Hinge()
        self.floors = {"mean": MeanFill(), "nearest_frame": NearestFrameFill(), "biharmonic": BiharmonicFrameFill()}
        self._features = frame_features, clip_features

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill clips `B T C H W` in [0, 1], which may hold any values where the mask (`B T 1 H W`) is 1."""
        return torch.where(mask > 0.5, self.net(image, mask).clamp(0, 1), image)

    def generate(self, batch: Batch) -> Tensor:
        """Return the filled clips. Only hidden voxels have a gradient."""
        return torch.where(batch["mask"] > 0.5, self.trained(batch["image"], batch["mask"]), batch["image"])

    def compared(self, batch: Batch, filled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the critics' real samples, and their samples of the filled clips."""
        if self.mode == "unsupervised":
            return batch["image"], torch.where(batch["again"] > 0.5, 0, filled)
        return batch["other" if self.mode == "unpaired" else "clean"], filled

    def generator_terms(self, batch: Batch, made: Tensor) -> Terms:
        """Return the generator's losses: from each critic, and the absolute errors that have a weight."""
        real, fake = self.compared(batch, made)
        terms = {}
        for name, critic in self.critics.items():
            scores = critic(real).detach() if self.criterion.relative else None
            terms[f"loss/{name}"] = self.criterion.generator(critic(fake), scores)
        total = self.adversarial * torch.stack([*terms.values()]).sum()
        if self.mode == "paired":
            terms["loss/l1"] = masked_l1(made, batch["clean"], batch["mask"])
            total = total + self.l1 * terms["loss/l1"]
        if self.held_out:
            terms["loss/held_out"] = self._held_out(batch)
            total = total + self.held_out * terms["loss/held_out"]
        return {"loss": total, **terms}

    def _held_out(self, batch: Batch) -> Tensor:
        """Return the absolute error on known voxels that are hidden from the generator."""
        mask, again = batch["mask"], batch["again"]
        made = self.trained(torch.where(again > 0.5, 0, batch["image"]), torch.maximum(mask, again))
        return masked_l1(made, batch["image"], again * (1 - mask))

    def critic_terms(self, batch: Batch, made: Tensor) -> Terms:
        """Return the critics' losses, by name and summed."""
        pairs = torch.cat(self.compared(batch, made))
        scores = {name: critic(pairs).chunk(2) for name, critic in self.critics.items()}
        terms = {f"loss/{name}": self.criterion.critic(*pair) for name, pair in scores.items()}
        return {"loss": torch.stack([*terms.values()]).sum(), **terms}

    def on_validation_epoch_start(self) -> None:
        """Create empty metrics."""
        self._start("val", {})

    def on_test_epoch_start(self) -> None:
        """Create empty metrics, also for the Fréchet distances."""
        channels = int(getattr(self.net, "channels", 3))
        nets = (net or SeededFeatures(dim, channels) for dim, net in zip((2, 3), self._features, strict=True))
        self._start("test", {_named(net): net for net in nets})

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002 (Lightning's hook)
        """Update the metrics; return the clips `filled` for callbacks."""
        filled: Tensor = self(batch["image"], batch["mask"])
        self._enter(batch, filled)
        return {"filled": filled}

    def on_validation_epoch_end(self) -> None:
        """Log the errors over the validation clips."""
        self._finish("val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 (Lightning's hook)
        """Update the metrics of the net and of each floor."""
        filled = self(batch["image"], batch["mask"])
        self._enter(batch, filled)
        for distance in self._distances.values():
            distance.update(batch["clean"], real=True)
            distance.update(filled, real=False)

    def on_test_epoch_end(self) -> None:
        """Log the test's numbers and store the whole result for the report."""
        self._finish("test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002 (Lightning's hook)
        """Return the filled clips."""
        filled: Tensor = self(batch["image"], batch["mask"])
        return filled

    def _start(self, split: str, features: dict[str, nn.Module]) -> None:
        data: VideoData = datamodule(self.trainer, VideoData)
        self._videos = data.videos(split)
        self._position = {video["clip"]: i for i, video in enumerate(self._videos)}
        frames = [video["frames"] for video in self._videos]
        self._table = FillErrors(frames, 1 + len(self.floors)).to(self.device)
        self._distances = {name: FrechetDistance(net).to(self.device) for name, net in features.items()}

    def _enter(self, batch: Batch, filled: Tensor) -> None:
        floors = [fill(batch["image"], batch["mask"]) for fill in self.floors.values()]
        self._table.update(
            videos=[self._position[meta["clip"]] for meta in batch["meta"]],
            frames=[meta["frames"] for meta in batch["meta"]],
            made=torch.stack([filled, *floors]),
            clean=batch["clean"],
            mask=batch["mask"],
        )

    def _finish(self, split: str) -> None:
        """Store the result of a split and log its means."""
        summary, rows = summarize_fills(self._table, self._videos, [FILLED, *self.floors])
        about = {"mode": self.mode, "frechet": frechet_summary(self._distances)}
        values = {
            "gain": summary["gain"],
            "mae_all": summary["mae"]["all"],
            "rmse_hole": summary["rmse"]["hole"],
            "psnr": summary["psnr"],
            "ssim": summary["ssim"],
            **{f"mae_hole_{name}": part["mae"] for name, part in summary["by_occlusion"].items()},
            **{f"floor_{name}": value for name, value in summary["floors"].items()},
        }
        result = Result(self.kind, {**summary, **about}, rows)
        self.report(split, result, {"mae_hole": summary["mae"]["hole"]}, values)


def _named(features: nn.Module) -> str:
    """Return the name of a Fréchet distance: the name of its net."""
    kind = "frames" if features.dim == 2 else "clips"
    return f"{getattr(features, 'model', type(features).__name__)} of {kind}"
