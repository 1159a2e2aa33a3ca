from outpaint_lightning.results import PAINTING, kind_of


def errors(hole, psnr=None):
    return {"mae_hole": hole, "rmse_hole": 2 * hole, "mae_all": hole / 4, "rmse_all": hole, "psnr": psnr, "ssim": 0.5}


SUMMARY = {
    "mae": {"hole": 0.03, "all": 0.0075, "low": 0.02, "high": 0.04, "videos": 6},
    "rmse": {"hole": 0.06, "all": 0.03},
    "psnr": 31.5,
    "ssim": 0.5,
    "methods": {"net": errors(0.03, 31.5), "mean": errors(0.12), "biharmonic": errors(0.04, 30.25)},
    "floors": {"mean": 0.12, "biharmonic": 0.04},
    "gain": 0.25,
    "by_occlusion": {"rain": {"mae": 0.03, "floors": {"mean": 0.12, "biharmonic": None}, "gain": 0.75, "videos": 1}},
    "mode": "paired",
    "frechet": {
        "SeededFeatures of frames": {"distance": 0.125, "samples": 48, "features": 16},
        "SeededFeatures of clips": {"distance": None, "samples": 6, "features": 16},
    },
}
ROWS = [{"clip": f"c{i}", "source": f"s{i}", "mae_hole": 0.03} for i in range(6)]


def test_lines_by_hand():
    """Catches columns of other errors, a net called a floor, and a distance that is printed though it has no value."""
    assert PAINTING.lines(SUMMARY, ROWS) == [
        "error, in units of [0, 1]  MAE hidden  RMSE hidden  MAE all   PSNR  SSIM",
        "net                            0.0300       0.0600   0.0075  31.50  0.500",
        "  floor mean                   0.1200       0.2400   0.0300      -  0.500",
        "  floor biharmonic             0.0400       0.0800   0.0100  30.25  0.500",
        "error where hidden, 95% over sources  0.0200  to 0.0400; 6 videos",
        "gain over the best floor               0.250  (floor - error) / floor; mode paired",
        "MAE where hidden, by occlusion     net  floor mean  floor biharmonic",
        "  rain                          0.0300      0.1200                 -  1 video",
        "Fréchet distance by SeededFeatures of frames  0.125  48 samples",
        "Fréchet distance by SeededFeatures of clips       -  6 samples; needs more than 16",
    ]


def test_few_sources_are_named_and_the_kind_is_found():
    assert "to 0.0400; only 2 sources, no more than a hint; 6 videos" in "\n".join(PAINTING.lines(SUMMARY, ROWS[:2]))
    assert kind_of("", SUMMARY) is PAINTING
    assert PAINTING.floors(SUMMARY) == SUMMARY["floors"]
