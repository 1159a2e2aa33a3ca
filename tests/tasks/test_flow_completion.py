"""Completing flow in one pass: the adversarial task, the judge's checks, and the shipped configs."""

from functools import partial

import lightning.pytorch as pl
import pytest
import torch
from jsonargparse import ActionConfigFile, ArgumentParser
from support import REPOSITORY
from torch.utils.data import DataLoader

from outpaint_lightning.losses import CompletionCriterion, Hinge
from outpaint_lightning.nets import DirectFlow, FlowCritic, RatedFlow, UNetTrunk
from outpaint_lightning.nets.flow.edges import jump_edges
from outpaint_lightning.results import kind_of
from outpaint_lightning.tasks import AdversarialFlowTask, FlowRefinementTask
from outpaint_lightning.types import InputError

FRAMES, HEIGHT, WIDTH = 3, 12, 16


def window(name="a", frames=FRAMES):
    """The right half moves to the right; the hole lies across."""
    flow = torch.zeros(frames, 2, HEIGHT, WIDTH)
    flow[:, 0, :, 8:] = 2
    hidden = torch.zeros(frames, 2, HEIGHT, WIDTH)
    hidden[..., 4:8, 5:11] = 1
    ones = torch.ones_like(hidden)
    return {"flow_forward": flow, "flow_backward": -flow, "hidden": hidden, "valid": ones, "occluded": 0 * ones,
            "meta": {"clip": name, "frames": [0, 1, 2], "source": name}}  # fmt: skip


def stacked(windows):
    meta = [each["meta"] for each in windows]
    return {"meta": meta, **{key: torch.stack([each[key] for each in windows]) for key in windows[0] if key != "meta"}}


class Halves(pl.LightningDataModule):
    protocol, hole_setup = "strict", "all"

    def videos(self, split):  # noqa: ARG002
        return [{"clip": "a", "frames": FRAMES, "scene": "", "camera": "", "source": "a", "forger": ""}]

    def loader(self):
        return DataLoader([window()], batch_size=1, collate_fn=stacked)

    train_dataloader = val_dataloader = test_dataloader = loader


def net(**options):
    torch.manual_seed(0)
    return DirectFlow(partial(UNetTrunk, width=8, depth=1), frames=FRAMES, **options)


def task(channels=6, edges=False, **options):
    critic = FlowCritic(FRAMES, channels, width=4, layers=1)
    return AdversarialFlowTask(net(edges=edges), critic, CompletionCriterion(), baselines={}, **options)


def trainer(path, **options):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "devices": 1}
    return pl.Trainer(default_root_dir=path, accelerator="cpu", **quiet, **options)


@pytest.mark.parametrize(("sees", "channels"), [("flow", 6), ("edges", 4), ("both", 8)])
def test_the_critic_sees_the_hole_and_the_same_known_vectors(sees, channels):
    """Windows of the hole and its margin. Real and made differ in hidden vectors alone; a perfect net, not at all."""
    batch, judged = stacked([window()]), task(channels, edges=True, sees=sees, margin=2)
    true = torch.cat([batch["flow_forward"], batch["flow_backward"]], 2)
    edges = jump_edges(true.view(-1, 2, HEIGHT, WIDTH)).view(1, FRAMES, 2, HEIGHT, WIDTH)
    perfect = torch.cat([true, 200 * edges.float() - 100], 2)
    real, fake = judged.compared(batch, perfect)
    assert real.shape == (1, FRAMES, channels, 8, 10)
    torch.testing.assert_close(real, fake)
    assert (real[:, :, :-2] != 0).any()
    assert torch.equal(real[:, :, -2:], batch["hidden"][..., 2:10, 3:13])
    real, fake = judged.compared(batch, perfect + 50)
    different = (real != fake)[:, :, :-2].any(2)
    assert different.any()
    assert not different[..., :2, :].any()
    assert not different[..., 8:].any()


def test_both_sides_train_and_the_average_is_judged(tmp_path):
    """WGAN-GP with two critic steps; what the generator pays has the critic's verdict in it."""
    learner = task(turns=None, optimizer=partial(torch.optim.Adam, lr=0.05), decay=0.0)
    before = [side.state_dict()[name].clone() for side, name in
              ((learner.trained, "trunk.shape.scores.bias"), (learner.critics, "flow.body.0.weight"))]  # fmt: skip
    fit = trainer(tmp_path, max_epochs=1, num_sanity_val_steps=0)
    fit.fit(learner, Halves())
    after = learner.trained.trunk.shape.scores.bias, learner.critics["flow"].body[0].weight
    assert all((old != new).any() for old, new in zip(before, after, strict=True))
    assert torch.equal(learner.net.trunk.shape.scores.bias, learner.trained.trunk.shape.scores.bias)
    assert kind_of("AdversarialFlowTask", {}) is learner.kind  # `compare` knows its runs
    logged = {*fit.callback_metrics}
    assert {"val/epe_hole", "train/loss/l1", "train/loss/adversarial", "train/critic/loss/slope"} <= logged


def test_a_slope_at_real_flow_goes_with_other_losses():
    batch, judged = stacked([window()]), task(adversarial_loss=Hinge(), gradient_penalty=0.0, r1=1.0)
    terms = judged.critic_terms(batch, judged.generate(batch).detach())
    assert terms["loss/r1"] > 0
    assert terms["loss"].item() == pytest.approx((terms["loss/adversarial"] + terms["loss/r1"]).item())


def test_a_rated_net_leaves_its_confidence_and_others_none(tmp_path):
    """Deciles and what was claimed stand side by side: a reliability plot."""
    for judged, known in ((net(), False), (RatedFlow(net(), width=8, depth=1), True)):
        refinement = FlowRefinementTask(judged, CompletionCriterion(), baselines={})
        trainer(tmp_path).test(refinement, Halves(), verbose=False)
        confidence = refinement.result.summary["confidence"]
        assert len(confidence["claimed"]) == len(confidence["deciles"]) == 10
        assert all((value is not None) == known for value in [*confidence["claimed"], confidence["ratio"]])
        assert refinement.result.summary["methods"]["fill"]["epe"]["hole"] > 0


def test_bad_use_is_named(tmp_path):
    """Edges that the net does not say; a critic of other channels; a net of another setup; updates it does not make."""
    batch = stacked([window()])
    with pytest.raises(InputError, match=r"sees is edges: the net gives no edges; expected model\.net\.edges: true"):
        task(4, sees="edges").generate(batch)
    with pytest.raises(InputError, match="FlowCritic: frames is 3, channels 4: the windows have 3 and 6"):
        task(4).critic_terms(batch, torch.zeros(1, FRAMES, 4, HEIGHT, WIDTH))
    with pytest.raises(InputError, match="sees is 'all'"):
        task(sees="all")
    with pytest.raises(InputError, match="r1 is -1"):
        task(r1=-1.0)
    with pytest.raises(InputError, match="test_steps is 2: DirectFlow makes no updates"):
        FlowRefinementTask(net(), CompletionCriterion(), test_steps=2)
    narrow = FlowRefinementTask(net(setup="sandwich"), CompletionCriterion(), baselines={})
    with pytest.raises(InputError, match=r"data\.setup is all: the net completes holes of setup sandwich"):
        trainer(tmp_path).test(narrow, Halves(), verbose=False)


FLOW = REPOSITORY / "configs" / "flow"
BASES = {"resnet_report": "report", "warping_report": "report"}
CONFIGS = [
    *([path] for path in sorted(FLOW.glob("*.yaml"))),
    *([FLOW / f"{BASES.get(path.stem, 'small')}.yaml", path] for path in sorted(FLOW.glob("grid/*.yaml"))),
]
SMALLER = {"width": 8, "features": 8}


@pytest.mark.parametrize("configs", CONFIGS, ids=lambda configs: configs[-1].stem)
def test_every_shipped_config_has_a_loss(configs):
    """As the command line reads it, with rows laid over; nets are made narrow. One loss with a slope, of each side."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action=ActionConfigFile)
    for name, kind in (("model", pl.LightningModule), ("data", pl.LightningDataModule)):
        parser.add_subclass_arguments(kind, name)
    parser.add_argument("--trainer", type=dict)
    parser.add_argument("--seed_everything", type=int)
    parsed = parser.parse_args([word for path in configs for word in ("--config", str(path))])
    _narrow(parsed.model.init_args.net)
    built, batch = parser.instantiate_classes(parsed).model, stacked([window(frames=6)])
    if isinstance(built, AdversarialFlowTask):
        made = built.generate(batch)
        built.critic_terms(batch, made.detach())["loss"].backward()
        terms = built.generator_terms(batch, made)
    else:
        given = batch["flow_forward"], batch["flow_backward"], batch["hidden"]
        terms = built.criterion(built.net(*given), batch, 0)
    terms["loss"].backward()
    assert terms["loss"].isfinite()
    assert any(parameter.grad is not None for parameter in getattr(built, "trained", built.net).parameters())
    assert parsed.trainer["default_root_dir"] == f"runs/flow/{configs[-1].stem}"


def _narrow(spec):
    for key, value in vars(spec).items():
        if key in SMALLER:
            spec[key] = SMALLER[key]
        elif hasattr(value, "init_args") or key == "init_args":
            _narrow(value)
