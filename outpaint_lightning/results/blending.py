"""The results of wide-range image blending."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from outpaint_lightning.results.kinds import Column, Kind, Rows, Summary
from outpaint_lightning.results.text import Cells, aligned, count, number


class Blending(Kind):
    """Distances of blended pairs to real panoramas, and errors on photos with a known middle, with floors."""

    def lines(self, summary: Summary, rows: Rows) -> list[str]:  # noqa: ARG002 (single photos are not listed)
        """Return a table of pairs by method, and a table of photos."""
        return [line for cells in (_pairs(summary), _photos(summary)) for line in aligned([*cells])]


BLENDING = Blending(
    "blending",
    task="WideBlendingTask",
    sign="distances.subset_size",
    columns=(
        Column("kid", "KID of pairs", ".5f"),
        Column("fid", "FID of pairs", ".4f"),
        Column("seam.net", "jump at seams", ".4f"),
        Column("energy.net", "gradient energy of the middle"),
        Column("middle.mae", "error, one photo", ".4f"),
        Column("psnr", "PSNR, dB, one photo", ".2f"),
        Column("ssim", "SSIM, one photo"),
        Column("lpips", "LPIPS of the middle, one photo"),
    ),
    lower=True,
    table="per_image.csv",
    unit="pair",
    curves=("val/mae_hole", "val/kid", "train/loss", "train/critic/loss"),
    monitored="val/mae_hole",
    undefined="there is no photo whose middle is known",
    progress=("train/loss", "train/critic/loss", "val/mae_hole"),
)


def _pairs(summary: Summary) -> Iterator[Cells]:
    """Yield one line per method: the distance of its panoramas to real ones, and their traces."""
    distances = summary["distances"]
    yield (
        f"pairs: distance by {distances['extractor']}, {distances['features']} features, "
        f"{count(distances['samples'], 'panorama')}",
        "",
    )
    yield "", "FID", "KID", "+-", "seam", "energy", ""
    for name, found in distances["methods"].items():
        yield _title(summary, name), *_numbers(found), *_traces(summary, name), ""
    yield "  real panoramas", "", "", "", *_traces(summary, "real"), ""
    yield f"  KID: {distances['subsets']} subsets of {distances['subset_size']}; stage {summary['stage']}", ""


def _photos(summary: Summary) -> Iterator[Cells]:
    """Yield one line per method: its errors on photos with a known middle."""
    yield "one photo, in units of [0, 1]", "MAE middle", "RMSE middle", "PSNR", "SSIM", ""
    forms = {"mae_hole": ".4f", "rmse_hole": ".4f", "psnr": ".2f", "ssim": ".3f"}
    for name, errors in summary["methods"].items():
        yield _title(summary, name), *(number(errors[key], form) for key, form in forms.items()), ""
    lpips = summary.get("lpips")  # tests of earlier versions have none
    yield "  LPIPS of the middle", number(lpips), "" if lpips else "the weights of its backbone are not on this machine"


def _title(summary: Summary, name: str) -> str:
    return f"  floor {name}" if name in summary["floors"] else f"  {name}"


def _numbers(found: dict[str, Any]) -> tuple[str, ...]:
    forms = {"fid": ".4f", "kid": ".5f", "kid_deviation": ".5f"}
    return tuple(number(found[key], form) for key, form in forms.items())


def _traces(summary: Summary, name: str) -> tuple[str, str]:
    return number(summary["seam"][name], ".4f"), number(summary["energy"][name])
