import pytest
import torch

from outpaint_lightning.metrics import (
    DECILES,
    FILL,
    REFINED,
    STRATA,
    RefinementErrors,
    confidence_curves,
    end_point_error,
    motion_edges,
    strata,
    summarize_refinement,
)


def test_end_point_error_is_a_length():
    """3-4-5: not a mean or a sum over the components."""
    true, flow = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    flow[0, :, 0, 1] = torch.tensor([3.0, -4.0])
    assert end_point_error(flow, true).tolist() == [[[0, 5]]]


def test_motion_edges_lie_on_both_sides_of_a_jump():
    """A jump of 0.6 px from column 2 to 3, by a direction alone (as long on both sides), and a slope of 0.4 px."""
    flow = torch.zeros(2, 2, 3, 6)
    flow[0, 0, :, :3], flow[0, 0, :, 3:] = 0.3, -0.3
    flow[1, 1] = 0.4 * torch.arange(3)[:, None]
    edges = motion_edges(flow, torch.ones(2, 1, 3, 6))
    assert edges[0, 0].any(0).tolist() == [False, False, True, True, False, False]
    assert not edges[1].any()
    assert motion_edges(flow, torch.ones(2, 1, 3, 6), jump=0.39)[1].all()


def test_no_edge_beside_what_is_not_known():
    """Flow is 0 where it is not known: an edge there would be of the file, not of the motion."""
    flow, valid = torch.full((1, 2, 4, 6), 5.0), torch.ones(1, 1, 4, 6)
    flow[..., 4:], valid[..., 4:] = 0, 0
    assert not motion_edges(flow, valid).any()


def batch_of(height=9, width=20):
    """One frame, whose forward flow jumps between columns 4 and 5; hidden in rows 2 to 4, of backward in row 2."""
    batch = {
        name: torch.zeros(1, 1, 2, height, width) for name in ("flow_forward", "flow_backward", "hidden", "occluded")
    }
    batch["valid"] = torch.ones(1, 1, 2, height, width)
    batch["flow_forward"][..., 5:] = 4
    batch["hidden"][:, :, 0, 2:5] = 1
    batch["hidden"][:, :, 1, 2] = 1
    batch["occluded"][..., 12:14] = 1
    batch["valid"][..., 2, 19] = 0
    return batch


def test_strata():
    """Each direction by its own holes and edges; known vectors are in the frame alone; unknown ones nowhere."""
    members = strata(batch_of())
    counts = members.sum((0, 2, 4, 5)).tolist()
    assert counts == [[59, 19], [24, 0], [6, 2], [179, 179]]
    near = members[0, 1, 0, 0].any(0).nonzero()[:, 0].tolist()
    assert near == list(range(1, 9))  # 3 px around columns 4 and 5


def test_confidence_that_is_right_has_no_area():
    """The surer the smaller the error: sparsification is ideal, deciles fall. The other way round it is the worst."""
    error = torch.linspace(0.01, 1, 100)
    right, wrong = confidence_curves(error, -error), confidence_curves(error, error)
    torch.testing.assert_close(right[:DECILES], error.flip(0).view(DECILES, 10).mean(1))
    assert right[DECILES] == pytest.approx(0, abs=1e-6)
    assert wrong[DECILES] > right[DECILES + 1] > 0.2
    # Of errors i / 100 the smallest share s has mean (1 + 100 s) / 200; the mean over s = 1, 0.95 .. 0.05 is 0.2675.
    assert right[DECILES + 1].item() == pytest.approx(0.505 - 0.2675, abs=1e-6)


def test_equal_confidence_tells_nothing():
    """Whatever the order of pixels: sorted without care, errors that happen to lie in order would look like skill."""
    error = torch.linspace(0.01, 1, 100)
    same = confidence_curves(error, torch.ones(100))
    torch.testing.assert_close(same[:DECILES], torch.full((DECILES,), 0.505))
    torch.testing.assert_close(same[DECILES], same[DECILES + 1])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_errors(count):
    curves = confidence_curves(torch.ones(count), torch.rand(count))
    assert curves.shape == (2 * DECILES + 2,)
    assert int(curves[:DECILES].isfinite().sum()) == count


VIDEOS = [
    {"clip": name, "frames": 4, "scene": "", "camera": "", "source": name, "forger": "hole"} for name in ("a", "b")
]
METHODS = [REFINED, FILL, "zero", "told"]


def entered(processes=1):
    """Two videos of two windows each: errors of 1, 2, 3 and 0.5 px in the first, 4, 2, 3 and 0.5 px in the second."""
    tables = [RefinementErrors([4, 4], len(METHODS)) for _ in range(processes)]
    batch = {name: value.expand(2, 1, 2, 9, 20) for name, value in batch_of().items()}
    members = strata(batch)
    windows = [(video, frame) for video in (0, 1) for frame in (0, 2)] + [(0, 0)]  # a sampler repeats one
    for i, (video, frame) in enumerate(windows):
        error = torch.tensor([4.0 if video else 1.0, 2, 3, 0.5]).view(4, 1, 1, 1, 1, 1).expand(4, 1, 1, 2, 9, 20)
        tables[i % processes].update([video], [frame], error, members[:1], torch.rand(1, 1, 1, 9, 20))
    if processes > 1:
        tables[0].table = torch.stack([table.table for table in tables]).amax(0)  # as torchmetrics merges them
    return tables[0]


@pytest.mark.parametrize("processes", [1, 2])
def test_summary(processes):
    """Means over videos; the bound is no floor; the second video is worse than its fill by 2 px."""
    summary, rows = summarize_refinement(entered(processes), VIDEOS, METHODS, ["told"])
    assert summary["epe"]["hole"] == 2.5
    assert summary["epe"]["near_edges"] == 2.5
    assert summary["epe"]["videos"] == 2
    assert summary["epe"]["low"] == 1
    assert summary["above_1px"]["hole"] == 0.5
    assert summary["floors"] == {FILL: 2, "zero": 3}
    assert summary["bounds"] == {"told": 0.5}
    assert summary["gain"] == -0.25
    assert summary["worse_than_fill"] == {"videos": 1, "of": 2, "largest": 2.0}
    assert summary["windows"] == 4  # not 5: one was judged twice
    assert summary["confidence"]["deciles"] == pytest.approx([2.5] * DECILES)
    assert [row["clip"] for row in rows] == ["a", "b"]
    assert rows[0]["vectors"] == 2 * (59 + 19)
    assert [row["epe_hole"] for row in rows] == [1, 4]
    assert rows[1]["epe_hole_zero"] == 3
    assert set(STRATA) <= {name.removeprefix("epe_") for name in rows[0]}


def test_a_fill_that_learned_is_a_floor_only_where_nothing_else_is():
    summary, _ = summarize_refinement(entered(1), VIDEOS, METHODS, ["told"], fill_learned=True)
    assert summary["floors"] == {"zero": 3}
    assert summary["gain"] == (3 - 2.5) / 3
    assert summary["gain_over_fill"] == -0.25


def test_a_large_hole_counts_its_vectors_within_a_video():
    """Windows of one video are pooled: 59 vectors that err by 1 px and 19 that err by 3 px, not (1 + 3) / 2."""
    table = RefinementErrors([4], 2)
    members = strata(batch_of())
    for frame, direction, size in ((0, 0, 1.0), (2, 1, 3.0)):
        chosen = torch.zeros_like(members)
        chosen[:, :, :, direction] = members[:, :, :, direction]
        table.update([0], [frame], torch.full((2, 1, 1, 2, 9, 20), size), chosen, torch.ones(1, 1, 1, 9, 20))
    summary, _ = summarize_refinement(table, VIDEOS[:1], METHODS[:2])
    assert summary["epe"]["hole"] == pytest.approx((59 + 19 * 3) / 78)


def test_errors_outside_the_stratum_do_not_count():
    """Not even if they are not a number."""
    table = RefinementErrors([1], 2)
    members = strata(batch_of())
    error = torch.where(members[:, 3], 1.0, torch.nan).expand(2, 1, 1, 2, 9, 20)
    table.update([0], [0], error, members, torch.ones(1, 1, 1, 9, 20))
    summary, _ = summarize_refinement(table, VIDEOS[:1], METHODS[:2])
    assert summary["epe"]["hole"] == summary["epe"]["frame"] == 1


def test_no_hole_is_undefined():
    table = RefinementErrors([1], 2)
    members = torch.zeros(1, len(STRATA), 1, 2, 4, 4, dtype=torch.bool)
    table.update([0], [0], torch.ones(2, 1, 1, 2, 4, 4), members, torch.ones(1, 1, 1, 4, 4))
    summary, rows = summarize_refinement(table, VIDEOS[:1], METHODS[:2])
    assert summary["epe"]["hole"] is None
    assert summary["gain"] is None
    assert summary["worse_than_fill"] == {"videos": 0, "of": 0, "largest": None}
    assert summary["confidence"]["ratio"] is None
    assert rows[0]["vectors"] == 0


def test_videos_not_seen_are_left_out():
    summary, rows = summarize_refinement(RefinementErrors([4, 4], 2), VIDEOS, METHODS[:2])
    assert (summary["windows"], rows) == (0, [])
