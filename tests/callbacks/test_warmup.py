from types import SimpleNamespace

import pytest

from outpaint_lightning.callbacks import LossWarmup
from outpaint_lightning.losses import GIoU, RegionCriterion
from outpaint_lightning.types import InputError


def test_the_weight_rises_with_the_step():
    """By the trainer's step, so that a resumed training goes on; validation and what is saved see the full weight."""
    task = SimpleNamespace(criterion=RegionCriterion(GIoU(), alpha=1, beta=8.0))
    trainer = SimpleNamespace(global_step=0, state=SimpleNamespace(fn="fit"))
    warmup = LossWarmup("beta", steps=4)
    warmup.on_fit_start(trainer, task)
    seen = []
    for trainer.global_step in (0, 1, 3, 4, 100):
        warmup.on_train_batch_start(trainer, task, None, 0)
        seen.append(task.criterion.beta)
    assert seen == [2, 4, 8, 8, 8]
    trainer.global_step = 0
    warmup.on_train_batch_start(trainer, task, None, 0)
    warmup.on_validation_start(trainer, task)
    assert task.criterion.beta == 8
    warmup.on_train_batch_start(trainer, task, None, 0)
    warmup.on_fit_end(trainer, task)
    assert (task.criterion.beta, task.criterion.alpha) == (8, 1)


def test_what_is_no_weight_is_named():
    task = SimpleNamespace(criterion=RegionCriterion(GIoU()))
    with pytest.raises(InputError, match=r"weight is 'betta'; expected a number of RegionCriterion: alpha, beta, mask"):
        LossWarmup("betta", 4).on_fit_start(SimpleNamespace(), task)
    with pytest.raises(InputError, match="steps is 0: expected at least 1"):
        LossWarmup("beta", 0)
