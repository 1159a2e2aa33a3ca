"""The summary of `forge`: a table and a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.forger import Record
from outpaint_lightning.io import frame_files, open_clip, read_mask, write_image
from outpaint_lightning.io.manifest import SPLITS
from outpaint_lightning.pictures import FORGED, overlay, strip, titled

ROWS, COLUMNS = 10, 3  # forgeries on the contact sheet
WIDTH, HEIGHT = 220, 140  # pixels of each picture; frames of another shape get white margins


def summary(records: Sequence[Record]) -> str:
    """Return the tables of what `forge` wrote: by split, forgeries by fill and mask, and by seam and chain."""
    lines = [f"{'split':8}{'sources':>8}{'authentic':>11}{'forged':>8}{'frames':>8}{'forged area':>13}"]
    for split in SPLITS:
        members = [record for record in records if record["split"] == split]
        areas = [record["area"] for record in members if record["forger"]]
        lines.append(
            f"{split:8}{len({record['source'] for record in members}):8}{len(members) - len(areas):11}{len(areas):8}"
            f"{sum(record['frames'] for record in members):8}{f'{np.mean(areas):.1%}' if areas else '-':>13}"
        )
    kinds = [record["forger"].split("/") for record in records if record["forger"]]
    masks = sorted({mask for mask, _, _ in kinds})
    counts = Counter((fill, mask) for mask, fill, _ in kinds)
    lines += ["", f"{'forgeries':14}" + "".join(f"{mask:>9}" for mask in masks)]
    for fill in sorted({fill for _, fill, _ in kinds}):
        lines.append(f"{fill:14}" + "".join(f"{counts[fill, mask]:9}" for mask in masks))
    seams, chains = ([seam for _, _, seam in kinds], [record["chain"]["name"] for record in records])
    return "\n".join([*lines, "", f"seams: {_tally(seams)}", f"chains: {_tally(chains)}"])


def _tally(names: Sequence[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(Counter(names).items())) or "none"


def write_contact_sheet(root: Path, records: Sequence[Record]) -> None:
    """Write `contact_sheet.png`: for some forgeries the untouched frame, the forged frame and the label.

    It is drawn from the written files, so the effect of the chain is visible. Without forgeries nothing is written.

    Args:
        root: the dataset.
        records: records of its clips; an authentic clip comes before its forgeries.
    """
    forged = _varied([record for record in records if record["forger"]], ROWS * COLUMNS)
    pictures = [_picture(root, record) for record in forged]
    if not pictures:
        return
    pictures += [np.full_like(pictures[0], 255)] * (-len(pictures) % COLUMNS)
    rows = [pictures[row : row + COLUMNS] for row in range(0, len(pictures), COLUMNS)]
    write_image(root / "contact_sheet.png", strip(rows, legend=FORGED))


def _varied(records: Sequence[Record], count: int) -> list[Record]:
    """Choose records: each time the record whose fill, mask, seam, chain and source were chosen least."""
    rest, used = list(records), Counter[str]()
    chosen: list[Record] = []
    while rest and len(chosen) < count:
        record = min(rest, key=lambda record: sum(used[trait] for trait in _traits(record)))
        used.update(_traits(record))
        rest.remove(record)
        chosen.append(record)
    return sorted(chosen, key=lambda record: record["forger"])


def _traits(record: Record) -> list[str]:
    return [*record["forger"].split("/"), record["chain"]["name"], record["source"]]


def _picture(root: Path, record: Record) -> NDArray[np.uint8]:
    """Return untouched, forged and label side by side, with their names, at the frame with the largest label."""
    forged, twin = (_clip(root, name) for name in (record["clip"], record["clip"].rpartition("__")[0]))
    masks = [read_mask(file) for file in frame_files(root / "masks" / record["clip"])]
    at = int(np.argmax([mask.sum() for mask in masks]))
    shown = [open_clip(path).read([at])[0] for path in (twin, forged)]
    shown.append(overlay(shown[1], masks[at]))
    row = strip([[_fitted(picture) for picture in shown]], ("untouched", "forged", "where"))
    return titled(row, f"{record['forger']} ({record['chain']['name']})  {record['clip']}")


def _fitted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture scaled to fit `HEIGHT` x `WIDTH`, centred."""
    factor = min(HEIGHT / picture.shape[0], WIDTH / picture.shape[1])
    height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
    cell = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
    cell[top : top + height, left : left + width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return cell


def _clip(root: Path, name: str) -> Path:
    folder = root / "frames" / name
    return folder if folder.is_dir() else root / "videos" / f"{name}.mp4"
