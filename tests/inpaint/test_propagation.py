"""Colours along flow, on clips whose flow is known exactly."""

import cv2
import numpy as np
import pytest
import torch
from support import texture

from outpaint_lightning.inpaint.propagation import Origin, Propagated, propagate
from outpaint_lightning.types import InputError


def flows(count: int, height: int, width: int, velocity: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """A translation of the whole frame by `velocity`, x first, forwards and backwards."""
    forward = torch.tensor(velocity, dtype=torch.float32).view(1, 2, 1, 1).expand(count, 2, height, width)
    return forward.contiguous(), -forward


def pan(count: int, height: int, width: int, step: int) -> np.ndarray:
    """A texture that moves `step` pixels to the left in each frame: its flow is -step."""
    wide = texture(3, height, width + step * count)[:height]
    return np.stack([wide[:, t * step : t * step + width] for t in range(count)])


def boxes(count: int, height: int, width: int, left: list[int], size: int = 8) -> np.ndarray:
    hole = np.zeros((count, height, width), bool)
    for t in range(count):
        hole[t, 8 : 8 + size, left[t] : left[t] + size] = True
    return hole


def poisoned(frames: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Frames whose holes are white, which no test's texture is: what leaks is seen."""
    return np.where(hole[..., None], np.uint8(255), frames)


def test_still_camera_and_moving_hole_give_the_background_exactly():
    """Catches a half-pixel sample, a hole's own content, and a last frame that is never written."""
    still = np.repeat(texture(1, 32, 48)[None], 5, 0)
    hole = boxes(5, 32, 48, [0, 10, 20, 30, 40])
    done = propagate(poisoned(still, hole), hole, *flows(5, 32, 48, (0, 0)))
    assert np.array_equal(done.frames, still)
    kinds = [set(np.unique(done.origin[t][hole[t]])) for t in range(5)]
    assert kinds == [{Origin.FORWARD}, {Origin.BOTH}, {Origin.BOTH}, {Origin.BOTH}, {Origin.BACKWARD}]
    assert (done.origin[~hole] == Origin.KNOWN).all()


def test_pan_is_followed_over_many_frames():
    """x and y swapped, the wrong sign or a flow read at the start of the path each end at another pixel.

    A hole that is fixed in the frame: what the middle of it hides comes in after several steps.
    """
    frames = pan(9, 32, 64, 2)
    hole = boxes(9, 32, 64, [28] * 9, size=12)
    done = propagate(poisoned(frames, hole), hole, *flows(9, 32, 64, (-2, 0)))
    assert np.array_equal(done.frames, frames)
    assert not (done.origin == Origin.INPAINTED).any()


def test_layers_that_move_apart_are_each_followed():
    """The left half moves up, the right half down, under a fixed hole over both: exact where seen in the neighbour."""
    count, height, width = 7, 48, 48
    tall = texture(5, height + 2 * count, width)
    frames = np.stack(
        [np.hstack([tall[t : t + height, :24], tall[14 - t : 14 - t + height, 24:48]]) for t in range(count)]
    )
    forward = torch.zeros(count, 2, height, width)
    forward[:, 1, :, :24], forward[:, 1, :, 24:] = -1, 1
    hole = np.zeros((count, height, width), bool)
    hole[:, 20:25, 18:30] = True
    done = propagate(poisoned(frames, hole), hole, forward, -forward)
    assert np.array_equal(done.frames, frames)
    assert not (done.origin == Origin.INPAINTED).any()


def test_half_a_pixel_is_sampled_once():
    """Six steps of half a pixel. Frames warped one after the other would blur the stripes to grey.

    At each second frame the place is a whole pixel; stripes two pixels wide keep their full contrast there.
    """
    count, height, width = 7, 32, 40
    stripes = np.where((np.arange(width + 8) // 2) % 2, 200, 40).astype(np.uint8)
    fine = cv2.resize(stripes[None].astype(np.float32), (2 * (width + 8), 1), interpolation=cv2.INTER_NEAREST)[0]
    frames = np.stack([np.tile(fine[t : t + 2 * width : 2][:, None], (height, 1, 3)) for t in range(count)]).astype(
        np.uint8
    )
    hole = np.zeros((count, height, width), bool)
    hole[:6, 8:20, 10:20] = True  # only the last frame shows it
    done = propagate(poisoned(frames, hole), hole, *flows(count, height, width, (-0.5, 0)))
    for t in (0, 2, 4):
        assert np.array_equal(done.frames[t], frames[t])
    assert np.abs(done.frames[1].astype(int) - frames[1]).max() <= 80  # half of one edge


def test_known_pixels_are_bit_identical_whatever_the_flow():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 24, 32, 3), dtype=np.uint8)
    hole = rng.random((4, 24, 32)) < 0.3
    done = propagate(frames, hole, *torch.from_numpy(rng.normal(0, 9, (2, 4, 2, 24, 32))).float())
    assert np.array_equal(done.frames[~hole], frames[~hole])
    assert ((done.origin > 0) == hole).all()


def test_hidden_content_has_no_influence():
    """Catches a surface or a sample that reads a little of what the mask hides."""
    frames, hole = pan(4, 32, 48, 1), boxes(4, 32, 48, [20] * 4, size=14)
    forward, backward = flows(4, 32, 48, (-1, 0))
    first, second = (
        propagate(np.where(hole[..., None], np.uint8(value), frames), hole, forward, backward) for value in (0, 255)
    )
    assert np.array_equal(first.frames, second.frames)
    assert (first.origin == Origin.INPAINTED).any()


def test_disagreeing_flows_are_not_followed():
    """Forwards the flow says 3 pixels, backwards it says 3 in the same direction: no content from there."""
    frames, hole = pan(3, 32, 48, 1), boxes(3, 32, 48, [10, 20, 30])
    forward, _ = flows(3, 32, 48, (3, 0))
    assert (propagate(frames, hole, forward, forward).origin[hole] == Origin.INPAINTED).all()


def test_the_path_with_less_disagreement_weighs_more():
    """Black in the past, white in the future; the flows disagree by 0 and by 0.3 px: exp(-3) to 1."""
    frames = np.stack([np.full((16, 16, 3), value, np.uint8) for value in (0, 128, 255)])
    hole = np.zeros((3, 16, 16), bool)
    hole[1, 6:9, 6:9] = True
    forward, backward = torch.zeros(2, 3, 2, 16, 16)
    backward[2, 0] = 0.3  # what leads back from the last frame
    done = propagate(frames, hole, forward, backward)
    assert (done.origin[hole] == Origin.BOTH).all()
    assert (done.frames[hole] == round(255 * np.exp(-3) / (1 + np.exp(-3)))).all()


def test_what_no_frame_shows_is_the_same_in_all_frames_of_a_still_clip():
    """A still camera and a still hole: flagged, never black, and the same in all frames: it does not flicker."""
    still = np.repeat(texture(1, 32, 48)[None] // 2 + 100, 4, 0)
    hole = boxes(4, 32, 48, [20] * 4)
    done = propagate(np.where(hole[..., None], np.uint8(0), still), hole, *flows(4, 32, 48, (0, 0)))
    assert (done.origin[hole] == Origin.INPAINTED).all()
    assert done.frames[hole].min() >= 90
    assert all(np.array_equal(frame, done.frames[0]) for frame in done.frames)


def test_what_no_frame_shows_is_smooth():
    """Noise of 64 to 192 all around: in the middle of the hole its mean, within 1 level. Telea's spread is 3."""
    noise = np.random.default_rng(0).integers(64, 193, (1, 48, 48, 3), dtype=np.uint8)
    frames, hole = np.repeat(noise, 2, 0), boxes(2, 48, 48, [14] * 2, size=20)
    done = propagate(frames, hole, *flows(2, 48, 48, (0, 0)))
    middle = done.frames[hole].reshape(2, 20, 20, 3)[:, 6:14, 6:14].astype(float)
    assert abs(middle.mean() - 128) < 5
    assert middle.std((0, 1, 2)).max() < 2


def test_flow_that_is_not_a_number_ends_the_path():
    frames, hole = pan(3, 32, 48, 0), boxes(3, 32, 48, [10, 20, 30])
    forward, backward = (flow.clone() for flow in flows(3, 32, 48, (0, 0)))
    forward[:] = torch.nan
    done = propagate(poisoned(frames, hole), hole, forward, backward)
    assert (done.origin[hole] == Origin.INPAINTED).all()
    assert done.frames[hole].max() < 255


def test_a_frame_that_is_all_hole_comes_from_its_neighbours():
    still = np.repeat(texture(1, 32, 48)[None], 3, 0)
    hole = np.zeros((3, 32, 48), bool)
    hole[1] = True
    done = propagate(poisoned(still, hole), hole, *flows(3, 32, 48, (0, 0)))
    assert np.array_equal(done.frames, still)
    assert done.copied == ()


def test_a_frame_that_nothing_leads_to_is_a_copy_and_said_to_be():
    frames = pan(3, 32, 48, 2)
    hole = np.zeros((3, 32, 48), bool)
    hole[2] = True
    done = propagate(poisoned(frames, hole), hole, *flows(3, 32, 48, (999, 0)))
    assert done.copied == (2,)
    assert np.array_equal(done.frames[2], frames[1])
    assert (done.origin[2] == Origin.INPAINTED).all()


def test_nothing_known_at_all_is_refused():
    with pytest.raises(InputError, match="every pixel of 2 frames is masked"):
        propagate(np.zeros((2, 16, 16, 3), np.uint8), np.ones((2, 16, 16), bool), *flows(2, 16, 16, (0, 0)))


@pytest.mark.parametrize(("kind", "goes_on"), [(Origin.BACKWARD, True), (Origin.INPAINTED, False)])
def test_settled_frames_are_kept_and_what_they_found_goes_on(kind, goes_on):
    """What an earlier frame, no longer in memory, has shown is not lost; a surface is made anew in each frame."""
    still, hole = np.repeat(texture(1, 32, 48)[None], 3, 0), boxes(3, 32, 48, [20] * 3)
    blue = still[:1].copy()
    blue[hole[:1]] = (0, 0, 255)
    settled = Propagated(blue, hole[:1] * np.uint8(kind))
    done = propagate(poisoned(still, hole), hole, *flows(3, 32, 48, (0, 0)), settled)
    assert np.array_equal(done.frames[0], blue[0])
    later = hole.copy()
    later[0] = False
    assert (done.frames[later] == (0, 0, 255)).all() == goes_on
    assert (done.origin[hole] == kind).all()


def test_real_content_comes_before_settled():
    """A later frame shows what the earlier piece could only invent."""
    still, hole = np.repeat(texture(1, 32, 48)[None], 3, 0), boxes(3, 32, 48, [20, 20, 20])
    hole[2] = False
    blue = still[:1].copy()
    blue[hole[:1]] = (0, 0, 255)
    settled = Propagated(blue, hole[:1] * np.uint8(Origin.INPAINTED))
    done = propagate(poisoned(still, hole), hole, *flows(3, 32, 48, (0, 0)), settled)
    assert np.array_equal(done.frames[1], still[1])
    assert (done.origin[1][hole[1]] == Origin.FORWARD).all()
