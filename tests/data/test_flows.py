"""Windows of flow with holes, from scenes, from files and from clips."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support import texture

from outpaint_lightning.data import DisFlow, FlowDataModule, FlowEstimator, RaftFlow
from outpaint_lightning.data.flow_sources import occlusions
from outpaint_lightning.data.flows import collate, silhouette
from outpaint_lightning.io import write_flow, write_image
from outpaint_lightning.types import InputError

FRAMES, H, W = 4, 48, 64
SHIFT = -2, 1  # pixels a frame along x and y of the clips below


def module(root=None, stage="fit", **options):
    defaults = {"frames": FRAMES, "size": (H, W), "scenes": 6, "val_scenes": 4, "test_scenes": 4, "batch_size": 4}
    data = FlowDataModule(root and str(root), **{**defaults, "workers": 0, **options})
    data.setup(stage)
    return data


def batch(data, split="val"):
    loader = {"train": data.train_dataloader, "val": data.val_dataloader, "test": data.test_dataloader}[split]()
    return data.on_after_batch_transfer(next(iter(loader)), 0)


def write_flow_clip(folder, frames=7, ends=False, size=(H, W), suffix=".flo"):
    """Write flow of u = frame number, v = 0 and back; without `ends`, the first and last flow that leave the clip."""
    for frame in range(frames):
        for direction, sign, missing in (("forward", 1, frames - 1), ("backward", -1, 0)):
            if ends or frame != missing:
                flow = np.zeros((*size, 2), np.float32)
                flow[..., 0] = frame if sign > 0 else 1 - frame
                path = folder / direction / f"{frame:05d}{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_flow(path, flow)


def write_manifest(root, splits):
    lines = "".join(f"{clip},{split}\n" for clip, split in splits.items())
    (root / "manifest.csv").write_text(f"clip,split\n{lines}")


@pytest.fixture
def flow_root(tmp_path):
    for clip in ("a", "b"):
        write_flow_clip(tmp_path / clip)
    write_manifest(tmp_path, {"a": "train", "b": "val"})
    return tmp_path


@pytest.fixture
def clip_root(tmp_path):
    """Two clips of a texture that moves by `SHIFT`, 8 frames each."""
    for number, clip in enumerate(("a", "b")):
        wide = texture(number, 96, 128)
        for t in range(8):
            x, y = 20 - SHIFT[0] * t, 20 - SHIFT[1] * t
            write_image(tmp_path / "frames" / clip / f"{t:05d}.png", wide[y : y + H, x : x + W])
    write_manifest(tmp_path, {"a": "train", "b": "val"})
    return tmp_path


def test_batches_of_scenes_follow_the_contract():
    found = batch(module(images=True))
    shapes = {key: tuple(value.shape) for key, value in found.items() if key != "meta"}
    two = (4, FRAMES, 2, H, W)
    assert shapes == {
        "flow_forward": two, "flow_backward": two, "hidden": two, "valid": two, "occluded": two,
        "mask": (4, FRAMES, 1, H, W), "image": (4, FRAMES, 3, H, W),
    }  # fmt: skip
    assert all(value.dtype == torch.float32 for key, value in found.items() if key != "meta")
    for key in ("mask", "hidden", "valid", "occluded"):
        assert set(found[key].unique().tolist()) <= {0.0, 1.0}
    assert found["image"].max() <= 1
    assert found["image"].std() > 0.05
    assert found["valid"].all()  # also of the window's ends
    assert found["flow_backward"][:, 0].abs().amax((1, 2, 3)).min() > 0
    assert [meta["clip"] for meta in found["meta"]] == ["val0000", "val0001", "val0002", "val0003"]
    assert found["meta"][0]["frames"] == [0, 1, 2, 3]
    assert "image" not in batch(module())


def test_every_hole_hides_what_begins_in_it_and_shows_in_every_frame():
    for protocol in ("source", "strict"):
        found = batch(module(protocol=protocol))
        assert (found["hidden"] >= found["mask"]).all()
        assert found["mask"].flatten(2).any(2).all()
        assert found["mask"].mean((1, 2, 3, 4)).max() < 0.4
        same = torch.equal(found["hidden"], found["mask"].expand_as(found["hidden"]))
        assert same == (protocol == "source")


def test_scenes_depend_on_seed_epoch_and_index_only_and_splits_share_none():
    """Catches test scenes that training has seen, and a training that sees the same scenes in every epoch."""
    data, again, other = module(), module(), module(seed=1)
    data.setup("test")

    def flow(of, split, key):
        return of.datasets[split][key]["flow_forward"]

    assert torch.equal(flow(data, "train", (3, 1)), flow(again, "train", (3, 1)))
    assert torch.equal(data.datasets["train"][3, 1]["mask"], again.datasets["train"][3, 1]["mask"])
    all_different = [flow(data, "train", (0, n)) for n in range(6)] + [flow(data, "train", (1, n)) for n in range(6)]
    all_different += [flow(data, split, n) for split in ("val", "test") for n in range(4)]
    all_different += [flow(other, "train", (0, 0)), flow(other, "test" if "test" in other.datasets else "val", 0)]
    distinct = {tensor.numpy().tobytes() for tensor in all_different}
    assert len(distinct) == len(all_different)


def test_training_order_follows_the_epoch():
    data = module()
    loader = data.train_dataloader()
    orders = []
    for epoch in (0, 1, 0):
        loader.sampler.set_epoch(epoch)
        orders.append(list(loader.sampler))
    assert orders[0] == orders[2]
    assert {key[0] for key in orders[1]} == {1}
    assert len({index for _, index in orders[1]} & set(range(6))) == len(orders[1]) == 4  # of 6, what fills a batch


def test_flow_files_are_read_in_their_places(flow_root):
    """u counts the frames. Catches backward flow paired by position: 00001 is the first file and belongs to frame 1."""
    data = module(flow_root)
    found = batch(data)
    meta = found["meta"][0]
    assert meta["clip"] == "b"
    assert meta["frames"] == [1, 2, 3, 4]  # where both flows are known
    assert found["flow_forward"][0, :, 0, 0, 0].tolist() == [1, 2, 3, 4]
    assert found["flow_backward"][0, :, 0, 0, 0].tolist() == [0, -1, -2, -3]
    assert found["valid"].all()
    assert not found["occluded"][..., 8:-8].any()  # f_t + b_{t+1} = 0
    starts = {tuple(data.datasets["train"][epoch, 0]["meta"]["frames"]) for epoch in range(20)}
    assert starts == {(1, 2, 3, 4), (2, 3, 4, 5)}
    assert [video["frames"] for video in data.videos("val")] == [7]


def test_the_missing_flow_at_the_ends_of_a_short_clip_is_hidden_and_not_valid(tmp_path):
    write_flow_clip(tmp_path / "a", frames=FRAMES)
    write_manifest(tmp_path, {"a": "test"})
    found = batch(module(tmp_path, "test"), "test")
    missing = torch.zeros(FRAMES, 2, dtype=torch.bool)
    missing[-1, 0] = missing[0, 1] = True
    assert torch.equal(~found["valid"][0].bool().flatten(2).any(2), missing)
    assert found["hidden"][0][missing].all()
    assert not found["flow_forward"][0, -1].any()


def test_flow_that_is_resized_keeps_its_motion(tmp_path):
    """Half of the size, half of the vector. Catches vectors left in old pixels."""
    write_flow_clip(tmp_path / "a", frames=FRAMES, ends=True, size=(2 * H, 2 * W), suffix=".flow.png")
    write_manifest(tmp_path, {"a": "test"})
    found = batch(module(tmp_path, "test"), "test")
    assert found["flow_forward"].shape[-2:] == (H, W)
    assert found["flow_forward"][0, :, 0, 20, 20].tolist() == pytest.approx([0, 0.5, 1, 1.5])


def test_vectors_that_a_file_does_not_know_are_hidden_wherever_they_are(tmp_path):
    write_flow_clip(tmp_path / "a", frames=FRAMES, ends=True)
    flow, known = np.full((H, W, 2), 5, np.float32), np.ones((H, W), bool)
    flow[:4, :6] = np.nan
    known[:4, :6] = False
    write_flow(tmp_path / "a" / "forward" / "00001.flo", flow, known)
    write_manifest(tmp_path, {"a": "test"})
    found = batch(module(tmp_path, "test"), "test")
    assert not found["valid"][0, 1, 0, :4, :6].any()
    assert found["valid"].sum() == found["valid"].numel() - 24
    assert found["hidden"][0, 1, 0, :4, :6].all()
    assert not found["flow_forward"][0, 1, :, :4, :6].any()
    assert found["flow_forward"].isfinite().all()


def test_the_flow_of_clips_is_estimated_and_said_to_be(clip_root, capsys):
    """DIS finds the shift within a tenth of a pixel on most of the frame; what leaves the frame is not known."""
    data = module(clip_root, images=True)
    said = [line for line in capsys.readouterr().err.splitlines() if "pseudo ground truth" in line]
    assert len(said) == 2  # train and val
    assert "DisFlow" in said[0]
    found = batch(data)
    inner = np.s_[0, :, :, 12:-12, 12:-12]
    assert found["valid"][inner].float().mean() > 0.95
    for key, sign in (("flow_forward", 1), ("flow_backward", -1)):
        median = found[key][inner].transpose(0, 1).flatten(1).median(1).values
        assert median.tolist() == pytest.approx([sign * SHIFT[0], sign * SHIFT[1]], abs=0.1)
        assert not found[key][0][
            ~found["valid"][0, :, 0 if sign > 0 else 1].bool()[:, None].expand_as(found[key][0])
        ].any()
    assert not found["valid"][0, :, 0, :, 0].any()  # 2 px to the left of the first column
    assert ((1 - found["valid"]) <= found["hidden"]).all()


def test_an_estimator_may_be_injected(clip_root):
    class Still(FlowEstimator):
        def __call__(self, frames):
            assert frames.shape == (FRAMES + 2, H, W, 3)  # and the neighbours of the window
            flow = np.zeros((len(frames) - 1, H, W, 2), np.float32)
            return flow, flow

    found = batch(module(clip_root, estimator=Still()))
    assert not found["flow_forward"].any()
    assert found["valid"].all()


def test_raft_reads_its_weights_and_answers_at_the_size_of_the_frames(tmp_path):
    """Catches padding left on. Weights are random: what RAFT sees is not judged."""
    from torchvision.models import get_model

    torch.manual_seed(0)
    torch.save(get_model("raft_small", weights=None).state_dict(), tmp_path / "raft.pth")
    estimator = RaftFlow(str(tmp_path / "raft.pth"), variant="small", updates=1)
    there, back = estimator(np.stack([texture(0, H, W + 4), texture(1, H, W + 4)]))
    assert there.shape == back.shape == (1, H, W + 4, 2)
    assert not np.array_equal(there, back)
    with pytest.raises(InputError, match=r"missing\.pth"):
        RaftFlow(str(tmp_path / "missing.pth"))


def test_dis_names_both_directions():
    wide = texture(0, 96, 128)
    there, back = DisFlow()(np.stack([wide[20:84, 20:100], wide[19:83, 22:102]]))
    for flow, sign in ((there, 1), (back, -1)):
        median = np.median(flow[0].reshape(-1, 2), axis=0)
        assert median == pytest.approx([sign * -2, sign * 1], abs=0.1)


def test_occlusion_of_given_flow_needs_a_known_answer():
    """Forward 4 px to the right everywhere; the way back is known from column 10 on and contradicts at 20 to 24."""
    forward, backward = torch.zeros(2, 2, 2, 8, 40)
    forward[0, 0], backward[1, 0] = 4, -4
    backward[1, 0, :, 20:25] = 4
    valid = torch.ones(2, 2, 8, 40, dtype=torch.bool)
    valid[1, 1, :, :10] = False
    occluded, unsure = (flags[0, 0, 4].nonzero().flatten().tolist() for flags in occlusions(forward, backward, valid))
    assert occluded == [16, 17, 18, 19, 20, 36, 37, 38, 39]  # ends at 20 to 24, or beyond the frame
    assert unsure == [0, 1, 2, 3, 4, 5, *occluded]  # ends before column 10


def test_silhouettes_show_in_every_frame():
    for seed in range(5):
        shape = silhouette(np.random.default_rng(seed), FRAMES, H, W)
        assert shape.shape == (FRAMES, H, W)
        assert shape.any((1, 2)).all()
        assert shape.mean() < 0.4


def test_what_tasks_read_of_the_module():
    data = module(setup="sandwich", protocol="source")
    assert (data.protocol, data.hole_setup) == ("source", "sandwich")
    json.dumps([data.protocol, data.hole_setup])
    assert not batch(data)["mask"][:, [0, -1]].any()
    assert len(data.videos("val")) == 4


def test_setups_take_turns_in_training_alone():
    """Two families of holes, then the next setup: each meets each."""
    data = module(holes=["rectangle", "strokes"], setup="all", train_setups=["all", "sandwich"])
    ends = [[bool(data.datasets[split][index]["mask"][0].any()) for index in range(4)] for split in ("train", "val")]
    assert ends == [[True, True, False, False], [True] * 4]


def test_ranks_share_the_training_scenes():
    data = module()
    seen = []
    for rank in (0, 1):
        data.trainer = SimpleNamespace(world_size=2, global_rank=rank)
        seen.append([index for _, index in data.train_dataloader().sampler])
    assert sorted(seen[0] + seen[1]) == list(range(6))


def test_windows_of_two_sizes_are_named():
    windows = [module(size=size).datasets["val"][0] for size in ((48, 64), (64, 48))]
    windows[1]["meta"]["clip"] = "other"
    with pytest.raises(InputError, match=r"'val0000' \(48x64\) and 'other' \(64x48\).*data\.size"):
        collate(windows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, r"data\.batch_size 0"),
        ({"size": (16, 64)}, r"data\.size is \[16, 64\]"),
        ({"holes": []}, r"data\.holes is \[\]"),
        ({"holes": ["blub"]}, r"data\.holes has 'blub'"),
        ({"frames": 2, "setup": "sandwich"}, r"data\.frames is 2"),
        ({"frames": 2, "train_setups": ["all", "sandwich"]}, r"data\.frames is 2.* for data\.train_setups sandwich"),
        ({"train_setups": []}, r"data\.train_setups is \[\]"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        module(**options)


def test_bad_folders_are_named(tmp_path, clip_root):
    one = tmp_path / "one"
    write_flow_clip(one / "a", frames=3)
    write_manifest(one, {"a": "test"})
    with pytest.raises(InputError, match=r"one/a: 3 frames; data\.frames needs at least 4"):
        module(one, "test")
    with pytest.raises(InputError, match=r"no clip in split 'val'"):
        module(one, "validate")
    with pytest.raises(InputError, match="come without frames"):
        module(one, "test", images=True, frames=2)
    write_flow(one / "a" / "forward" / "00001.flo", np.zeros((H, W + 1, 2), np.float32))
    with pytest.raises(InputError, match=rf"00001\.flo: flow of {W + 1}x{H}; {W}x{H} was expected"):
        module(one, "test", frames=3).datasets["test"][0]
    (one / "manifest.csv").write_text("clip,split\nb,test\n")
    with pytest.raises(InputError, match=r"manifest\.csv: no row for the clip 'a'"):
        module(one, "test")
    with pytest.raises(InputError, match=r"8 frames; data\.frames needs at least 9"):
        module(clip_root, "fit", frames=9)


def test_windows_are_new_in_every_epoch_or_those_of_the_first():
    """Kills one that repeats the scenes with new holes."""
    for fresh in (True, False):
        windows = module(fresh=fresh).datasets["train"]
        first, second, other = (windows[key] for key in ((0, 1), (7, 1), (7, 2)))
        for key in ("flow_forward", "hidden"):
            assert torch.equal(first[key], second[key]) is not fresh
            assert not torch.equal(first[key], other[key])


def test_a_clip_without_a_known_vector_is_named(flow_root):
    """Kills an error of the net in its place, which knows no clip."""
    for path in (flow_root / "b").rglob("*.flo"):
        write_flow(path, np.zeros((H, W, 2), np.float32), np.zeros((H, W), bool))
    with pytest.raises(InputError, match="clip 'b': no vector of frames 1 to 4 is known outside of the hole"):
        module(flow_root).datasets["val"][0]
