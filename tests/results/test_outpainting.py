import copy

from outpaint_lightning.results import OUTPAINTING, kind_of


def scores(iou, remark=""):
    return {"iou": iou, "miou": iou / 2, "accuracy": iou + 0.1, "remark": remark}


def errors(hole):
    return {"mae_hole": hole, "psnr": 20.5, "ssim": 0.5}


SUMMARY = {
    "content": {"mean": 0.5, "low": 0.4, "high": 0.6, "photos": 6, "miou": 0.25, "accuracy": 0.6, "judge": "Segmenter"},
    "judged": {"net": scores(0.5, "given"), "mean": scores(0.1), "photo": scores(0.8, "true")},
    "floors": {"mean": 0.1},
    "sampled": {"miou": 0.2, "accuracy": 0.3, "disagreement": 0.15, "samples": 4},
    "methods": {"net": errors(0.03), "mean": errors(0.12)},
    "mae": {"hole": 0.03},
    "frechet": {"SeededFeatures of photos": {"distance": None, "samples": 6, "features": 16}},
    "lpips": None,
}
ROWS = [{"clip": f"c{i}", "source": f"s{i}", "iou": 0.5} for i in range(6)]


def test_lines_by_hand():
    """Catches the true photo called a floor, and a distance that is printed though it has no value."""
    judged = "classes, as Segmenter sees them"
    differ = "share of the background on which two drawn layouts differ"
    assert OUTPAINTING.lines(SUMMARY, ROWS) == [
        f"{judged:{len(differ)}}  mIoU of a photo  mIoU of the split  accuracy",
        f"{'net':{len(differ)}}            0.500              0.250     0.600  given",
        f"{'  floor mean':{len(differ)}}            0.100              0.050     0.200",
        f"{'photo':{len(differ)}}            0.800              0.400     0.900  true",
        f"{differ}            0.150",
        "mIoU of a photo, 95% over photos  0.400  to 0.600; 6 photos",
        "pixels, in units of [0, 1]  MAE hidden   PSNR   SSIM",
        "net                             0.0300  20.50  0.500",
        "  floor mean                    0.1200  20.50  0.500",
        "Fréchet distance by SeededFeatures of photos  -  6 samples; needs more than 16",
        "LPIPS                                         -  the weights of its backbone are not on this machine",
    ]
    assert kind_of("", SUMMARY) is OUTPAINTING  # though it has errors of pixels, as another kind


def test_without_a_judge_nothing_is_said_of_classes():
    summary = copy.deepcopy(SUMMARY)
    summary["content"] |= {"judge": "", "mean": None}
    lines = OUTPAINTING.lines(summary, ROWS)
    assert lines[0] == "content mIoU  -  no segmenter (model.segmenter)"
    assert lines[1].startswith("pixels")
