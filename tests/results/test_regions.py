from outpaint_lightning.results import REGIONS

SUMMARY = {
    "f1": 0.8, "precision": 1.0, "recall": 0.75, "auroc": None,
    "iou": {"mean": 0.5, "low": 0.4, "high": 0.6, "found": 0.55, "above_50": 0.5, "above_75": 0.25},
    "giou": -0.125,
    "floors": {"all_forged": 0.6, "centre": 0.2, "mean": 0.3, "whole": 0.1},
    "gain": {"f1": 0.5, "iou": 0.25},
    "images": {"forged": 3, "authentic": 1, "found": 2},
    "by_family": {"box": {"f1": 0.9, "iou": 0.6, "images": 1}},
    "by_forger": {"box/telea/hard": {"f1": None, "iou": 0.6, "images": 2}},
    "rectangle_gap": {"f1": 0.1, "iou": None},
    "pretrained": False,
    "size": [64, 96],
}  # fmt: skip
ROWS = [{"source": f"s{i}", "iou": 0.5} for i in range(5)]


def test_the_table_is_in_columns():
    """By hand. Catches the floor of the class among those of the box, and F1 and IoU of groups mixed up."""
    assert REGIONS.lines(SUMMARY, ROWS) == [
        "F1 of the class              0.800  precision 1.000, recall 0.750, AUROC -; 3 forged, 1 authentic image",
        "  floor all_forged           0.600",
        "  gain over it               0.500  (F1 - floor) / (1 - floor)",
        "IoU of the box, mean         0.500  of images found 0.550; above 0.5 0.500, above 0.75 0.250; GIoU -0.125",
        "  95% interval over sources  0.400  to 0.600",
        "  floor centre               0.200",
        "  floor mean                 0.300",
        "  floor whole                0.100",
        "  gain over the best floor   0.250  (IoU - floor) / (1 - floor)",
        "by family of masks              F1    IoU",
        "  box                        0.900  0.600  1 image",
        "by forger                       F1    IoU",
        "  box/telea/hard                 -  0.600  2 images",
        "rectangles less other masks  0.100      -",
        "trained from                 scratch, images of 64x96",
    ]


def test_masks_and_weights_are_named():
    mask = {"f1": 0.25, "iou": 0.2, "box_iou": 0.3, "pixel_fpr": 0.01}
    lines = REGIONS.lines({**SUMMARY, "mask": mask, "pretrained": True}, ROWS[:1])
    assert lines[4].endswith("to 0.600; only 1 source, no more than a hint")
    assert lines[-2].split()[:7] == ["pixel", "F1", "of", "the", "mask,", "mean", "0.250"]
    assert lines[-2].endswith("IoU 0.200, IoU of its box 0.300, false positives on authentic images 0.010")
    assert lines[-1].split("  ")[-1].strip() == "pretrained weights, images of 64x96"
