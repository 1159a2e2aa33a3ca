"""The summary of a test under corruptions, as far as its curves go."""

SUMMARY = {
    "f1": {"mean": 0.8},
    "floors": {"all_forged": 0.3, "mean_mask": 0.45, "border": None},
    "authentic": {"pixel_fpr": 0.02},
    "robustness": {
        name: {"option": option, "levels": levels, "f1": f1, "share": share, "pixel_fpr": fpr, "area": area}
        for name, option, levels, f1, share, fpr, area in (
            ("jpeg", "quality", [90, 30], [0.6, 0.4], [0.75, 0.5], [0.03, 0.05], 0.6),
            ("soft", "sigma", [0.5], [None], [None], [0.1], None),
            ("grain", "deviation", [2, 5, 10], [0.7, 0.6, 0.5], [0.875, 0.75, 0.625], [0.1, 0.2, 0.3], 0.65),
            ("half", "scale", [0.5], [0.2], [0.25], [0.4], 0.5),
        )
    },
}
