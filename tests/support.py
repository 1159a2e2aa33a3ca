"""What the tests share beside fixtures: paths, small clips, fast options."""

import resource
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from outpaint_lightning.io import ClipEntry, write_image, write_manifest, write_mask

REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

UNET = REPOSITORY / "configs" / "localizer" / "unet.yaml"
SMALL_REGIONS = REPOSITORY / "configs" / "regions" / "small.yaml"
SCRATCH = REPOSITORY / "tests" / "scratch.yaml"

BLUE = np.array([0, 0, 255], np.uint8)


def texture(seed: int, height: int = 128, width: int = 136) -> np.ndarray:
    """Uint8 `H W 3` smooth noise: something a corner detector and an eye can follow."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def write_clip(root: Path, entry: tuple[str, str, str, str], frames: int = 3, size: tuple[int, int] = (128, 136)):
    """Write one clip of a panning texture; forged clips have their left third replaced by a flat colour."""
    clip, split, source, forger = entry
    wide = texture(sum(map(ord, source)), size[0], size[1] + frames)
    for t in range(frames):
        frame = wide[:, t : t + size[1]].copy()
        if forger:
            mask = np.zeros(size, bool)
            mask[:, : size[1] // 3] = True
            frame[mask] = 128
            write_mask(root / "masks" / clip / f"{t:05d}.png", mask)
        write_image(root / "frames" / clip / f"{t:05d}.png", frame)
    return ClipEntry(clip, split, "indoor", "move", source, forger, root / "frames" / clip, None)


def write_photos(root: Path) -> None:
    """Write five photos of two proportions with a twin each, half of whose left is blue: two sources to train on."""
    entries = []
    for number, split in enumerate(("train", "train", "val", "test", "test")):
        height, width = ((96, 144), (120, 80))[number % 2]
        photo, mask = texture(number, height, width), np.zeros((height, width), bool)
        photo[..., 2] //= 2
        mask[height // 4 : height // 2, : width // 2] = True
        for clip, forger in ((f"photo{number}", ""), (f"photo{number}__1", "box/flat/hard")):
            write_image(root / "frames" / f"{clip}.png", np.where(mask[..., None] & bool(forger), BLUE, photo))
            if forger:
                write_mask(root / "masks" / f"{clip}.png", mask)
            entries.append(ClipEntry(clip, split, "indoor", "still", f"photo{number}", forger, root, None))
    write_manifest(root / "manifest.csv", entries)


def region_options(photos: Path, run: Path) -> list[str]:
    """Options that make `fit` on the small region experiment, with a mask decoder, take a second or two."""
    return [
        *("--config", str(SMALL_REGIONS)),
        *("--config", str(SCRATCH)),
        *("--data.root", str(photos)),
        *("--data.size", "[64,96]"),
        *("--data.batch_size", "4"),
        *("--data.workers", "0"),
        *("--model.net.segmentation", "true"),
        *("--trainer.max_epochs", "2"),
        *("--trainer.devices", "1"),
        *("--trainer.default_root_dir", str(run)),
    ]


def fit_options(dataset: Path, run: Path, width: int | None = 8) -> list[str]:
    """Options that make `fit` of a localizer take a second: a U-Net that sees a frame in milliseconds."""
    net = ["--model.net.depth", "1", *(("--model.net.width", str(width)) if width else ())]
    return [*("--config", str(UNET)), *net, *short_options(dataset, run)]


def short_options(dataset: Path, run: Path) -> list[str]:
    """Options that make `fit` of any localizer short."""
    return [
        *("--data.root", str(dataset)),
        *("--data.batch_size", "4"),
        *("--data.workers", "0"),
        *("--trainer.max_epochs", "1"),
        *("--trainer.devices", "1"),
        *("--trainer.precision", "32"),
        *("--trainer.check_val_every_n_epoch", "1"),
        *("--trainer.default_root_dir", str(run)),
    ]


@contextmanager
def full_disk(size: int = 0):
    """Let no file of this process grow beyond `size` bytes, as on a disk without room: writing raises `OSError`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
