import kornia.augmentation as K
import pytest
import torch

from outpaint_lightning.augment import DeviceAugmentation
from outpaint_lightning.augment.elastic import warp
from outpaint_lightning.types import InputError


def moving(batch_size=3, height=12, width=20):
    """Windows of two frames with the flow between them: frame t is frame t+1 warped by `flow_forward`, and back."""
    flow = 3 * torch.rand(batch_size, 2, 1, 1) * torch.tensor([1.0, -0.4])[:, None, None]
    flow = flow + 0.3 * torch.randn(batch_size, 2, height, width)
    second = torch.rand(batch_size, 3, height, width)
    first = warp(second, flow, "bilinear")
    flows = torch.stack([flow, torch.zeros_like(flow)], 1)
    mask = torch.zeros(batch_size, 2, 1, height, width)
    mask[:, :, :, 2:5, 1:8] = 1
    image = torch.stack([first, second], 1)
    return {"image": image, "mask": mask, "flow_forward": flows, "flow_backward": flows.flip(1)}


@pytest.mark.parametrize("flip", [K.RandomHorizontalFlip, K.RandomVerticalFlip])
def test_flow_still_leads_from_frame_to_frame_after_a_flip(flip):
    torch.manual_seed(1)
    batch = moving(16)
    out = DeviceAugmentation([flip(p=0.5)])(batch, 0, 0)
    flipped = (out["image"] != batch["image"]).flatten(1).any(1)
    assert 0 < flipped.sum() < 16
    warped = warp(out["image"][:, 1], out["flow_forward"][:, 0], "bilinear")
    torch.testing.assert_close(warped, out["image"][:, 0], atol=1e-4, rtol=0)  # 1e-5 px of rounding times a slope of 1
    assert torch.equal(out["flow_forward"][~flipped], batch["flow_forward"][~flipped])
    assert torch.equal(out["flow_backward"].flip(1), out["flow_forward"])


def test_flow_is_left_alone_by_what_moves_nothing_and_refused_by_what_moves_otherwise():
    batch = moving()
    out = DeviceAugmentation([K.RandomGaussianBlur((3, 3), (1.0, 1.0), p=1.0)])(batch, 0, 0)
    assert torch.equal(out["flow_forward"], batch["flow_forward"])
    with pytest.raises(InputError, match=r"RandomRotation: .*flow_forward and flow_backward.*HorizontalFlip"):
        DeviceAugmentation([K.RandomRotation(10.0)])(batch, 0, 0)


def test_boxes_and_labels_follow_the_masks():
    batch = moving()
    batch["box"], batch["label"] = torch.tensor([[1.0, 2.0, 8.0, 5.0]] * 3), torch.ones(3).long()
    out = DeviceAugmentation([K.RandomHorizontalFlip(p=1.0), K.RandomVerticalFlip(p=1.0)])(batch, 0, 0)
    assert out["box"].tolist() == [[12.0, 7.0, 19.0, 10.0]] * 3
    assert out["label"].tolist() == [1, 1, 1]


PHOTOMETRIC = [
    K.RandomJPEG((30.0, 90.0), p=0.5),
    K.RandomGaussianBlur((5, 5), (0.3, 2.0), p=0.5),
    K.RandomGaussianNoise(std=0.2, p=0.5),
    K.RandomGamma((0.6, 1.6), p=0.5),
    K.ColorJiggle(0.3, 0.3, 0.3, 0.1, p=0.5),
]


@pytest.mark.parametrize("augmentation", PHOTOMETRIC, ids=lambda augmentation: type(augmentation).__name__)
def test_photometric_family(augmentation):
    """One draw for all frames of a window, of each sample its own; masks as they are; images in [0, 1]."""
    torch.manual_seed(0)
    image = torch.rand(1, 1, 3, 40, 36).expand(16, 2, 3, 40, 36)  # no multiple of JPEG's 16, all frames equal
    batch = {"image": image, "mask": (torch.rand(16, 2, 1, 40, 36) > 0.5).float()}
    out = DeviceAugmentation([augmentation])(batch, 7, 0)
    changed = (out["image"] != image).flatten(1).any(1)
    assert 0 < changed.sum() < 16
    assert torch.equal(out["image"][:, 0], out["image"][:, 1])
    assert len({tuple(sample.flatten()[:50].tolist()) for sample in out["image"][changed, 0]}) == changed.sum()
    assert torch.equal(out["mask"], batch["mask"])
    assert out["image"].shape == image.shape
    assert out["image"].min() >= 0
    assert out["image"].max() <= 1
    assert torch.equal(out["image"], DeviceAugmentation([augmentation])(batch, 7, 0)["image"])
    for step, rank in ((8, 0), (7, 1)):
        assert not torch.equal(out["image"], DeviceAugmentation([augmentation])(batch, step, rank)["image"])
