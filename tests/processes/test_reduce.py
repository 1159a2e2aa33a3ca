"""Criteria on two processes with uneven shares of the samples, forked from this one."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from outpaint_lightning.losses import (
    GIoU,
    RegionCriterion,
    SequenceCrossEntropy,
    SequenceCrossEntropyDice,
    SequenceFocal,
    hole_l1,
    known_l1,
    lateral_dependency,
    min_forward_backward,
    total_variation,
)
from outpaint_lightning.nets import RegionOutput

SHARES = (slice(0, 1), slice(1, 4))  # of four samples, very different ones
WEIGHTS = [1.0, 7.0]


def samples():
    """Random logits and flows; masks that cover more from sample to sample, nothing in the first."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4, 3, 2, 8, 8, generator=generator, dtype=torch.double)
    mask = (torch.rand(4, 1, 8, 8, generator=generator) < torch.arange(4.0).view(4, 1, 1, 1) / 4).double()
    box = torch.tensor([[0, 0, 0, 0], [1, 1, 5, 6], [0, 2, 4, 4], [2, 0, 8, 8]], dtype=torch.double)
    return noise, mask, box


def sequence(criterion):
    return lambda noise, mask, box, scale: criterion([scale * noise[:, t] for t in range(3)], mask)["loss"]  # noqa: ARG005


def flow(loss):
    def judged(noise, mask, _box, scale):
        region = mask[:, None].expand(-1, 3, -1, -1, -1)
        return loss(scale * noise, noise.flip(1), region, torch.ones_like(region))

    return judged


def region(noise, mask, box, scale):
    output = RegionOutput(scale * noise[:, 0, 0, 0, 0], box * scale + 1, scale * noise[:, 0, :1])
    return RegionCriterion(GIoU())(output, mask.flatten(1).any(1).long(), box, mask)["loss"]


LOSSES = {
    "cross-entropy": sequence(SequenceCrossEntropy(class_weights=WEIGHTS)),
    "focal": sequence(SequenceFocal(class_weights=WEIGHTS)),
    "dice": sequence(SequenceCrossEntropyDice(class_weights=WEIGHTS)),
    "region": region,
    "hole": flow(hole_l1),
    "known": flow(known_l1),
    "lateral": flow(lateral_dependency),
    "variation": flow(lambda flow, _true, region, valid: total_variation(flow, region, valid)),
    "cycle": flow(lambda flow, true, region, _valid: min_forward_backward(0.1 * flow, true, region)),
}


def slope(loss, share):
    """The loss of some samples, and its slope along a factor of what is predicted."""
    scale = torch.ones((), dtype=torch.double, requires_grad=True)
    value = loss(*(part[share] for part in samples()), scale)
    value.backward()
    return torch.stack([value.detach(), scale.grad])


def member(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    results = {}
    for name, loss in LOSSES.items():
        results[name] = slope(loss, SHARES[rank])
        dist.all_reduce(results[name])  # as DDP does with gradients, and Lightning with what is logged
        if rank == 1:
            with torch.no_grad():  # the other process does not come
                loss(*samples(), torch.ones(()))
    if rank == 0:
        torch.save(results, f"{folder}/results.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    mp.start_processes(member, (str(folder),), nprocs=2, start_method="fork")
    return torch.load(folder / "results.pt")


@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_over_processes_is_that_of_all_samples(together, name):
    whole = slope(LOSSES[name], slice(None))
    apart = sum(slope(LOSSES[name], share) for share in SHARES) / 2
    assert torch.allclose(together[name] / 2, whole, rtol=1e-12, atol=0)
    assert not torch.allclose(apart, whole, rtol=1e-3)  # what a mean of each process's own would give
