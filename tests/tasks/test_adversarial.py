"""Turns, steps, averages and checks of adversarial training, on a generator and critics of a few weights."""

import copy
from functools import partial

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from outpaint_lightning.data.samplers import EpochSampler
from outpaint_lightning.tasks import AdversarialTask, Alternate, SameBatch
from outpaint_lightning.tasks.base import Diverged
from outpaint_lightning.types import InputError

SGD = partial(torch.optim.SGD, lr=0.1)


class Scale(AdversarialTask):
    """Makes g x of x; the critic scores d made. Both slopes are known by hand."""

    def __init__(self, critics=None, **options):
        defaults = {
            "optimizer": SGD, "critic_optimizer": SGD, "lr_scheduler": None, "critic_lr_scheduler": None, "turns": None,
            "decay": 0.0, "clip": None,
        }  # fmt: skip
        critics = {"only": nn.Linear(1, 1, bias=False)} if critics is None else critics
        super().__init__(nn.Linear(1, 1, bias=False), critics, **{**defaults, **options})
        nn.init.ones_(self.net.weight)
        nn.init.ones_(self.trained.weight)
        for critic in self.critics.values():
            nn.init.ones_(critic.weight)

    def generate(self, batch):
        return self.trained(batch)

    def generator_terms(self, batch, made):  # noqa: ARG002
        return {"loss": -self.critics["only"](made).mean()}

    def critic_terms(self, batch, made):
        return {"loss": (self.critics["only"](made) - self.critics["only"](batch)).mean()}


class Batches(pl.LightningDataModule):
    def __init__(self, count=4, batch=1, value=1.0):
        super().__init__()
        self.data, self.batch = torch.full((count, 1), value) * torch.arange(1, count + 1)[:, None], batch

    def train_dataloader(self):
        processes, rank = self.trainer.world_size, self.trainer.global_rank
        sampler = EpochSampler(self.data, self.batch, processes, rank)
        return DataLoader(_Indexed(self.data), batch_size=self.batch, sampler=sampler)


class _Indexed(torch.utils.data.Dataset):
    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, key):
        return self.data[key[1]]


def trained(task, data=None, callbacks=(), ckpt_path=None, **options):
    defaults = {"max_epochs": 1, "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    checkpoints = {} if any(isinstance(c, ModelCheckpoint) for c in callbacks) else {"enable_checkpointing": False}
    trainer = pl.Trainer(accelerator="cpu", callbacks=[*callbacks], **{**defaults, **checkpoints, **options})
    trainer.fit(task, data or Batches(), ckpt_path=ckpt_path)
    return trainer


def weights(task):
    return task.trained.weight.item(), task.critics["only"].weight.item()


def test_both_sides_step_against_what_was_made_first():
    """x = 1, g = d = 1. G gains d x = 1: g = 1.1. The critic pays (g - 1) x for the old g, nothing: d stays.

    A critic that saw what the new generator makes would move to 0.99; a gradient that leaks into the generator, too.
    """
    task = Scale()
    trained(task, Batches(1))
    assert weights(task) == pytest.approx((1.1, 1.0))


def test_turns_of_one_batch_and_of_many():
    """After x = 1 alone: D, then G on another batch. `Alternate` steps one side on a batch."""
    task = Scale(turns=Alternate("DG"))
    trained(task, Batches(1))
    assert weights(task) == pytest.approx((1.0, 1.0))  # the critic's slope is 0 while g is 1
    trained(task, Batches(1), max_epochs=2)
    assert weights(task) == pytest.approx((1.1, 1.0))


class Recorder(Callback):
    def __init__(self):
        self.changed = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):  # noqa: ARG002
        self.before = copy.deepcopy(pl_module.state_dict())

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):  # noqa: ARG002
        changed = {
            name.split(".")[0] for name, value in pl_module.state_dict().items() if value.ne(self.before[name]).any()
        }
        self.changed.append("".join(sorted(changed & {"trained", "critics"}, key=len)))


def test_changes_follow_the_pattern():
    task, recorder = Scale(turns=Alternate("DGG")), Recorder()
    nn.init.constant_(task.trained.weight, 2.0)  # so that the critic has a slope, too
    trainer = trained(task, Batches(6), [recorder])
    assert recorder.changed == ["critics", "trained", "trained"] * 2
    assert trainer.global_step == 4


@pytest.mark.parametrize(("turns", "steps", "critic_steps"), [(SameBatch(2), 3, 6), (Alternate("DDG"), 3, 6)])
def test_max_steps_counts_the_generator_s(turns, steps, critic_steps):
    """Lightning alone would stop `SameBatch(2)` after one batch: three steps of two optimizers."""
    rates = []

    def schedule(optimizer, total):
        rates.append(total)
        return torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.5, total)

    task = Scale(turns=turns, lr_scheduler=schedule, critic_lr_scheduler=schedule)
    trainer = trained(task, Batches(4), max_epochs=-1, max_steps=3)
    assert trainer.global_step == steps
    assert rates == [steps, critic_steps]
    generator, critic = task.lr_schedulers()
    assert (generator.last_epoch, critic.last_epoch) == (steps, critic_steps)
    assert [group["lr"] for optimizer in task.optimizers() for group in optimizer.param_groups] == pytest.approx(
        [0.05] * 2
    )


def test_the_average_by_hand():
    """Weights 1.1, 1.2, 1.3 and shares of 2/11 and 3/12, then 0.25 where (1 + 3) / (10 + 3) is more."""
    task = Scale(decay=0.25, critic_optimizer=partial(torch.optim.SGD, lr=0.0))
    trained(task, Batches(1), max_epochs=3)
    average = 1.0
    for weight, share in ((1.1, 2 / 11), (1.2, 3 / 12), (1.3, 0.25)):
        average = share * average + (1 - share) * weight
    assert task.net.weight.item() == pytest.approx(average)
    assert not task.net.weight.requires_grad


def test_gradients_are_clipped_on_each_side():
    """A slope of 8 becomes 2: g = 1 + 0.2."""
    task = Scale(clip=2.0)
    trained(task, Batches(1, value=8.0))
    assert task.trained.weight.item() == pytest.approx(1.2)


def test_a_resumed_training_is_the_whole_one(tmp_path):
    """Weights, averages, the momenta of both optimizers, schedules and whose turn it is."""

    def task():
        momentum = partial(torch.optim.Adam, lr=0.05)
        schedule = lambda optimizer, total: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.5, 20)  # noqa: ARG005, E731
        return Scale(optimizer=momentum, critic_optimizer=momentum, lr_scheduler=schedule, critic_lr_scheduler=schedule,
                     turns=Alternate("DGG"), decay=0.9)  # fmt: skip

    whole, first, rest = task(), task(), task()
    trained(whole, max_epochs=2)
    trained(first, callbacks=[ModelCheckpoint(tmp_path, filename="last", save_on_train_epoch_end=True)])
    trainer = trained(rest, ckpt_path=tmp_path / "last.ckpt", max_epochs=2)
    assert trainer.global_step == 5
    for name, value in whole.state_dict().items():
        assert torch.equal(rest.state_dict()[name], value), name


def test_what_is_not_finite_is_never_stepped(tmp_path):
    """The checkpoint of the epoch before stays, and the weights are still good."""

    class Breaks(Scale):
        def critic_terms(self, batch, made):
            terms = super().critic_terms(batch, made)
            return {"loss": terms["loss"] * (float("nan") if self.current_epoch else 1)}

    task, keep = Breaks(), ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    with pytest.raises(Diverged, match=r"^critic/loss is nan at step 5 \(epoch 1, batch 0\)"):
        trained(task, callbacks=[keep], max_epochs=3)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch=0.ckpt"]
    assert all(parameter.isfinite().all() for parameter in task.parameters())


def test_two_processes_are_one(tmp_path):
    """By gloo, forked. Each step has gradients of one side alone, which DDP takes for an error unless told."""
    found = []
    for processes, batch in ((1, 2), (2, 1)):
        options = {"strategy": "ddp_fork", "devices": 2} if processes > 1 else {}
        keep = ModelCheckpoint(tmp_path, filename=f"{processes}", save_on_train_epoch_end=True)
        trained(Scale(turns=SameBatch(2), decay=0.5), Batches(4, batch), [keep], **options)
        found.append(torch.load(tmp_path / f"{processes}.ckpt", weights_only=True))
    assert found[0]["global_step"] == found[1]["global_step"] == 2
    for name, value in found[0]["state_dict"].items():
        torch.testing.assert_close(found[1]["state_dict"][name], value, rtol=1e-6, atol=0)
    assert found[0]["state_dict"]["critics.only.weight"].item() != 1


@pytest.mark.parametrize(
    ("options", "message"),
    [({"critics": {}}, "critics is {}"), ({"decay": 1.0}, "decay is 1.0"), ({"clip": 0.0}, "clip is 0.0")],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=f"Scale: {message}"):
        Scale(**options)


@pytest.mark.parametrize("make", [lambda: SameBatch(0), lambda: Alternate("DD"), lambda: Alternate("DGX")])
def test_bad_turns_are_named(make):
    with pytest.raises(InputError, match=r"critic_steps is 0|order is 'DD'|order is 'DGX'"):
        make()


def test_a_schedule_needs_an_end():
    with pytest.raises(InputError, match="lr_scheduler needs an end"):
        trained(Scale(lr_scheduler=torch.optim.lr_scheduler.StepLR), max_epochs=-1)
