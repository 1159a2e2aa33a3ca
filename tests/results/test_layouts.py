from outpaint_lightning.results import LAYOUTS, SEGMENTATION, kind_of

SUMMARY = {
    "iou": {"mean": 0.5, "low": 0.45, "high": 0.55, "photos": 6},
    "miou": 0.4,
    "accuracy": 0.7,
    "best": {"miou": 0.6, "accuracy": 0.8},
    "samples": 8,
    "disagreement": 0.1,
    "retrieval": {"top1": 0.25, "chance": 1 / 64, "alike": 0.75, "alike_chance": 0.125},
    "floors": {"common": 0.2},
    "by_scene": {"boat": {"iou": 0.5, "photos": 6}},
}
ROWS = [{"clip": f"c{i}", "source": f"s{i}", "iou": 0.5} for i in range(6)]


def test_lines_by_hand():
    """Catches scores of the best sample under those of all, and chance printed as a finding."""
    assert LAYOUTS.lines(SUMMARY, ROWS) == [
        "layouts               mIoU of a photo  mIoU of the split  accuracy",
        "net, mean of samples            0.500              0.400     0.700  8 samples",
        "net, best of them                                  0.600     0.800  by the true layout",
        "  floor common                  0.200",
        "mIoU of a photo, 95% over photos                     0.450  to 0.550; 6 photos",
        "share of the background on which two samples differ  0.100",
        "layout nearest to the foreground  share  chance",
        "  is its own                      0.250  0.0156",
        "  has nearly the same classes     0.750   0.125",
    ]
    assert kind_of("", SUMMARY) is LAYOUTS


def test_a_segmenter_beside_its_floor():
    summary = {key: SUMMARY[key] for key in ("iou", "miou", "accuracy", "floors", "by_scene")} | {"segmented": 6}
    assert SEGMENTATION.lines(summary, ROWS)[:3] == [
        "mIoU of a photo    0.500",
        "  floor common     0.200",
        "  95% over photos  0.450  to 0.550; 6 photos",
    ]
    assert kind_of("", summary) is SEGMENTATION
