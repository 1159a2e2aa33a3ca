import pytest
import torch

from outpaint_lightning.nets.layers.pyramid import DownEncoder, pooled
from outpaint_lightning.types import InputError


def test_pooling_by_hand():
    """The mean of 1 and 3, weighted 1 to 1/4 by the marked share; 0 for a mask that marks nothing."""
    features = torch.tensor([[[[1.0, 3.0]]]])
    places = torch.zeros(1, 2, 2, 4)
    places[0, 0, :, :2], places[0, 0, 0, 2] = 1, 1
    torch.testing.assert_close(pooled(features, places), torch.tensor([[[(1 + 3 / 4) / 1.25], [0.0]]]))


def test_what_is_pooled_says_where_it_was():
    """A blank frame looks different at its top and at its bottom, unlike to an encoder without rows and columns."""
    torch.manual_seed(0)
    features = DownEncoder(1, 4, 2)(torch.zeros(1, 1, 32, 32))[-1]
    top, bottom = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    top[:, :, 8:12, 12:20], bottom[:, :, 20:24, 12:20] = 1, 1  # the same distance from an edge
    assert (pooled(features, top) - pooled(features, bottom)).abs().max() > 0.05


@pytest.mark.parametrize(("name", "options"), [("width", (0, 1)), ("downs", (4, 0))])
def test_bad_options_are_named(name, options):
    with pytest.raises(InputError, match=f"DownEncoder: {name} is 0"):
        DownEncoder(3, *options)
