import kornia.augmentation as K
import torch

from outpaint_lightning.augment import DeviceAugmentation, DoubleSamples, TimeWarp


def test_the_flipped_copy_comes_behind_the_originals():
    torch.manual_seed(0)
    mask = torch.zeros(3, 2, 1, 8, 12)
    mask[..., :4] = 1
    flow = torch.randn(3, 2, 2, 8, 12)
    batch = {
        "image": torch.rand(3, 2, 3, 8, 12), "mask": mask, "flow_forward": flow, "label": torch.ones(3).long(),
        "box": torch.tensor([[0.0, 0.0, 4.0, 8.0]] * 3), "meta": [{"clip": name} for name in "abc"],
    }  # fmt: skip
    out = DeviceAugmentation([DoubleSamples(K.RandomHorizontalFlip(p=1.0))])(batch, 0, 0)
    assert out.keys() == batch.keys()
    for name in ("image", "mask", "label", "box", "flow_forward"):
        assert torch.equal(out[name][:3], batch[name])
    assert torch.equal(out["image"][3:], batch["image"].flip(-1))
    assert torch.equal(out["mask"][3:], mask.flip(-1))
    assert torch.equal(out["flow_forward"][3:], flow.flip(-1) * torch.tensor([-1.0, 1.0])[:, None, None])
    assert out["box"][3:].tolist() == [[8, 0, 12, 8]] * 3
    assert out["label"].tolist() == [1] * 6
    assert [meta["clip"] for meta in out["meta"]] == list("abcabc")


def test_modules_on_batches_can_be_doubled_too():
    meta = [{"frames": [4, 5]}]
    batch = {"image": torch.rand(1, 2, 3, 4, 4), "mask": torch.zeros(1, 2, 1, 4, 4), "meta": meta}
    out = DoubleSamples(TimeWarp(1))(batch)
    assert torch.equal(out["image"][1], batch["image"][0].flip(0))
    assert out["meta"] == [{"frames": [4, 5]}, {"frames": [5, 4]}]
