"""Wide-range image blending: what each stage reads and pays, with the traps of the public code as tests."""

import inspect
import json
from functools import partial

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support import REPOSITORY
from torch import nn

from outpaint_lightning.callbacks import BlendingPictures, PanoramaWriter, TestReport
from outpaint_lightning.checkpoints.rebuild import load_net
from outpaint_lightning.data import BlendingDataModule
from outpaint_lightning.experiment.run import check, make_parser
from outpaint_lightning.io import image_size, read_dataset, read_image, read_mask
from outpaint_lightning.losses import IdMrf, middle_error, sides_error, transfer_consistency
from outpaint_lightning.nets import BlendingGenerator, GlobalDiscriminator, SeededMaps
from outpaint_lightning.tasks import SameBatch, WideBlendingTask
from outpaint_lightning.types import InputError

SIZE = 16
QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
NET = {
    "size": SIZE, "widths": (4, 4, 8), "encoder_blocks": (0, 0, 0), "decoder_blocks": (0, 0, 0),
    "dilations": (0, 0, 1), "content": 4, "split": 2, "bct": "row_shared", "normed": 2, "feather": 2,
}  # fmt: skip


def task(stage="self_reconstruction", lr=1e-3, **options):
    torch.manual_seed(0)
    net, critic = BlendingGenerator(**NET), GlobalDiscriminator((SIZE, 3 * SIZE), 4, 2)
    adam = partial(torch.optim.Adam, lr=lr)
    return WideBlendingTask(net, critic, stage, optimizer=adam, critic_optimizer=adam, subset_size=2, **options)


def data(**options):
    return BlendingDataModule(**{"size": SIZE, "batch_size": 3, "photos": 9, "val_photos": 3, "test_photos": 20,
                                 **options})  # fmt: skip


@pytest.fixture
def batch():
    made = data()
    made.setup("validate")
    made.trainer = pl.Trainer(**QUIET, enable_checkpointing=False)
    return next(iter(made.val_dataloader()))


def fitted(task, module=None, **options):
    trainer = pl.Trainer(**QUIET, **{"max_epochs": 1, "limit_val_batches": 0, "enable_checkpointing": False, **options})
    trainer.fit(task, module or data())
    return trainer


def test_the_first_stage_reads_no_pair(batch):
    made = task()
    spoiled = {**batch, "pair": batch["pair"] * torch.nan, "other": batch["other"] * torch.nan}
    blend = made.generate(spoiled)
    assert made.generator_terms(spoiled, blend)["loss"].isfinite()
    assert made.critic_terms(spoiled, blend.detach())["loss"].isfinite()


def test_terms_by_hand(batch):
    """Every term with its weight, in the second stage: middles are charged where they are known, sides everywhere."""
    made = task("fine_tuning", texture_loss=IdMrf(SeededMaps()), pixel=2.0, feature=3.0, consistency=4.0, texture=5.0,
                adversarial=6.0)  # fmt: skip
    blend = made.generate(batch)
    terms = made.generator_terms(batch, blend)
    shown = torch.cat([batch["image"], batch["pair"]])[:, 0]
    true, middle = batch["clean"][:, 0, ..., SIZE:-SIZE], blend.panorama[:3, ..., SIZE:-SIZE]
    expected = {
        "pixel": sides_error(blend.panorama, shown[..., :SIZE], shown[..., -SIZE:]) + middle_error(middle, true),
        "feature": F.mse_loss(blend.middle[:3], made.trained.contents(true)),
        "consistency": transfer_consistency(blend.ahead, blend.back),
        "texture": made.texture_loss(middle, true),
        "adversarial": made.criterion.generator(
            made.critics["panorama"](blend.panorama[:, None]), made.critics["panorama"](batch["other"])
        ),
    }
    for name, value in expected.items():
        torch.testing.assert_close(terms[f"loss/{name}"], value)
    total = sum(weight * value for weight, value in zip(range(2, 7), expected.values(), strict=True))
    torch.testing.assert_close(terms["loss"], total)


def test_what_the_critic_compares(batch):
    """Its panorama with itself as drawn; in the second stage other photos with photos and pairs, of another number."""
    seen = {}
    for stage, real, count in (("self_reconstruction", "clean", 3), ("fine_tuning", "other", 6)):
        made = task(stage)
        made.criterion.critic = lambda real, fake: seen.update(real=real, fake=fake) or real.mean()
        blend = made.generate(batch).detach()
        made.critic_terms(batch, blend)
        torch.testing.assert_close(seen["real"], made.critics["panorama"](batch[real]))
        assert seen["fake"].shape == (count,)
        assert not blend.panorama.requires_grad


def test_a_target_of_features_teaches_nothing(batch):
    """A gradient through the encoder's view of the true middle would pull it to what is easy to predict."""
    made = task(pixel=0.0, consistency=0.0, adversarial=0.0)
    blend = made.generate(batch)
    (slope,) = torch.autograd.grad(
        made.generator_terms(batch, blend.detach())["loss/feature"] + 0 * made.trained.squeeze[0].bias.sum(),
        made.trained.squeeze[0].bias,
    )
    assert (slope == 0).all()


def test_the_middle_of_an_image_is_never_read(batch):
    made = task().eval()
    with torch.no_grad():
        blended = made(batch["pair"])
        hidden = batch["pair"].clone()
        hidden[..., SIZE:-SIZE] = torch.nan
        assert torch.equal(made(hidden), blended)
    for side in (slice(0, SIZE), slice(-SIZE, None)):
        assert torch.equal(blended[..., side], batch["pair"][..., side])


def test_one_step_of_the_critic_for_two_of_the_net():
    made = task()
    before = [[p.clone() for p in side.parameters()] for side in (made.trained, made.critics)]
    trainer = fitted(made, limit_train_batches=1)
    changed = [any(not torch.equal(a, b) for a, b in zip(old, side.parameters(), strict=True))
               for old, side in zip(before, (made.trained, made.critics), strict=True)]  # fmt: skip
    assert (changed, trainer.global_step) == ([False, True], 0)
    assert fitted(task()).global_step == 2  # of three batches


@pytest.mark.slow
def test_a_few_steps_come_closer_to_four_photos():
    photos = data(photos=4, batch_size=4)
    made = task(lr=2e-2, decay=0.0, adversarial=0.0, turns=SameBatch())
    photos.setup("fit")
    samples = [photos.datasets["train"][0, index] for index in range(4)]
    image, clean = (torch.stack([sample[key] for sample in samples]) for key in ("image", "clean"))

    def error():
        with torch.no_grad():
            return (made(image) - clean)[..., SIZE:-SIZE].square().mean().item()

    before = error()
    fitted(made, photos, max_epochs=24)
    assert error() < 0.7 * before


@pytest.fixture(scope="module")
def first_stage(tmp_path_factory):
    """A test of an untrained first stage, its checkpoint and predictions."""
    root = tmp_path_factory.mktemp("first")
    callbacks = [TestReport(), PanoramaWriter(), BlendingPictures(2)]
    trainer = pl.Trainer(**QUIET, default_root_dir=root, max_epochs=1, limit_train_batches=1, callbacks=callbacks,
                         enable_checkpointing=False)  # fmt: skip
    made, photos = task(), data()
    trainer.fit(made, photos)
    trainer.save_checkpoint(root / "last.ckpt", weights_only=True)
    trainer.test(made, photos, verbose=False)
    trainer.predict(made, photos, return_predictions=False)
    return root


def test_a_test_leaves_its_files(first_stage):
    summary = json.loads((first_stage / "test" / "summary.json").read_text())
    assert summary["floors"].keys() == {"linear", "mirror", "harmonic"}
    assert summary["seam"].keys() == summary["energy"].keys() == {"net", "linear", "mirror", "harmonic", "real"}
    assert summary["distances"]["samples"] == 20
    assert summary["kid"] == summary["distances"]["methods"]["net"]["kid"] > 0
    assert summary["methods"]["net"]["mae_hole"] == summary["middle"]["mae"] > 0
    assert (first_stage / "test" / "per_image.csv").read_text().count("\n") == 21
    assert (first_stage / "pictures" / "epoch_0000.png").is_file()


def test_predictions_are_a_dataset_whose_photos_are_untouched(first_stage):
    """The label is the middle alone, and neither its width nor its place is always the same."""
    entries = read_dataset(first_stage / "predict")
    photos = data()
    photos.setup("predict")
    crops = {video["clip"]: photos.datasets["test"][index]["clean"][0]
             for index, video in enumerate(photos.videos("test"))}  # fmt: skip
    middles = set()
    for entry in entries:
        picture, mask = read_image(entry.frames), read_mask(entry.masks)
        columns = mask.all(0)
        assert (columns == mask.any(0)).all()
        start, stop = int(columns.argmax()), int(len(columns) - columns[::-1].argmax())
        left, right = ((crops[name] * 255).round().byte().permute(1, 2, 0).numpy() for name in entry.clip.split("__"))
        np.testing.assert_array_equal(picture[:, :start], left[:, SIZE - start : SIZE])
        np.testing.assert_array_equal(picture[:, stop:], right[:, 2 * SIZE : 2 * SIZE + picture.shape[1] - stop])
        middles.add((start, stop - start))
    assert len(entries) == 20
    assert len({start for start, _ in middles}) > 5
    assert len({width for _, width in middles}) > 1
    height, _ = image_size(first_stage / "predict" / "contact_sheet.png")
    assert height > 12 * 96


class _Gap(nn.Module):
    """In place of LPIPS: the mean difference, and how wide the compared pictures are."""

    def __init__(self):
        super().__init__()
        self.gaps = []

    def update(self, made, true):
        assert made.shape[1:] == (3, SIZE, SIZE)
        self.gaps.append((made - true).abs().mean())

    def compute(self):
        return torch.stack(self.gaps).mean()


def test_lpips_compares_the_middle_of_single_photos(monkeypatch):
    """Not the pasted photos, which are equal, and not pairs, whose middle nobody knows; only where a backbone is."""
    monkeypatch.setattr("outpaint_lightning.tasks.blending.lpips", _Gap)
    made = task()
    pl.Trainer(**QUIET, enable_checkpointing=False).test(made, data(test_photos=3), verbose=False)
    summary = made.result.summary
    assert summary["lpips"] == pytest.approx(summary["middle"]["mae"], rel=1e-4)
    assert not any("perceptual" in name for name, _ in made.named_modules())


def test_the_second_stage_starts_from_the_first(first_stage):
    """With the average of the net's weights, and the critic; `load_net` reads the same file."""
    path = str(first_stage / "last.ckpt")
    fine = task("fine_tuning", weights=path)
    saved = torch.load(path, weights_only=True)["state_dict"]
    for name, value in fine.net.state_dict().items():
        assert torch.equal(value, saved[f"net.{name}"])
    assert torch.equal(fine.critics["panorama"].head.weight, saved["critics.panorama.head.weight"])
    assert torch.equal(fine.trained.expand.weight, fine.net.expand.weight)
    fitted(fine)
    with pytest.raises(InputError, match="its net is of another kind"):
        WideBlendingTask(BlendingGenerator(**{**NET, "content": 8}), GlobalDiscriminator((16, 48), 4, 2), weights=path)
    with pytest.raises(InputError, match="does not say how"):
        load_net(path)  # built in Python, without a config


def test_the_full_configuration_is_the_paper_s():
    """`wrib_small.yaml` and its second stage run in docs/how-to/train-a-generator.md."""
    files = (REPOSITORY / "configs" / "generators" / f"wrib{part}.yaml" for part in ("", "_fine"))
    given = check(make_parser(), ["fit", *(word for path in files for word in ("--config", str(path)))])["fit"]
    options = given.model.init_args
    assert (options.stage, options.optimizer.init_args.lr, options.clip) == ("fine_tuning", 2e-3, 5.0)
    assert options.turns.init_args.order == "DGG"
    assert given.data.init_args.size == options.net.init_args.size == 256
    defaults = inspect.signature(BlendingGenerator).parameters
    for name, value in options.net.init_args.as_dict().items():
        assert tuple(np.atleast_1d(value)) == tuple(np.atleast_1d(defaults[name].default)), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage": "fine"}, "stage is 'fine'"),
        ({"texture": -1.0}, "texture is -1"),
        ({"adversarial": -1.0}, "adversarial"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=f"WideBlendingTask: {message}"):
        task(**options)
