"""The description of a clip, and the table that stores it: `manifest.csv`.

```
clip,split,scene,camera,source,forger[,more columns are kept]
```
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from outpaint_lightning.io.files import StrPath, write_csv
from outpaint_lightning.io.reading import composed, read_text
from outpaint_lightning.types import InputError

COLUMNS = ("clip", "split", "scene", "camera", "source", "forger")
SPLITS = ("train", "val", "test")

# Shullani et al., VISION: a video and image dataset for source identification, 2017, section 3: device, V for video,
# scene, platform (YouTube, WhatsApp), camera motion, number. Names of derived clips may continue after the number.
_VISION = re.compile(r"D\d{2}_V_(flat|indoor|outdoor)(?:_?(?:YT|WA))?_(still|move|panrot)_\d{4}(?!\d)")


@dataclass(frozen=True)
class ClipEntry:
    """One clip of a dataset.

    Example:
        >>> from pathlib import Path
        >>> frames = Path("frames/pan__1")
        >>> entry = ClipEntry("pan__1", "train", "indoor", "move", "pan", "border/telea/hard", frames, masks=None)
        >>> f"{entry.scene}/{entry.camera}", entry.source
        ('indoor/move', 'pan')
    """

    clip: str
    split: str
    """`train`, `val`, `test`, or empty if the dataset has no splits."""
    scene: str
    camera: str
    source: str
    """The original footage; splits never share a source."""
    forger: str
    """The forger that made the clip; empty for an authentic clip or an unknown forger."""
    frames: Path
    """A folder of images, a video file, or one image (a clip of one frame)."""
    masks: Path | None
    """A folder with one mask per frame, or the mask of a clip of one frame; None for an authentic clip."""
    extra: dict[str, str] = field(default_factory=dict)
    """The manifest's other columns."""
    nonzero: bool = False
    """The masks hold object numbers: everything but 0 is forged."""


def write_manifest(path: StrPath, entries: Iterable[ClipEntry]) -> None:
    """Write `manifest.csv`: the six columns of the dataset, then the extra columns of the entries."""
    write_csv(path, [{column: getattr(entry, column) for column in COLUMNS} | entry.extra for entry in entries])


def read_table(path: StrPath) -> list[dict[str, str]]:
    """Read a CSV file with a header; cells are stripped of whitespace and their accents composed (NFC).

    Raises:
        InputError: the file is missing or not UTF-8, a column name is missing or occurs twice, or a row is longer or
            shorter than the header.
    """
    text = read_text(path, "a CSV file")
    try:
        rows = csv.reader(io.StringIO(text, newline=""))
        header, *lines = [[composed(cell.strip()) for cell in row] for row in rows if any(row)] or [[]]
    except csv.Error as error:
        raise InputError(f"{path}: is not a CSV file in UTF-8 ({error})") from error
    if not header or "" in header or len(set(header)) < len(header):
        raise InputError(f"{path}: header {','.join(header)!r}; distinct column names were expected, as in clip,split")
    for number, line in enumerate(lines, start=1):
        if len(line) != len(header):
            raise InputError(f"{path}: row {number} ({line[0]!r}) has {len(line)} cells; {len(header)} were expected")
    return [dict(zip(header, line, strict=True)) for line in lines]


def vision_name(clip: str) -> tuple[str, str] | None:
    """Return scene and camera of a VISION-style name (`D01_V_indoor_move_0001`); None for other names."""
    match = _VISION.match(clip)
    return (match[1], match[2]) if match else None
