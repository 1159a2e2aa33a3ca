"""Painting backgrounds: what critics see, what counts when, judges, files, and what is refused."""

import json
from functools import partial

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import nn

from outpaint_lightning.callbacks import LayoutWriter, OutpaintingPictures, TestReport
from outpaint_lightning.cli import main
from outpaint_lightning.data import ContextDataModule
from outpaint_lightning.forge.fills.net import Net
from outpaint_lightning.forge.masks import BackgroundMask
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.io import read_image
from outpaint_lightning.io.index import read_index
from outpaint_lightning.nets import (
    ContentGenerator,
    ContextualOutpainter,
    CriticLocalizer,
    LayoutGenerator,
    LocalizerCritic,
    PatchDiscriminator,
    UNet,
)
from outpaint_lightning.tasks import ContextualOutpaintingTask
from outpaint_lightning.types import InputError

QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
CRITIC = {"dim": 2, "width": 4, "layers": 1}


def outpainter(with_layouts=True, **options):
    torch.manual_seed(0)
    layouts = LayoutGenerator(8, 4, 2, 2, 3, 4) if with_layouts else None
    return ContextualOutpainter(ContentGenerator(8, 4, 2, 2, 4), layouts, **options)


def task(with_layouts=True, lr=1e-3, **options):
    net = outpainter(with_layouts)
    critics = {
        "context_critic": PatchDiscriminator(**CRITIC, head="mask"),
        "patch_critic": PatchDiscriminator(**CRITIC),
    }
    adam = partial(torch.optim.Adam, lr=lr)
    return ContextualOutpaintingTask(
        net, **{**critics, "samples": 2, "optimizer": adam, "critic_optimizer": adam, **options}
    )


def data(**options):
    sizes = {"batch_size": 4, "size": (16, 16), "scenes": 4, "val_scenes": 3, "test_scenes": 5}
    return ContextDataModule(**{**sizes, **options})


@pytest.fixture(scope="module")
def batch():
    module = data()
    module.setup("fit")
    return next(iter(module.train_dataloader()))


class Remembers(nn.Module):
    """A critic that keeps what it is shown."""

    head = "mask"

    def __init__(self):
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.ones(())), []

    def forward(self, clips):
        self.seen.append(clips.detach())
        return self.weight * clips.mean(2, keepdim=True)


def test_critics_see_composites_and_whole_photos(batch):
    """Not what the net makes of the foreground, which nobody ever sees."""
    critic = Remembers()
    made = task(context_critic=critic, patch_critic=None)
    filled = made.generate(batch)
    made.generator_terms(batch, filled)
    made.critic_terms(batch, filled)
    known = (batch["mask"] == 0).expand_as(batch["clean"])
    composite, real, again = critic.seen
    assert torch.equal(composite, again)
    assert torch.equal(composite[known], batch["clean"][known])
    assert torch.equal(real, batch["clean"])


def test_a_localizer_of_the_package_is_the_critic(batch):
    """It learns to find the hole, and the generator pays for what it finds: both get gradients."""
    made = task(context_critic=LocalizerCritic(UNet(8, 1, frames=1)), patch_critic=None)
    filled = made.generate(batch)
    made.generator_terms(batch, filled)["loss/context"].backward()
    assert sum(parameter.grad.abs().sum() for parameter in made.trained.content.parameters()) > 0
    terms = made.critic_terms(batch, filled.detach())
    assert terms["loss/context"].item() == pytest.approx(1.39, abs=0.5)  # it knows nothing yet: 2 log 2
    made.critics.zero_grad()
    terms["loss"].backward()
    assert all(parameter.grad is not None for parameter in made.critics.parameters())


def test_terms_and_weights(batch):
    options = {"context": 2.0, "patch": 3.0, "matching": 5.0, "l1": 7.0, "perceptual_weight": 11.0}
    made = task(perceptual=_Halves(), **options)
    filled = made.generate(batch)
    terms = made.generator_terms(batch, filled)
    background = (batch["mask"] > 0).expand_as(filled)
    torch.testing.assert_close(terms["loss/l1"], (filled - batch["clean"])[background].abs().mean())
    expected = sum(weight * terms[f"loss/{name.removesuffix('_weight')}"] for name, weight in options.items())
    torch.testing.assert_close(terms["loss"], expected)
    terms["loss"].backward()
    assert all(parameter.grad is None for parameter in made.trained.layouts.parameters())
    assert all(parameter.grad is not None for parameter in made.trained.content.parameters())


class _Halves(nn.Module):
    def forward(self, image):
        return [image / 2, image[..., ::2]]


def test_drawn_layouts_have_no_true_photo(batch):
    """In the last part of the steps: other layouts than the data's, and the critics alone count."""
    made = task(drawn=0.5)
    given = []
    made.trained.content.register_forward_hook(lambda module, inputs, output: given.append(inputs[2]))  # noqa: ARG005
    made.generator_terms(batch, made.generate(batch))
    made._first_drawn = 0
    torch.manual_seed(0)
    terms = made.generator_terms(batch, made.generate(batch))
    assert torch.equal(given[0], batch["layout"][:, 0])
    assert not torch.equal(given[1], batch["layout"][:, 0])
    assert terms.keys() == {"loss", "loss/context", "loss/patch"}


def test_drawn_layouts_come_last():
    made, when = task(drawn=0.5), []
    terms = made.generator_terms
    made.generator_terms = lambda batch, filled: when.append(made._paints_drawn) or terms(batch, filled)
    pl.Trainer(max_epochs=4, limit_val_batches=0, enable_checkpointing=False, **QUIET).fit(made, data())
    assert when == [False, False, True, True]


class _Colours(nn.Module):
    """Tells a class by the brightness of a pixel; another number of classes on demand."""

    def __init__(self, classes=8):
        super().__init__()
        self.classes = classes

    def forward(self, image):
        levels = torch.linspace(0, 1, self.classes).view(1, -1, 1, 1)
        return -(image.mean(1, keepdim=True) - levels).abs()


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A fit, a test and a prediction in one folder, without the command line."""
    folder = tmp_path_factory.mktemp("run")
    keep = pl.callbacks.ModelCheckpoint(folder / "checkpoints", filename="last", save_on_train_epoch_end=True)
    made = task(segmenter=_Colours(), decay=0.0)
    callbacks = [keep, OutpaintingPictures(2), TestReport(), LayoutWriter()]
    trainer = pl.Trainer(default_root_dir=folder, max_epochs=1, callbacks=callbacks, **QUIET)
    trainer.fit(made, data())
    trainer.test(made, data(), verbose=False)
    trainer.predict(made, data())
    return folder


def test_fit_test_and_predict_leave_their_files(run_folder):
    summary = json.loads((run_folder / "test" / "summary.json").read_text())
    assert summary["content"]["judge"] == "_Colours"
    assert summary["floors"].keys() == {"mean", "biharmonic"}
    assert summary["judged"].keys() == {"net", "mean", "biharmonic", "photo", "drawn", "drawn, best"}
    assert summary["sampled"]["samples"] == 2
    assert summary["judged"]["drawn, best"]["accuracy"] >= summary["judged"]["drawn"]["accuracy"]
    assert summary["frechet"]["SeededFeatures of photos"] == {"distance": None, "samples": 5, "features": 16}
    assert (run_folder / "test" / "per_photo.csv").read_text().count("\n") == 6
    assert (run_folder / "pictures" / "epoch_0000.png").is_file()
    predicted = run_folder / "predict"
    assert read_index(predicted / "test0000" / "layout_1.png").max() < 8
    assert read_image(predicted / "test0000" / "photo_1.png").shape == (16, 16, 3)
    assert read_image(predicted / "contact_sheet.png").shape[1] > 5 * 96


def test_the_judge_is_no_part_of_the_checkpoint(run_folder):
    weights = torch.load(run_folder / "checkpoints" / "last.ckpt", weights_only=False)["state_dict"]
    assert {name.split(".")[0] for name in weights} == {"net", "trained", "critics"}


def test_its_context_critic_is_a_localizer(run_folder):
    """With the weights that its training left: low scores are forged."""
    path = str(run_folder / "checkpoints" / "last.ckpt")
    critic = PatchDiscriminator(**CRITIC, head="mask")
    net = CriticLocalizer(critic, path, "context").eval()
    weights = torch.load(path, weights_only=False)["state_dict"]
    for name, value in critic.state_dict().items():
        assert torch.equal(value, weights[f"critics.context.{name}"])
    image = torch.rand(1, 1, 3, 16, 16)
    (logits,) = net(image)
    torch.testing.assert_close(logits[:, 0] - logits[:, 1], critic(image)[:, 0, 0])


def test_compare_knows_the_kind(run_folder, tmp_path):
    assert main(["compare", str(run_folder), "--out", str(tmp_path / "out")]) == 0
    page = next((tmp_path / "out").glob("*.html")).read_text()
    assert "content mIoU" in page


def test_a_layout_of_the_user_is_painted():
    """`samples` 0: the data's own. Without one that says anything it is named."""
    made = task(with_layouts=False, samples=0)
    seen = []
    made.net.content.register_forward_hook(lambda module, inputs, output: seen.append(inputs[2]))  # noqa: ARG005
    module = data()
    module.setup("predict")
    batch = next(iter(module.predict_dataloader()))
    painted = made.predict_step(batch, 0)
    assert torch.equal(seen[0], batch["layout"][:, 0])
    assert painted["filled"].shape == (4, 1, 3, 16, 16)
    with pytest.raises(InputError, match="test0000: no class is known in its layout"):
        made.predict_step({**batch, "layout": torch.full_like(batch["layout"], 255)}, 0)
    with pytest.raises(InputError, match="layouts is null: expected a net that draws layouts"):
        task(with_layouts=False).predict_step(batch, 0)


def test_forging_leaves_the_foreground_and_is_seeded(tmp_path):
    """As `forge --fill net --mask background` calls it: another seed draws another layout."""
    made = outpainter(side=16)
    init = {"content": _spec("ContentGenerator", classes=8, width=4, downs=2, widest=2, hidden=4), "side": 16,
            "layouts": _spec("LayoutGenerator", classes=8, width=4, downs=2, widest=2, latent=3, embedding=4),
            "weights": "gone.ckpt"}  # fmt: skip
    weights = {f"net.{name}": value for name, value in made.state_dict().items()}
    path = tmp_path / "cto.ckpt"
    torch.save({"state_dict": weights, "hyper_parameters": {"net": _spec("ContextualOutpainter", **init)}}, path)
    frames = np.random.default_rng(0).integers(0, 256, (1, 40, 48, 3), dtype=np.uint8)
    objects = np.zeros((1, 40, 48), bool)
    objects[:, 12:24, 10:30] = True
    footage = Footage(frames, objects)
    mask = BackgroundMask().render({"radius": 0}, footage)
    made = [Net().apply(footage, mask, Net(str(path)).sample(np.random.default_rng(seed))) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(made[0][objects], frames[objects])
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()
    assert (made[0][mask] != frames[mask]).mean() > 0.5


def _spec(name, **options):
    return {"class_path": f"outpaint_lightning.nets.{name}", "init_args": options}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l1": -1.0}, "l1 is -1"),
        ({"drawn": 2.0}, "drawn is 2"),
        ({"samples": -1}, "samples is -1"),
        ({"context_critic": PatchDiscriminator(**CRITIC)}, "context_critic has the head 'patch': expected mask"),
        ({"context_critic": None, "patch_critic": None}, "critics is {}"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=f"ContextualOutpaintingTask: {message}"):
        task(**options)


def test_a_judge_of_other_classes_is_refused():
    made = task(segmenter=_Colours(5))
    with pytest.raises(InputError, match=r"model.segmenter: _Colours gives scores of shape .*; expected N 8 H W"):
        pl.Trainer(enable_checkpointing=False, **QUIET).test(made, data(), verbose=False)


ALL = ["cto_segmenter_small", "cto_layout_small", "cto_layout", "cto_small", "cto"]
LAID_OVER = ["cto_small cto_against_localizer", "cto_small cto_snapshots"]


@pytest.mark.slow
@pytest.mark.parametrize("names", [*ALL, *LAID_OVER])
def test_shipped_configs_run(names, tmp_path):
    """Two short epochs of each, its nets as narrow as they go; the weights of an earlier stage are left out."""
    words = ["--trainer.max_epochs", "2", "--trainer.limit_train_batches", "1", "--trainer.limit_val_batches", "1",
             "--trainer.accelerator", "cpu", "--trainer.precision", "32-true",
             "--data.root", "null", "--data.classes", "null", "--data.size", "[32, 32]", "--data.batch_size", "2",
             "--data.workers", "0", "--data.val_scenes", "2", "--data.scenes", "2",
             "--trainer.default_root_dir", str(tmp_path / "run")]  # fmt: skip
    alone = "model: {init_args: {net: {init_args: {weights: null}}, segmenter: null}}"
    (tmp_path / "alone.yaml").write_text(alone)
    narrow = {
        "cto_segmenter_small": ["--model.net.width", "2"],
        "cto_layout": ["--model.net.width", "2", "--model.net.classes", "8"],
        "cto_layout_small": ["--model.net.width", "2"],
    }
    both = [
        *("--config", str(tmp_path / "alone.yaml"), "--model.net.layouts.width", "2"),
        *("--model.net.content.width", "2", "--model.net.content.classes", "8", "--model.net.layouts.classes", "8"),
        *("--model.patch_critic.width", "2"),
    ]
    configs = [word for name in names.split() for word in ("--config", f"generators/{name}")]
    assert main(["fit", *configs, *words, *narrow.get(names, both)]) == 0
    snapshots = [path.name for path in (tmp_path / "run" / "checkpoints").glob("snapshot_*")]
    assert snapshots == (["snapshot_01.ckpt"] if "snapshots" in names else [])
