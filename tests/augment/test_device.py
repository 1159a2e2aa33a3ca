import kornia.augmentation as K
import torch
from torch import nn

from outpaint_lightning.augment import DeviceAugmentation


def batch():
    """Frames whose red channel is their mask, so that a mask that does not follow shows."""
    mask = (torch.rand(4, 2, 1, 16, 16) > 0.5).float()
    image = torch.cat([mask, torch.rand(4, 2, 2, 16, 16)], dim=2)
    return {"image": image, "mask": mask, "meta": [{}] * 4}


def test_masks_follow_their_frames():
    original = batch()
    out = DeviceAugmentation([K.RandomHorizontalFlip(p=0.5), K.RandomVerticalFlip(p=0.5)], seed=1)(original, 3, 0)
    assert torch.equal(out["image"][:, :, :1], out["mask"])
    assert not torch.equal(out["image"], original["image"])
    assert out["meta"] is original["meta"]


def test_all_frames_of_a_window_get_the_same_draw():
    original = batch()
    original["image"][:, 1] = original["image"][:, 0]
    out = DeviceAugmentation([K.RandomHorizontalFlip(p=0.5), K.ColorJiggle(0.5, 0.5, 0.5, 0.1, p=1.0)])(original, 0, 0)
    torch.testing.assert_close(out["image"][:, 0], out["image"][:, 1])


def test_draw_depends_on_seed_step_and_rank_and_leaves_the_global_state():
    original = batch()
    state = torch.get_rng_state()

    def image(seed, step, rank):
        return DeviceAugmentation([K.RandomRotation(30.0, p=1.0)], seed)(original, step, rank)["image"]

    first = image(0, 5, 0)
    assert torch.equal(first, image(0, 5, 0))
    for other in ((1, 5, 0), (0, 6, 0), (0, 5, 1)):
        assert not torch.equal(first, image(*other))
    assert torch.equal(torch.get_rng_state(), state)


def test_other_modules_get_the_whole_batch():
    class Swap(nn.Module):
        def forward(self, batch):
            return {**batch, "image": batch["image"].flip(1), "mask": batch["mask"].flip(1)}

    original = batch()
    out = DeviceAugmentation([Swap()])(original, 0, 0)
    assert torch.equal(out["image"][:, 0], original["image"][:, 1])
