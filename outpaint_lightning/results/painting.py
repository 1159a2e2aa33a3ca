"""The results of filling hidden parts of clips."""

from __future__ import annotations

from collections.abc import Iterator

from outpaint_lightning.results.kinds import Column, Kind, Rows, Summary
from outpaint_lightning.results.text import Cells, aligned, count, number


class Painting(Kind):
    """Errors of a generator, compared with fills without training."""

    def lines(self, summary: Summary, rows: Rows) -> list[str]:
        """Return a table of errors by method, one by occlusion, and Fréchet distances."""
        parts = _methods(summary), self._details(summary, rows), _occlusions(summary), _distances(summary)
        return [line for cells in parts for line in aligned([*cells])]

    def _details(self, summary: Summary, rows: Rows) -> Iterator[Cells]:
        mae = summary["mae"]
        yield (
            "error where hidden, 95% over sources",
            number(mae["low"], ".4f"),
            f"to {number(mae['high'], '.4f')}{self.few_sources(rows)}; {count(mae['videos'], 'video')}",
        )
        yield "gain over the best floor", number(summary["gain"]), f"(floor - error) / floor; mode {summary['mode']}"


PAINTING = Painting(
    "generator",
    task="SpatiotemporalInpaintingTask",
    sign="mae.hole",
    columns=(
        Column("mae.hole", "error where hidden", ".4f"),
        Column("gain", "gain over floor"),
        Column("rmse.hole", "RMSE where hidden", ".4f"),
        Column("mae.all", "error, all voxels", ".4f"),
        Column("psnr", "PSNR, dB", ".2f"),
        Column("ssim", "SSIM"),
    ),
    interval="mae",
    lower=True,
    value="mae_hole",
    row_floor="mae_hole_",
    groups=(("occlusion", "by_occlusion", "mae"),),
    curves=("val/mae_hole", "val/psnr", "train/loss", "train/critic/loss"),
    monitored="val/mae_hole",
    undefined="nothing that is known was hidden in the validation clips",
    progress=("train/loss", "train/critic/loss", "val/mae_hole"),
)


def _methods(summary: Summary) -> Iterator[Cells]:
    """Yield one line per method, the net first."""
    yield "error, in units of [0, 1]", "MAE hidden", "RMSE hidden", "MAE all", "PSNR", "SSIM"
    for name, errors in summary["methods"].items():
        title = f"  floor {name}" if name in summary["floors"] else name
        forms = {"mae_hole": ".4f", "rmse_hole": ".4f", "mae_all": ".4f", "psnr": ".2f", "ssim": ".3f"}
        yield title, *(number(errors[key], form) for key, form in forms.items())


def _occlusions(summary: Summary) -> Iterator[Cells]:
    """Yield one line per process of occlusion: the error of the net and of each floor."""
    if summary["by_occlusion"]:
        yield "MAE where hidden, by occlusion", "net", *(f"floor {name}" for name in summary["floors"]), ""
    for name, part in summary["by_occlusion"].items():
        values = (number(value, ".4f") for value in (part["mae"], *part["floors"].values()))
        yield f"  {name}", *values, count(part["videos"], "video")


def _distances(summary: Summary) -> Iterator[Cells]:
    """Yield one line per Fréchet distance."""
    for name, found in summary["frechet"].items():
        few = f"; needs more than {found['features']}" if found["distance"] is None else ""
        yield f"Fréchet distance by {name}", number(found["distance"]), f"{count(found['samples'], 'sample')}{few}"
