from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from outpaint_lightning.forge.fills import Fill, Mosaic, Regeneration, Telea
from outpaint_lightning.forge.fills.coarse import LowPass
from outpaint_lightning.forge.forger import Forger, replay
from outpaint_lightning.forge.masks import BorderMask, BoxMask, MaskSampler
from outpaint_lightning.forge.parts import Footage, Parameters
from outpaint_lightning.forge.seams import FeatherSeam, HardSeam, Seam
from outpaint_lightning.types import InputError

MASKS = [BorderMask(width=(0.1, 0.3)), BoxMask(area=(0.1, 0.2))]
SEAMS = [HardSeam(), FeatherSeam()]
EVERY_MASK, EVERY_FILL, EVERY_SEAM = (
    [part() for name, part in axis.known().items() if name != "net"]  # a net needs a checkpoint: test_net.py
    for axis in (MaskSampler, Fill, Seam)
)
FORGERS = [
    *(Forger(mask, fill, HardSeam()) for mask, fill in itertools.product(EVERY_MASK, EVERY_FILL)),
    *(Forger(mask, Mosaic(), seam) for mask, seam in itertools.product(EVERY_MASK, EVERY_SEAM)),
]


def _footage(shape: tuple[int, int, int], panning: Callable[..., np.ndarray]) -> Footage:
    """A panning clip, an object that moves through it, and a clip of another size to splice from."""
    objects = np.zeros(shape, bool)
    for number, frame in enumerate(objects):
        frame[10:25, 12 + 5 * number : 30 + 5 * number] = True
    footage = Footage(panning(*shape, step=(2, 1)), objects, panning(2, 55, 33, (1, 0), seed=3))
    for array in (footage.frames, footage.objects, footage.donor):
        array.flags.writeable = False
    return footage


def test_the_axes_are_as_long_as_the_issue_wants():
    assert [len(EVERY_MASK), len(EVERY_FILL), len(EVERY_SEAM)] == [12, 23, 5]


@pytest.mark.parametrize("forger", FORGERS, ids=lambda forger: forger.name)
@pytest.mark.parametrize("shape", [(1, 47, 61), (3, 48, 63)], ids=["photo", "clip"])
def test_invariants(forger: Forger, shape: tuple[int, int, int], panning: Callable[..., np.ndarray]):
    footage = _footage(shape, panning)
    frames = footage.frames.copy()
    record = forger.sample(np.random.default_rng(5), footage)
    forged, label = replay(footage, record)
    assert forged.shape == frames.shape
    assert forged.dtype == np.uint8
    assert label.dtype == bool
    assert label.any(axis=(1, 2)).all()
    assert not label.all(axis=(1, 2)).any()
    np.testing.assert_array_equal(forged[~label], frames[~label])
    if not isinstance(forger.fill, LowPass):  # a smooth region has no high frequencies to lose
        assert (forged != frames).any()
    assert not np.shares_memory(forged, footage.frames)
    np.testing.assert_array_equal(footage.frames, frames)

    assert forger.sample(np.random.default_rng(5), footage) == record
    assert len({str(forger.sample(np.random.default_rng(seed), footage)) for seed in range(9)}) > 1
    again, label_again = replay(footage, json.loads(json.dumps(record)))
    np.testing.assert_array_equal(again, forged)
    np.testing.assert_array_equal(label_again, label)


@pytest.mark.parametrize(
    "fill", [fill for fill in EVERY_FILL if not isinstance(fill, Regeneration)], ids=lambda fill: fill.name
)
@pytest.mark.parametrize("mask", EVERY_MASK, ids=lambda mask: mask.name)
def test_no_fill_sees_what_the_mask_hides(mask: MaskSampler, fill: Fill, panning: Callable[..., np.ndarray]):
    footage = _footage((3, 41, 67), panning)
    rng = np.random.default_rng(1)
    hole = mask.render(mask.sample(rng, footage), footage)
    params = fill.sample(rng)
    other = footage.frames.copy()
    other[hole] = rng.integers(0, 256, other[hole].shape)
    filled = fill.apply(footage, hole, params)
    np.testing.assert_array_equal(fill.apply(replace(footage, frames=other), hole, params), filled)
    np.testing.assert_array_equal(filled[~hole], footage.frames[~hole])


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


@pytest.mark.parametrize("part", ["mask", "fill", "seam"])
@pytest.mark.parametrize("entry", ["module", None, 5, {}, {"class_path": 3, "params": {}}, {"class_path": "box"}])
def test_a_record_imports_nothing(part, entry, panning, tmp_path, monkeypatch):
    """A stranger's record beside a module in the working folder, and records that are broken."""
    (tmp_path / "evil_record.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    footage = _footage((2, 40, 60), panning)
    record = FORGERS[0].sample(np.random.default_rng(0), footage)
    record[part] = {"class_path": "evil_record.Part", "params": {}} if entry == "module" else entry
    with pytest.raises(InputError, match=r"^record: (evil_record\.Part is not of this package|.*expected class_path)"):
        replay(footage, record)
