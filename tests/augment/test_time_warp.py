import pytest
import torch

from outpaint_lightning.augment import TimeWarp
from outpaint_lightning.augment.elastic import warp
from outpaint_lightning.types import InputError


def window(frames):
    """Two samples; frame t of sample b has the value 10 b + t, the masks a box that walks."""
    image = torch.arange(2.0)[:, None] * 10 + torch.arange(float(frames))
    mask = torch.zeros(2, frames, 1, 4, 8)
    for t in range(frames):
        mask[:, t, :, 1:3, t : t + 2] = 1
    meta = [{"clip": "a", "frames": list(range(5, 5 + frames))} for _ in range(2)]
    return {"image": image[:, :, None, None, None].expand(2, frames, 3, 4, 8), "mask": mask, "meta": meta}


@pytest.mark.parametrize("frames", [2, 3])
def test_frames_masks_and_their_numbers_are_reversed_together(frames):
    batch = {**window(frames), "box": torch.zeros(2, 4), "label": torch.zeros(2).long()}
    out = TimeWarp().apply_to(batch, torch.tensor([False, True]))
    assert out["image"][0, :, 0, 0, 0].tolist() == [0, 1, 2][:frames]
    assert out["image"][1, :, 0, 0, 0].tolist() == [12, 11, 10][-frames:]
    assert torch.equal(out["mask"][0], batch["mask"][0])
    assert torch.equal(out["mask"][1], batch["mask"][1].flip(0))
    assert out["meta"][0] is batch["meta"][0]
    assert out["meta"][1] == {"clip": "a", "frames": [5, 6, 7][:frames][::-1]}
    assert out["box"].tolist() == [[0, 1, 2, 3], [frames - 1, 1, frames + 1, 3]]
    assert out["label"].tolist() == [1, 1]


def test_flow_still_leads_from_frame_to_frame():
    torch.manual_seed(0)
    backward = 2 * torch.randn(2, 2, 1, 1).expand(2, 2, 16, 16)
    first = torch.rand(2, 3, 16, 16)
    second = warp(first, backward, "bilinear")
    unknown = torch.full_like(backward, float("nan"))
    batch = {
        **window(2),
        "image": torch.stack([first, second], 1),
        "flow_forward": torch.stack([unknown, unknown], 1),
        "flow_backward": torch.stack([unknown, backward], 1),
    }
    out = TimeWarp().apply_to(batch, torch.tensor([True, True]))
    torch.testing.assert_close(warp(out["image"][:, 1], out["flow_forward"][:, 0], "bilinear"), out["image"][:, 0])
    assert out["flow_backward"].isnan().all()


def test_one_flow_is_not_enough():
    with pytest.raises(InputError, match="flow_forward alone"):
        TimeWarp(1)({**window(2), "flow_forward": torch.zeros(2, 2, 2, 4, 8)})
