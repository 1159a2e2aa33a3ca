import pytest
import torch

from outpaint_lightning.metrics import (
    Evaluation,
    FullEvaluation,
    MaskPrior,
    bootstrap_interval,
    pixel_counts,
    robustness,
    scores,
    seam_and_interior,
)

CPU = torch.device("cpu")
SIZE = (24, 40)


def video(clip, source, frames, forger="border/telea"):
    return {"clip": clip, "frames": frames, "scene": "indoor", "camera": "move", "source": source, "forger": forger}


VIDEOS = [video("a__1", "a", 3), video("a__2", "a", 2), video("b__1", "b", 2), video("b", "b", 2, forger="")]


def maps():
    """Probabilities and truths of `VIDEOS`: forged pixels are likelier, in each video less than in the one before."""
    generator = torch.Generator().manual_seed(0)
    for number, info in enumerate(VIDEOS):
        for frame in range(info["frames"]):
            truth = torch.zeros(SIZE, dtype=torch.bool)
            truth[:, : 20 if info["forger"] else 0] = True
            noise = torch.rand(SIZE, generator=generator)
            yield info["clip"], frame, (0.4 / (number + 1) * truth + 0.6 * noise), truth


def judged(evaluation):
    for entry in maps():
        evaluation.update(*entry)
    return evaluation


def full(threshold):
    prior = MaskPrior()
    prior.fit(torch.rand(3, prior.GRID, prior.GRID))
    return judged(FullEvaluation(VIDEOS, CPU, threshold, prior))


@pytest.mark.parametrize("threshold", [0.37, 0.123456])
def test_the_summary_is_exact_at_any_threshold(threshold):
    """Also between the points of the grid: the nearest point would give other counts."""
    found = judged(Evaluation(VIDEOS, CPU, threshold)).summary(threshold)[1]
    for row in found:
        counts = sum(pixel_counts(p >= threshold, truth) for clip, _, p, truth in maps() if clip == row["clip"])
        for name, value in scores(counts).items():
            assert row[name] == (None if value.isnan() else pytest.approx(value.item())), name


def test_best_maximises_the_mean_over_videos():
    """Against the means at every threshold by `summary`: a choice by pooled pixels or by one video differs."""
    evaluation = judged(Evaluation(VIDEOS, CPU))
    means = {i / 100: evaluation.summary(i / 100)[0]["f1"]["mean"] for i in range(1, 100)}
    threshold, f1 = evaluation.best()
    assert f1 == pytest.approx(max(means.values()))
    assert means[threshold] == pytest.approx(f1)
    assert threshold != 0.5


def test_the_report_holds_the_oracle_beside_the_result():
    """The result stays at the threshold given; the oracle is at least as good and is kept apart."""
    summary, rows = full(0.5).report()
    assert summary["f1"]["mean"] == pytest.approx(summary["curve"]["f1"][49])
    assert summary["curve"]["thresholds"][49] == 0.5
    assert summary["oracle"]["f1"] == max(summary["curve"]["f1"]) > summary["f1"]["mean"]
    assert set(summary["floors"]) == {"all_forged", "mean_mask", "border"}
    assert [row["clip"] for row in rows] == [info["clip"] for info in VIDEOS]


def test_intervals_draw_sources():
    """Two sources: videos of one are drawn together, which makes another interval than drawing videos."""
    summary, rows = full(0.5).report()
    f1 = [row["f1"] for row in rows]
    expected = bootstrap_interval(f1, sources=[row["source"] for row in rows])
    interval = summary["f1"]["interval"]
    assert (interval["low"], interval["high"]) == (expected.low, expected.high)
    assert interval["high"] != bootstrap_interval(f1).high
    group = summary["by_forger"]["border/telea"]
    assert (group["low"], group["high"]) == (expected.low, expected.high)  # all forged videos are of this forger
    assert "" not in summary["by_forger"]


def test_seam_and_interior_are_means_over_videos():
    summary, rows = full(0.5).report()
    recalls = []
    for info in VIDEOS[:3]:
        frames = [(p, truth) for clip, _, p, truth in maps() if clip == info["clip"]]
        # every frame of a video has the same truth, so the recall of the video is the mean over its frames
        recalls.append(
            torch.stack(
                [scores(pixel_counts(p >= 0.5, seam_and_interior(truth)))["recall"] for p, truth in frames]
            ).mean(0)
        )
    seam, interior = torch.stack(recalls).mean(0).tolist()
    assert (summary["seam"]["recall"], summary["interior"]["recall"]) == (pytest.approx(seam), pytest.approx(interior))
    assert rows[3]["seam_recall"] is None
    assert rows[0]["seam_recall"] == pytest.approx(recalls[0][0].item())


def test_scores_tell_forged_videos_apart():
    summary, rows = full(0.5).report()
    assert rows[0]["score"] > rows[3]["score"]
    # the authentic video is beaten by two of three forged ones, or by all: by hand from the scores
    beaten = [row["score"] > rows[3]["score"] for row in rows[:3]]
    assert summary["auroc"]["video"] == pytest.approx(sum(beaten) / 3)


def test_the_curve_of_robustness():
    """Trapezoids between clean 0.8, then 0.6 and 0.2: (0.7 + 0.4) / 2; counting the clean one twice or not differs."""

    def result(f1, fpr):
        return {"f1": {"mean": f1}, "authentic": {"pixel_fpr": fpr}}

    conditions = [("jpeg", 90), ("jpeg", 30), ("blur", 1.5)]
    options = {"jpeg": "quality", "blur": "sigma"}
    curves = robustness(result(0.8, 0.0), [result(0.6, 0.1), result(0.2, 0.3), result(None, None)], conditions, options)
    assert curves["jpeg"].pop("option") == "quality"
    assert curves["blur"].pop("option") == "sigma"
    jpeg = {"levels": [90, 30], "f1": [0.6, 0.2], "pixel_fpr": [0.1, 0.3], "share": [0.75, 0.25], "area": 0.55}
    assert curves["jpeg"] == {key: pytest.approx(value) for key, value in jpeg.items()}
    assert curves["blur"] == {"levels": [1.5], "f1": [None], "pixel_fpr": [None], "share": [None], "area": None}
