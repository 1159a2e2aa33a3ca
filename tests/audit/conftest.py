"""A dataset in which there is nothing to find."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support import texture

from outpaint_lightning.io import ClipEntry, read_dataset, write_image, write_manifest, write_mask

SIDE, FRAMES = 64, 3


@dataclass(frozen=True)
class Dataset:
    """A copy of the clean dataset, to be spoilt."""

    root: Path

    def frame(self, clip: str, index: int = 0) -> Path:
        return self.root / "frames" / clip / f"{index:05d}.png"

    def mask(self, clip: str, index: int = 0) -> Path:
        return self.root / "masks" / clip / f"{index:05d}.png"

    def entries(self) -> list[ClipEntry]:
        return read_dataset(self.root)

    def write(self, entries: list[ClipEntry]) -> None:
        write_manifest(self.root / "manifest.csv", entries)

    def replace(self, old: str, new: str) -> None:
        """Replace what stands once in the manifest."""
        path = self.root / "manifest.csv"
        text = path.read_text()
        assert text.count(old) == 1, text
        path.write_text(text.replace(old, new))


@pytest.fixture(scope="session")
def clean_root(tmp_path_factory):
    """Six training, three validation and five test sources, each authentic and with a box forged flat."""
    root = tmp_path_factory.mktemp("audit") / "clean"
    rng = np.random.default_rng(0)
    entries = []
    sources = (
        [("train", name) for name in "abcdef"]
        + [("val", name) for name in "ghi"]
        + [("test", name) for name in "jklmn"]
    )
    for split, source in sources:
        wide = texture(ord(source), SIDE, SIDE + FRAMES)
        height, width = rng.integers(16, 40, 2)
        top, left = rng.integers(0, SIDE - height), rng.integers(0, SIDE - width)
        mask = np.zeros((SIDE, SIDE), bool)
        mask[top : top + height, left : left + width] = True
        for clip, forger in ((source, ""), (f"{source}__1", "box/flat/hard")):
            for t in range(FRAMES):
                frame = wide[:, t : t + SIDE].copy()
                if forger:
                    frame[mask] = 128
                    write_mask(root / "masks" / clip / f"{t:05d}.png", mask)
                write_image(root / "frames" / clip / f"{t:05d}.png", frame)
            entries.append(ClipEntry(clip, split, "indoor", "move", source, forger, root / "frames" / clip, None))
    write_manifest(root / "manifest.csv", entries)
    return root


@pytest.fixture
def dataset(clean_root, tmp_path):
    """A copy of the clean dataset."""
    shutil.copytree(clean_root, tmp_path / "data")
    return Dataset(tmp_path / "data")
