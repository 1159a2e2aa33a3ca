"""Which vectors a hole hides, on flow that is known exactly."""

import torch

from outpaint_lightning.motion.hidden import hidden_vectors


def test_strict_hides_more_than_source_and_exactly_what_ends_in_the_hole():
    """A hole at columns 10 to 19 of frame 1 alone; everything moves 3 px to the right.

    `source` hides those columns of frame 1. `strict` hides also forward flow of frame 0 that ends there, columns 7 to
    16, and backward flow of frame 2, which begins at columns 13 to 22. Catches swapped directions and shifted frames.
    """
    mask = torch.zeros(4, 1, 8, 32)
    mask[1, ..., 10:20] = 1
    forward = torch.zeros(4, 2, 8, 32)
    forward[:, 0] = 3
    source, strict = (hidden_vectors(mask, forward, -forward, protocol) for protocol in ("source", "strict"))

    def columns(hidden, frame, channel):
        return hidden[frame, channel].all(0).nonzero().flatten().tolist()

    hole = list(range(10, 20))
    assert [columns(source, t, c) for t in range(4) for c in (0, 1)] == [[], [], hole, hole, [], [], [], []]
    assert [columns(strict, t, c) for t in range(4) for c in (0, 1)] == [
        list(range(7, 17)), [], hole, hole, [], list(range(13, 23)), [], [],
    ]  # fmt: skip
    assert (strict >= source).all()
    assert strict.sum() > source.sum()


def test_strict_is_a_superset_on_any_flow():
    torch.manual_seed(0)
    mask = (torch.rand(5, 1, 20, 30) > 0.9).float()
    flows = torch.randn(2, 5, 2, 20, 30) * 4
    source, strict = (hidden_vectors(mask, *flows, protocol) for protocol in ("source", "strict"))
    assert torch.equal(source, mask.bool().expand(-1, 2, -1, -1))
    assert (strict >= source).all()
    assert strict.sum() > 1.1 * source.sum()
