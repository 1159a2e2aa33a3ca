from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import numpy as np
import pytest

from outpaint_lightning.forge.fills import Fill, Mosaic, Reflect, Telea
from outpaint_lightning.forge.forger import Forger, replay
from outpaint_lightning.forge.masks import BorderMask, BoxMask, MaskSampler
from outpaint_lightning.forge.parts import Footage, Parameters
from outpaint_lightning.forge.seams import FeatherSeam, HardSeam, Seam
from outpaint_lightning.types import InputError

MASKS = [BorderMask(width=(0.1, 0.3)), BoxMask(area=(0.1, 0.2))]
SEAMS = [HardSeam(), FeatherSeam()]
FORGERS = [Forger(*parts) for parts in itertools.product(MASKS, [Reflect(), Telea(), Mosaic()], SEAMS)]


@pytest.mark.parametrize("forger", FORGERS, ids=lambda forger: forger.name)
@pytest.mark.parametrize("shape", [(1, 47, 61), (3, 48, 63)])
def test_invariants(forger: Forger, shape: tuple[int, int, int], panning: Callable[..., np.ndarray]):
    frames = panning(*shape, step=(2, 1))
    frames.flags.writeable = False
    record = forger.sample(np.random.default_rng(5), Footage(frames))
    forged, label = replay(Footage(frames), record)
    assert forged.shape == frames.shape
    assert forged.dtype == np.uint8
    assert label.dtype == bool
    assert label.any(axis=(1, 2)).all()
    assert not label.all(axis=(1, 2)).any()
    np.testing.assert_array_equal(forged[~label], frames[~label])
    assert not np.shares_memory(forged, frames)

    assert forger.sample(np.random.default_rng(5), Footage(frames)) == record
    assert forger.sample(np.random.default_rng(6), Footage(frames)) != record
    again, label_again = replay(Footage(frames), json.loads(json.dumps(record)))
    np.testing.assert_array_equal(again, forged)
    np.testing.assert_array_equal(label_again, label)


class White(Fill):
    """A user's own fill: found by its dotted path, without a name."""

    def apply(self, footage: Footage, mask: np.ndarray, params: Parameters) -> np.ndarray:  # noqa: ARG002 - it has none
        return np.where(mask[..., None], 255, footage.frames).astype(np.uint8)


@pytest.mark.parametrize(("mask", "seam"), list(itertools.product(MASKS, SEAMS)))
def test_label_is_where_pixels_may_differ(mask: MaskSampler, seam: Seam):
    frames = np.zeros((3, 45, 57, 3), np.uint8)
    forger = Forger(mask, White(), seam)
    forged, label = replay(Footage(frames), forger.sample(np.random.default_rng(0), Footage(frames)))
    np.testing.assert_array_equal((forged != frames).any(axis=3), label)


def test_parts_are_found_by_name_and_by_path():
    assert Fill.named("mosaic") is Mosaic
    assert Fill.named(Telea().class_path) is Telea
    assert MaskSampler.named("box") is BoxMask
    with pytest.raises(InputError, match=r"Fill 'mosiac'.*did you mean 'mosaic'"):
        Fill.named("mosiac")
    with pytest.raises(InputError, match=r"expected a Seam"):
        Seam.named(Telea().class_path)
    with pytest.raises(InputError, match=r"no_such_module"):
        Fill.named("no_such_module.Fill")
