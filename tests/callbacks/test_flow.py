from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from lightning.pytorch.trainer.states import TrainerFn

from outpaint_lightning.callbacks import FlowPictures, FlowWriter
from outpaint_lightning.callbacks.flow import drawn
from outpaint_lightning.io import read_flow, read_image
from outpaint_lightning.pictures import flow_colours
from outpaint_lightning.pictures.marks import BAND, GAP
from outpaint_lightning.results import FLOW, LOCALIZATION
from outpaint_lightning.types import InputError


class Refined(NamedTuple):
    forward: list
    backward: list
    confidence: list


HEIGHT, WIDTH = 6, 9
TASK = SimpleNamespace(kind=FLOW)


def case(windows=2):
    """Windows of three frames, hidden on the left, most in frame 1; two updates that say 1 and 2 px along x."""
    shape = (windows, 3, 2, HEIGHT, WIDTH)
    batch = {
        "flow_forward": torch.full(shape, 2.0), "flow_backward": torch.full(shape, -2.0),
        "hidden": torch.zeros(shape), "valid": torch.ones(shape),
        "meta": [{"clip": f"clip{i}", "frames": [4, 5, 6], "source": f"{i}"} for i in range(windows)],
    }  # fmt: skip
    batch["hidden"][..., :2] = 1
    batch["hidden"][:, 1, :, :, :4] = 1
    batch["valid"][:, 2, 1] = 0
    along = torch.tensor([1.0, 0]).view(1, 1, 2, 1, 1).expand(shape)
    return batch, Refined(
        [along * k for k in range(3)],
        [along * -k for k in range(3)],
        [torch.full((windows, 3, 1, HEIGHT, WIDTH), 0.2)] * 3,
    )


def state(path, calls=None, **options):
    calls = [] if calls is None else calls
    wandb = SimpleNamespace(log_image=lambda key, images, step: calls.append(("wandb", key, len(images), step)))
    board = SimpleNamespace(add_image=lambda tag, image, step, **more: calls.append((tag, image.shape, step, more)))
    return SimpleNamespace(
        loggers=[wandb, SimpleNamespace(experiment=board), SimpleNamespace(experiment=object())],
        state=SimpleNamespace(fn=TrainerFn.FITTING), global_step=7, default_root_dir=path, ckpt_path="best.ckpt",
        **{"is_global_zero": True, "fast_dev_run": False, "sanity_checking": False, "current_epoch": 3, **options},
    )  # fmt: skip


def test_predict_writes_the_last_update_of_both_directions(tmp_path):
    """By the frames of the clip, not of the window; a constant flow survives its file."""
    batch, refined = case()
    FlowWriter().on_predict_batch_end(state(tmp_path), TASK, refined, batch, 0)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert files == [
        f"predict/clip{i}/{direction}/{frame:05d}.flow.png"
        for i in range(2)
        for direction in ("backward", "forward")
        for frame in (4, 5, 6)
    ]
    forward, backward = (
        read_flow(tmp_path / f"predict/clip1/{name}/00006.flow.png") for name in ("forward", "backward")
    )
    assert forward.valid.all()
    np.testing.assert_array_equal(forward.flow, np.broadcast_to([2.0, 0.0], (HEIGHT, WIDTH, 2)))
    assert backward.valid[:, :2].all()  # completed
    assert not backward.valid[:, 2:].any()  # neither known nor to be completed
    np.testing.assert_array_equal(backward.flow[:, :2], np.broadcast_to([-2.0, 0.0], (HEIGHT, 2, 2)))


def test_other_tasks_are_left_alone(tmp_path):
    other, (batch, refined) = SimpleNamespace(kind=LOCALIZATION), case()
    FlowWriter().on_predict_batch_end(state(tmp_path), other, refined, batch, 0)
    assert shown(tmp_path, task=other) == []
    assert not list(tmp_path.iterdir())


def shown(path, task=TASK, count=1, **options):
    calls, (batch, refined) = [], case()
    callback, trainer = FlowPictures(count), state(path, calls, **options)
    callback.on_validation_epoch_start(trainer, task)
    for _ in range(2):  # the second batch shows videos seen already
        callback.on_validation_batch_end(trainer, task, {"completion": refined}, batch, 0)
    callback.on_validation_end(trainer, task)
    return calls


def test_loggers_that_take_images_get_them(tmp_path):
    """Two rows, of four pictures each: the true flow and three answers, the hole and three confidences."""
    size = (BAND + 2 * HEIGHT + GAP, 4 * WIDTH + 3 * GAP, 3)
    assert shown(tmp_path) == [("wandb", "media/val/flow", 1, 7), ("media/val/flow", size, 7, {"dataformats": "HWC"})]
    assert read_image(tmp_path / "pictures" / "epoch_0003.png").shape == size


def test_two_windows_lie_below_one_another(tmp_path):
    assert shown(tmp_path, count=5)[0][2] == 2
    assert read_image(tmp_path / "pictures" / "epoch_0003.png").shape[0] == 2 * (BAND + 2 * HEIGHT + GAP) + GAP


@pytest.mark.parametrize("options", [{"sanity_checking": True}, {"is_global_zero": False}, {"fast_dev_run": 1}])
def test_nothing_is_shown_out_of_season(tmp_path, options):
    assert shown(tmp_path, **options) == []
    assert not list(tmp_path.iterdir())


def test_drawn_shows_the_frame_with_the_largest_hole():
    """In one scale of colours, that of the true flow; the hole black, confidence 0.2 as 51 of 255."""
    batch, refined = case()
    picture = drawn(refined, batch, 1)[BAND:]  # below the headings
    longest = 8**0.5
    pieces = [picture[:HEIGHT, at * (WIDTH + GAP) : at * (WIDTH + GAP) + WIDTH] for at in range(4)]
    expected = [np.full((HEIGHT, WIDTH, 2), 2.0), *(np.full((HEIGHT, WIDTH, 2), [k, 0.0]) for k in range(3))]
    for piece, flow in zip(pieces, expected, strict=True):
        np.testing.assert_array_equal(piece, flow_colours(flow, longest))
    assert len({piece.tobytes() for piece in pieces}) == 4
    below = picture[HEIGHT + GAP :]
    assert (below[:, :4] == 0).all()
    assert (below[:, 4:WIDTH] == 255).all()
    assert (below[:, WIDTH + GAP : 2 * WIDTH + GAP] == 51).all()


def test_pictures_count():
    with pytest.raises(InputError, match=r"FlowPictures\.count is 0"):
        FlowPictures(0)
