from outpaint_lightning.results import BLENDING, kind_of

FOUND = {"fid": 0.5, "kid": 0.01, "kid_deviation": 0.002}
ERRORS = {"mae_hole": 0.1, "rmse_hole": 0.2, "psnr": 20.0, "ssim": 0.5}
SUMMARY = {
    "kid": 0.01,
    "fid": 0.5,
    "floors": {"mirror": 0.02},
    "distances": {
        "extractor": "SeededFeatures", "features": 16, "samples": 40, "subset_size": 20, "subsets": 100,
        "methods": {"net": FOUND, "mirror": {**FOUND, "kid": 0.02, "fid": None}},
    },
    "seam": {"net": 0.02, "mirror": 0.03, "real": 0.01},
    "energy": {"net": 0.5, "mirror": 0.9, "real": 1.0},
    "middle": {"mae": 0.1},
    "psnr": 20.0,
    "ssim": 0.5,
    "methods": {"net": ERRORS, "mirror": ERRORS},
    "stage": "fine_tuning",
}  # fmt: skip


def test_lines_name_extractor_and_subset_size():
    """Without them a distance says nothing."""
    lines = BLENDING.lines(SUMMARY, [])
    text = "\n".join(lines)
    assert "distance by SeededFeatures, 16 features, 40 panoramas" in text
    assert "100 subsets of 20; stage fine_tuning" in text
    (floor,) = (line for line in lines if line.startswith("  floor mirror") and "0.02000" in line)
    assert floor.split() == ["floor", "mirror", "-", "0.02000", "0.00200", "0.0300", "0.900"]
    (real,) = (line for line in lines if line.startswith("  real"))
    assert real.split() == ["real", "panoramas", "0.0100", "1.000"]
    assert lines[-1].endswith("-  the weights of its backbone are not on this machine")
    assert BLENDING.lines({**SUMMARY, "lpips": 0.25}, [])[-1].split() == ["LPIPS", "of", "the", "middle", "0.250"]


def test_a_run_without_a_config_is_known_by_its_summary():
    assert kind_of("", SUMMARY) is BLENDING
    assert kind_of("WideBlendingTask", {}) is BLENDING
    assert BLENDING.floors(SUMMARY) == {"mirror": 0.02}
