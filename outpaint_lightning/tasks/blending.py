"""The task of wide-range image blending: paint a new middle between two photos."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from outpaint_lightning.callbacks import PanoramaWriter
from outpaint_lightning.checkpoints.files import find_checkpoint, read_checkpoint
from outpaint_lightning.losses import (
    AdversarialLoss,
    RelativisticLeastSquares,
    middle_error,
    sides_error,
    transfer_consistency,
)
from outpaint_lightning.metrics import (
    FILLED,
    REAL,
    BlendTraces,
    FillErrors,
    SetDistances,
    lpips,
    summarize_fills,
    summarize_traces,
)
from outpaint_lightning.nets import (
    Blend,
    BlendingGenerator,
    HarmonicFrameFill,
    LinearBandFill,
    MirrorBandFill,
    SeededFeatures,
)
from outpaint_lightning.nets.generators.bands import paste_sides
from outpaint_lightning.results import BLENDING, Result
from outpaint_lightning.tasks.adversarial import AdversarialTask, Schedule, Terms
from outpaint_lightning.tasks.base import unsaved
from outpaint_lightning.tasks.turns import Alternate, Turns
from outpaint_lightning.types import Batch, InputError, VideoData, datamodule

Stage = Literal["self_reconstruction", "fine_tuning"]
STAGES: tuple[Stage, ...] = ("self_reconstruction", "fine_tuning")
OBJECTS = (
    *("net", "critic", "criterion", "texture_loss", "turns", "features"),
    *("optimizer", "critic_optimizer", "lr_scheduler", "critic_lr_scheduler"),
)
"""Arguments of the task that are objects, not plain values."""


class WideBlendingTask(AdversarialTask):
    """Train and evaluate a net that paints the scene between two photos.

    In `self_reconstruction`, both photos are parts of one photo, whose hidden middle is known. In `fine_tuning`, each
    batch also has the same number of pairs of different photos, whose middle is unknown. Their losses are the error of
    the photos' own parts, the consistency of the transfer and the critic's loss. The critic compares them with
    panoramas of other photos.

    Source: Lu, Liao, Chiu, *Bridging the Visual Gap: Wide-Range Image Blending* (CVPR 2021). The loss terms are means;
    the default weights correspond to the sums of the public code.

    Panoramas are evaluated and written with both photos pasted back unchanged.

    Args:
        net: called with two photos, returns a `Blend`.
        critic: called with panoramas `N 1 3 H W`, returns scores.
        stage: see above.
        weights: checkpoint or run folder with initial weights of net and critic, such as that of the first stage; null
            starts from random weights.
        criterion: the adversarial loss of both sides; null for `RelativisticLeastSquares()`.
        texture_loss: called with painted and true middles `N 3 H W`, such as `IdMrf`; null omits it.
        pixel: weight of the squared errors of pixels. In the middle, errors have less weight with more distance to the
            seams.
        feature: weight of the squared error of the middle's features against those of the true middle.
        consistency: weight of the squared difference between the two directions of the transfer.
        texture: weight of `texture_loss`.
        adversarial: weight of the net's adversarial loss; the public code has 0.002 * 0.9.
        optimizer: called with the net's parameters.
        critic_optimizer: called with the critic's parameters.
        lr_scheduler: see `AdversarialTask`.
        critic_lr_scheduler: see `AdversarialTask`.
        turns: null for `Alternate("DGG")`, as in the public code.
        decay: see `AdversarialTask`.
        clip: see `AdversarialTask`.
        features: net for the distances to real panoramas; null for `SeededFeatures(2)`.
        subset_size: number of panoramas in each subset of the kernel distance.

    Raises:
        InputError: the stage is unknown, an option is out of range, or the checkpoint holds another net.

    Example:
        >>> from outpaint_lightning.nets import GlobalDiscriminator
        >>> net = BlendingGenerator(32, (8, 8, 16), (0, 0, 1), (0, 0, 1), (0, 0, 1), content=8, bct="row_shared")
        >>> task = WideBlendingTask(net, GlobalDiscriminator((32, 96), width=4, layers=3))
        >>> task(torch.rand(1, 1, 3, 32, 96)).shape
        torch.Size([1, 1, 3, 32, 96])
    """

    kind = BLENDING
    writers = (PanoramaWriter,)

    def __init__(
        self,
        net: BlendingGenerator,
        critic: nn.Module,
        stage: Stage = "self_reconstruction",
        weights: str | None = None,
        criterion: AdversarialLoss | None = None,
        texture_loss: nn.Module | None = None,
        pixel: float = 1.0,
        feature: float = 1.0,
        consistency: float = 1.0,
        texture: float = 0.01,
        adversarial: float = 0.0018,
        optimizer: OptimizerCallable = torch.optim.Adam,
        critic_optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: Schedule | None = None,
        critic_lr_scheduler: Schedule | None = None,
        turns: Turns | None = None,
        decay: float = 0.999,
        clip: float | None = None,
        features: nn.Module | None = None,
        subset_size: int = 50,
    ) -> None:
        owner = type(self).__name__
        if stage not in STAGES:
            raise InputError(f"{owner}: stage is {stage!r}: expected one of {', '.join(STAGES)}")
        charged = {"pixel": pixel, "feature": feature, "consistency": consistency, "texture": texture}
        for name, value in {**charged, "adversarial": adversarial}.items():
            if not value >= 0:
                raise InputError(f"{owner}: {name} is {value}: expected 0 or more")
        if subset_size < 2:
            raise InputError(f"{owner}: subset_size is {subset_size}: expected at least 2")
        if weights is not None:
            _start_from(weights, {"net.": net, "critics.panorama.": critic})
        super().__init__(
            net, {"panorama": critic}, optimizer, critic_optimizer, lr_scheduler, critic_lr_scheduler,
            turns or Alternate("DGG"), decay, clip,
        )  # fmt: skip
        self.save_hyperparameters(ignore=unsaved(*OBJECTS), logger=False)
        self.stage, self.charged, self.adversarial = stage, charged, adversarial
        self.feather, self.split = net.feather, net.transfer.split
        self.criterion, self.texture_loss = criterion or RelativisticLeastSquares(), texture_loss
        self.floors = {"linear": LinearBandFill(), "mirror": MirrorBandFill(), "harmonic": HarmonicFrameFill()}
        self._features, self._subset_size = (features,), subset_size  # the tuple keeps it out of the checkpoint

    def forward(self, image: Tensor, steps: int | None = None) -> Tensor:
        """Return panoramas `B 1 3 H W` with the image's own outer parts.

        Args:
            image: `B 1 3 H 3H` in [0, 1]; the middle third is not read.
            steps: width of the new middle in slices, see `BlendingGenerator`.
        """
        left, right = _photos(image)
        return paste_sides(self.net(left, right, steps).panorama, left, right, self.feather)[:, None]

    def generate(self, batch: Batch) -> Blend:
        """Return the net's output for the photos and, in `fine_tuning`, then for the pairs."""
        left, right = _photos(self._shown(batch))
        blend: Blend = self.trained(left, right)
        return blend

    def _shown(self, batch: Batch) -> Tensor:
        """Return all panoramas of a batch with hidden middles."""
        return torch.cat([batch["image"], batch["pair"]]) if self.stage == "fine_tuning" else batch["image"]

    def _real(self, batch: Batch) -> Tensor:
        """Return the critic's real panoramas: those of the batch or, in `fine_tuning`, of other photos."""
        return batch["other" if self.stage == "fine_tuning" else "clean"]

    def generator_terms(self, batch: Batch, made: Blend) -> Terms:
        """Return the net's losses. If the true middle is unknown, only the critic judges the middle."""
        left, right = _photos(self._shown(batch))
        known = len(batch["clean"])
        true = _middle(batch["clean"][:, 0], left.shape[3])
        middle = _middle(made.panorama[:known], left.shape[3])
        with torch.no_grad():
            expected = cast("BlendingGenerator", self.trained).contents(true)
        terms = {
            "pixel": sides_error(made.panorama, left, right) + middle_error(middle, true),
            "feature": F.mse_loss(made.middle[:known], expected),
            "consistency": transfer_consistency(made.ahead, made.back),
        }
        if self.texture_loss is not None:
            terms["texture"] = self.texture_loss(middle, true)
        critic = self.critics["panorama"]
        scores = critic(self._real(batch)).detach() if self.criterion.relative else None
        verdict = self.criterion.generator(critic(made.panorama[:, None]), scores)
        total = torch.stack([self.charged[name] * term for name, term in terms.items()]).sum()
        named = {f"loss/{name}": term for name, term in terms.items()}
        return {"loss": total + self.adversarial * verdict, **named, "loss/adversarial": verdict}

    def critic_terms(self, batch: Batch, made: Blend) -> Terms:
        """Return the critic's loss."""
        critic = self.critics["panorama"]
        return {"loss": self.criterion.critic(critic(self._real(batch)), critic(made.panorama[:, None]))}

    def on_validation_epoch_start(self) -> None:
        """Create empty metrics."""
        self._start("val")

    def on_test_epoch_start(self) -> None:
        """Create empty metrics."""
        self._start("test")

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002 (Lightning's hook)
        """Update the metrics; return the panoramas `filled` and `blended` for callbacks."""
        return self._enter(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 (Lightning's hook)
        """Update the metrics of the net and of each floor."""
        self._enter(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the results of the validation."""
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        """Log the test's numbers and store the whole result for the report."""
        self._finish("test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return blended pairs. The width of the middle differs between batches, from half a photo to two photos."""
        narrowest, widest = max(1, self.split // 2), 2 * self.split
        steps = int(np.random.default_rng(batch_idx).integers(narrowest, widest, endpoint=True))
        blended: Tensor = self(batch["pair"], steps)
        return blended

    def _start(self, split: str) -> None:
        data: VideoData = datamodule(self.trainer, VideoData)
        self._videos = data.videos(split)
        self._position = {video["clip"]: i for i, video in enumerate(self._videos)}
        methods = [FILLED, *self.floors]
        self._errors = FillErrors([1] * len(self._videos), len(methods)).to(self.device)
        self._traces = BlendTraces(len(self._videos), 1 + len(methods)).to(self.device)
        net = self._features[0] or SeededFeatures(2)
        self._distances = SetDistances(net, methods, self._subset_size).to(self.device)
        perceptual = lpips() if split == "test" else None
        self._perceptual: tuple[Any, ...] = () if perceptual is None else (perceptual.to(self.device),)

    def _enter(self, batch: Batch) -> dict[str, Tensor]:
        photos = [self._position[meta["clip"]] for meta in batch["meta"]]
        mask, size = batch["mask"], batch["image"].shape[3]
        filled, blended = self(batch["image"]), self(batch["pair"])
        of_photos = [filled, *(fill(batch["image"], mask) for fill in self.floors.values())]
        of_pairs = [blended, *(fill(batch["pair"], mask) for fill in self.floors.values())]
        self._errors.update(photos, [[0]] * len(photos), torch.stack(of_photos), batch["clean"], mask)
        real = batch["clean"]
        self._traces.update(photos, torch.stack([*of_pairs, real])[:, :, 0], size, 2 * size)
        for perceptual in self._perceptual:
            perceptual.update(_middle(filled[:, 0], size), _middle(real[:, 0], size))
        named = zip([FILLED, *self.floors], of_pairs, strict=True)
        self._distances.update(real[:, 0], {name: panorama[:, 0] for name, panorama in named})
        return {"filled": filled, "blended": blended}

    def _finish(self, split: str) -> None:
        """Store the result of a split and log its numbers."""
        methods = [FILLED, *self.floors]
        errors, _ = summarize_fills(self._errors, self._videos, methods)
        traces, rows = summarize_traces(self._traces, self._videos, [*methods, REAL])
        distances = self._distances.summary()
        found = distances["methods"]
        summary: dict[str, Any] = {
            "kid": found[FILLED]["kid"],
            "fid": found[FILLED]["fid"],
            "floors": {name: found[name]["kid"] for name in self.floors},
            "distances": distances,
            **traces,
            "middle": {
                "mae": errors["mae"]["hole"],
                "rmse": errors["rmse"]["hole"],
                **{key: errors["mae"][key] for key in ("low", "high")},
            },
            **{key: errors[key] for key in ("psnr", "ssim", "methods")},
            "lpips": next((float(perceptual.compute()) for perceptual in self._perceptual), None),
            "stage": self.stage,
        }
        values = {
            **{key: summary[key] for key in ("fid", "psnr", "ssim")},
            "seam": traces["seam"][FILLED],
            "energy": traces["energy"][FILLED],
            **{f"floor_kid_{name}": value for name, value in summary["floors"].items()},
        }
        monitored = {"mae_hole": summary["middle"]["mae"], "kid": summary["kid"]}
        self.report(split, Result(self.kind, summary, rows), monitored, values)


def _photos(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the left and the right third of panoramas `B 1 3 H 3H`, `B 3 H H` each."""
    size = image.shape[3]
    return image[:, 0, ..., :size], image[:, 0, ..., -size:]


def _middle(panorama: Tensor, size: int) -> Tensor:
    return panorama[..., size:-size]


def _start_from(weights: str, parts: dict[str, nn.Module]) -> None:
    """Load parts of a task from the checkpoint of another training.

    Args:
        weights: checkpoint or run folder.
        parts: modules by the prefix of their weights' names.

    Raises:
        InputError: the checkpoint cannot be read, or holds another kind of module.
    """
    path = find_checkpoint(weights)
    state = read_checkpoint(path)["state_dict"]
    for start, part in parts.items():
        own = {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}
        try:
            part.load_state_dict(own)
        except RuntimeError as error:
            first = next(line.strip() for line in str(error).splitlines()[1:] if line.strip())
            raise InputError(f"{path}: its {start.rstrip('.')} is of another kind ({first})") from error
