"""Pictures in the page, and links to files that are too large for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np

from outpaint_lightning.compare.groups import Group
from outpaint_lightning.compare.runs import Run
from outpaint_lightning.io import natural_key, read_image, read_json
from outpaint_lightning.io.reading import inside
from outpaint_lightning.pages.document import image
from outpaint_lightning.pages.html import digits, figure, note
from outpaint_lightning.types import InputError

WIDTH = 1080  # pixels of the widest picture
QUALITY = 82  # quality of JPEGs
OPEN = 2  # experiments whose pictures are unfolded


def pictures(groups: Sequence[Group]) -> Iterator[str]:
    """Yield the pictures of each experiment, from its first run that has some."""
    shown = 0
    for group in groups:
        run, found = next(((run, f) for run in group.runs if (f := list(_of(run)))), (group.first, []))
        if found:
            where = f" <small>{escape(run.folder.name)}</small>" if len(group.runs) > 1 else ""
            unfolded = " open" if shown < OPEN else ""
            yield (
                f"<details{unfolded}><summary>{escape(group.name)}{where}</summary>"
                f'<div class="strips">{"".join(found)}</div></details>'
            )
            shown += 1
    without = [group.name for group in groups if not any(_files(run) for run in group.runs)]
    if without:
        yield note(f"No pictures kept by {escape(', '.join(without))}.")


def links(groups: Sequence[Group], out: Path) -> str:
    """Return relative links to the overlay videos and predicted masks of the runs; empty if there are none."""
    lines = []
    for group in groups:
        for run in group.runs:
            found = [*_overlays(run), *(path for path in (run.folder / "predict",) if path.is_dir())]
            for path in found:
                target = quote(Path(os.path.relpath(path, out)).as_posix())
                name = path.parent.name if path.suffix else "predicted masks"
                lines.append(f'<li>{escape(group.name)}: <a href="{target}">{escape(name)}</a></li>')
    return f'<h3>Overlays and masks</h3><ul class="links">{"".join(lines)}</ul>' if lines else ""


def embedded(path: Path, alt: str) -> str:
    """Return a picture file as an image element that contains its data.

    Raises:
        InputError: the file is not a picture.
    """
    picture = read_image(path)
    height, width = picture.shape[:2]
    if width > WIDTH:
        size = (WIDTH, round(height * WIDTH / width))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return image(picture, alt, QUALITY)


def _of(run: Run) -> Iterator[str]:
    """Yield the pictures of a run as figures; an unreadable picture becomes a note."""
    for path, caption in _files(run):
        try:
            yield figure(embedded(path, caption), escape(caption))
        except InputError as error:
            yield note(escape(str(error)))


def _files(run: Run) -> list[tuple[Path, str]]:
    """Return the picture files of a run with their captions."""
    test = run.folder / "test"
    strips = [
        (
            test / "examples" / str(r["file"]),
            f"{r['clip']}, frame {r['frame']}, F1 {digits(r['f1'])}. Frame, found, truth.",
        )
        for r in sorted(run.examples, key=lambda record: record["f1"])
    ]
    whole = [(test / name, words) for name, words in run.kind.pictures.items() if (test / name).exists()]
    if strips or whole:
        return [*strips, *whole]
    last = sorted((run.folder / "pictures").glob("epoch_*.png"), key=natural_key)[-1:]
    return [(path, f"validation, {path.stem.replace('_', ' ')}") for path in last]


def _overlays(run: Run) -> list[Path]:
    """Return the overlay videos in a run's folder, and those in sibling folders that its checkpoint made."""
    inside = {*run.folder.glob("*/overlay.mp4"), *run.folder.glob("*/*/overlay.mp4")}
    beside = {path for path in run.folder.parent.glob("*/*/overlay.mp4") if _made_by(run, path)}
    return sorted(inside | beside, key=natural_key)


def _made_by(run: Run, overlay: Path) -> bool:
    try:
        summary = read_json(overlay.with_name("summary.json"), dict, "what localize writes")
    except InputError:
        return False
    return inside(Path(str(summary.get("checkpoint"))), run.folder)
