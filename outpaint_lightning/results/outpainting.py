"""The results of painting the background of a foreground."""

from __future__ import annotations

from collections.abc import Iterator

from outpaint_lightning.results.kinds import Column, Kind, Rows, Summary, part
from outpaint_lightning.results.text import Cells, aligned, count, number


class Outpainting(Kind):
    """Classes of painted backgrounds by a segmenter, pixel errors, and distances between sets of photos."""

    def lines(self, summary: Summary, rows: Rows) -> list[str]:
        """Return tables of classes, of pixels and of distances."""
        parts = _classes(summary), self._interval(summary, rows), _pixels(summary), _distances(summary)
        return [line for cells in parts for line in aligned([*cells])]

    def _interval(self, summary: Summary, rows: Rows) -> Iterator[Cells]:
        found = summary["content"]
        if found["judge"]:
            yield (
                "mIoU of a photo, 95% over photos",
                number(found["low"]),
                f"to {number(found['high'])}{self.few_sources(rows)}; {count(found['photos'], 'photo')}",
            )


OUTPAINTING = Outpainting(
    "outpainter",
    task="ContextualOutpaintingTask",
    sign="content.photos",
    columns=(
        Column("content.mean", "content mIoU of a photo"),
        Column("content.miou", "content mIoU"),
        Column("content.accuracy", "content accuracy"),
        Column("sampled.miou", "mIoU, layouts drawn"),
        Column("sampled.disagreement", "layouts differ"),
        Column("mae.hole", "error where hidden", ".4f"),
        Column("psnr", "PSNR, dB", ".2f"),
        Column("ssim", "SSIM"),
        Column("lpips", "LPIPS"),
    ),
    interval="content",
    top=1.0,
    table="per_photo.csv",
    unit="photo",
    value="iou",
    row_floor="iou_",
    groups=(("scene", "by_scene", "iou"),),
    curves=("val/content_iou", "val/mae_hole", "train/loss", "train/critic/loss"),
    monitored="val/content_iou",
    undefined="there is no segmenter, or no class is known",
    progress=("train/loss", "train/critic/loss", "val/mae_hole", "val/content_iou"),
)


def _classes(summary: Summary) -> Iterator[Cells]:
    """Yield the scores of each method by the segmenter; one line without scores if there is no segmenter."""
    found = summary["content"]
    if not found["judge"]:
        yield "content mIoU", "-", "no segmenter (model.segmenter)"
        return
    yield f"classes, as {found['judge']} sees them", "mIoU of a photo", "mIoU of the split", "accuracy", ""
    for name, scores in summary["judged"].items():
        title = f"  floor {name}" if name in summary["floors"] else name
        yield title, *(number(scores[key]) for key in ("iou", "miou", "accuracy")), scores["remark"]
    drawn = part(summary, "sampled")
    if drawn:
        yield "share of the background on which two drawn layouts differ", number(drawn["disagreement"]), "", "", ""


def _pixels(summary: Summary) -> Iterator[Cells]:
    """Yield one line of errors per method. They mean little, because many solutions are plausible."""
    yield "pixels, in units of [0, 1]", "MAE hidden", "PSNR", "SSIM", ""
    for name, errors in summary["methods"].items():
        title = f"  floor {name}" if name in summary["floors"] else name
        yield title, number(errors["mae_hole"], ".4f"), number(errors["psnr"], ".2f"), number(errors["ssim"]), ""


def _distances(summary: Summary) -> Iterator[Cells]:
    """Yield one line per distance between sets of photos, and one for LPIPS."""
    for name, found in summary["frechet"].items():
        few = f"; needs more than {found['features']}" if found["distance"] is None else ""
        yield f"Fréchet distance by {name}", number(found["distance"]), f"{count(found['samples'], 'sample')}{few}"
    missing = "" if summary["lpips"] is not None else "the weights of its backbone are not on this machine"
    yield "LPIPS", number(summary["lpips"]), missing
