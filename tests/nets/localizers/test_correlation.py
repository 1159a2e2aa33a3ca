"""RAFT's correlation, stored or computed where it is looked up, against torchvision's."""

import pytest
import torch
from torch import nn
from torch.export import Dim
from torchvision.models.optical_flow.raft import CorrBlock

from outpaint_lightning.nets import RaftLocalizer
from outpaint_lightning.nets.localizers import correlation
from outpaint_lightning.nets.localizers.correlation import Correlation
from outpaint_lightning.types import InputError

LEVELS, RADIUS = 2, 2
LIMITS = {"stored": 1 << 20, "the coarse level stored": 4 * 2 * 42 * (3 + 2) * (3 + 2), "none stored": 0}


@pytest.fixture
def pair():
    """Features of two frames of 7 x 6 places, an odd number of rows, in two samples."""
    torch.manual_seed(0)
    return torch.randn(2, 2, 8, 7, 6).unbind()


@pytest.fixture
def places():
    """Places within the frame, at whole pixels, at the border, and far outside."""
    torch.manual_seed(1)
    places = torch.rand(2, 2, 7, 6) * 12 - 3
    places[:, :, 0] = places[:, :, 0].round()
    places[0, :, 1, 0], places[0, :, 1, 1] = -1e6, 1e9
    return places


def theirs(first, second, places):
    """What torchvision computes."""
    block = CorrBlock(num_levels=LEVELS, radius=RADIUS)
    block.build_pyramid(first, second)
    return block.index_pyramid(places)


@pytest.mark.parametrize("few", [0, 128])
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_values_and_gradients_of_torchvision(pair, places, limit, few, monkeypatch):
    """Catches x and y exchanged, a frame that is continued beyond its border, and chunks lost."""
    monkeypatch.setattr(correlation, "CHUNK", 8 * 4 * 36 * 5)  # five places at a time, which do not divide 42
    monkeypatch.setattr(correlation, "FEW", few)
    leaves = [part.clone().requires_grad_() for part in (*pair, places)]
    ours = Correlation(*leaves[:2], LEVELS, RADIUS, limit)(leaves[2])
    expected = theirs(*leaves)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
    weight = torch.rand_like(ours)
    near = torch.ones(7, 6, dtype=torch.bool)
    near[0], near[1, :2] = False, False  # at whole pixels the slope has two sides; far outside is rounded
    for mine, other, name in zip(
        torch.autograd.grad((ours * weight * near).sum(), leaves),
        torch.autograd.grad((expected * weight * near).sum(), leaves),
        ("first", "second", "places"),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4, msg=name)


def test_the_limit_decides_what_is_stored(pair):
    """Catches a limit that counts one sample only, or that stores the finest level first."""
    kinds = {
        name: [type(level).__name__ for level, _, _ in Correlation(*pair, LEVELS, RADIUS, limit)._levels]
        for name, limit in {**LIMITS, "too little": LIMITS["the coarse level stored"] // 2}.items()
    }
    assert kinds == {
        "stored": ["_Stored", "_Stored"],
        "the coarse level stored": ["_Computed", "_Stored"],
        "none stored": ["_Computed", "_Computed"],
        "too little": ["_Computed", "_Computed"],
    }


@pytest.mark.slow
def test_an_exported_graph_takes_any_size():
    """Catches a size that is fixed in the graph, also by what is asked of the limit."""

    class Looked(nn.Module):
        def forward(self, first, second, places):
            return Correlation(first, second, LEVELS, RADIUS, 0)(places)

    def sample(height, width):
        return torch.rand(1, 8, height, width), torch.rand(1, 8, height, width), 6 * torch.rand(1, 2, height, width)

    free = {2: Dim("height", min=4), 3: Dim("width", min=4)}
    graph = torch.export.export(Looked(), sample(8, 10), dynamic_shapes=(free, free, free)).module()
    other = sample(12, 7)
    torch.testing.assert_close(graph(*other), Looked()(*other))


def test_no_place_gives_no_number(pair, places):
    """Catches an index out of range, or a plausible answer, once a training has diverged."""
    places[0, 0, 2, 2] = torch.nan
    found = Correlation(*pair, LEVELS, RADIUS, 0)(places)
    assert found[0, :, 2, 2].isnan().all()
    assert found.isnan().sum() == found.shape[1]


def test_the_localizer_scores_the_same():
    """Catches a localizer that ignores the limit's levels, and a limit that is not one."""
    torch.manual_seed(0)
    net = RaftLocalizer("small", updates=2).eval()
    image = torch.rand(1, 2, 3, 128, 136)
    with torch.inference_mode():
        stored = net(image)
        net.volume_limit = 0
        computed = net(image)
    for one, other in zip(stored, computed, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    with pytest.raises(InputError, match="volume_limit is -1: expected 0 MiB or more"):
        RaftLocalizer(volume_limit=-1)
