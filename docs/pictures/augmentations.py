"""The pictures and the table of docs/how-to/augment.md, from rendered clips.

python docs/pictures/augmentations.py [FOLDER]
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import kornia.augmentation as K
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outpaint_lightning.augment import (
    DeviceAugmentation,
    RandomDownscale,
    RandomElasticDeformation,
    RandomSensorNoise,
    TimeWarp,
)
from outpaint_lightning.augment.elastic import displacement_field
from outpaint_lightning.data.synthetic import render, sample_scene
from outpaint_lightning.io import write_image
from outpaint_lightning.pictures import overlay, strip
from outpaint_lightning.types import Batch

HEIGHT, WIDTH = 96, 128  # of the pictures
SIDE, LINES = 181, 12  # pixels of the grid, and between its lines
DRAWS = 256  # of the table


def main(folder: Path) -> None:
    """Write a picture of each augmentation into `folder` and print what borders do to an elastic deformation."""
    warnings.filterwarnings("ignore", ".*fold", RuntimeWarning)  # the frames are small
    window = clip()
    for name, augmentation in (
        ("flip", K.RandomHorizontalFlip(p=1.0)),
        ("time_warp", TimeWarp(p=1)),
        ("elastic", RandomElasticDeformation(max_displacement=(8, 8), p=1)),
    ):
        write_image(folder / f"augment_{name}.png", strip([shown(window), shown(augmented(window, augmentation))]))
    write_image(folder / "augment_photometric.png", photometric(window))
    write_image(folder / "augment_edge.png", strip([[bent_grid(locked) for locked in (2, 1, 0)]]))
    print_table()


def clip() -> Batch:
    """Render two frames with a mirrored border that widens from one to the next."""
    scene = replace(sample_scene(2, HEIGHT, WIDTH, 2, "panrot"), noise=0)  # noise only makes the files larger
    frames, masks = render(scene), np.zeros((2, HEIGHT, WIDTH), np.bool_)
    for frame, mask, border in zip(frames, masks, (18, 28), strict=True):
        mask[:, :border] = True
        frame[:, :border] = frame[:, border : 2 * border][:, ::-1]
    image = torch.from_numpy(frames).permute(0, 3, 1, 2)[None] / 255
    return {"image": image, "mask": torch.from_numpy(masks).float()[None, :, None], "meta": [{"frames": [0, 1]}]}  # type: ignore[typeddict-item]


def augmented(batch: Batch, augmentation: nn.Module, seed: int = 3) -> Batch:
    """Return the batch as training would see it."""
    return DeviceAugmentation([augmentation], seed)(batch, 0, 0)


def shown(batch: Batch) -> list[NDArray[np.uint8]]:
    """Return the frames of a window under their masks."""
    pairs = zip(batch["image"][0], batch["mask"][0, :, 0], strict=True)
    return [overlay(picture(image), mask.numpy() > 0.5) for image, mask in pairs]


def picture(image: Tensor) -> NDArray[np.uint8]:
    """Return `3 H W` in [0, 1] as uint8 `H W 3`."""
    return (image * 255).round().byte().permute(1, 2, 0).numpy()


def photometric(window: Batch) -> NDArray[np.uint8]:
    """Return a part of the frame, as it is and after each of the photometric family, at strengths that show."""
    family = (
        K.RandomJPEG((8.0, 8.0), p=1.0), K.RandomGaussianBlur((9, 9), (1.5, 1.5), p=1.0),
        RandomDownscale((0.35, 0.35), p=1),
        K.RandomGamma((0.5, 0.5), p=1.0), K.ColorJiggle(0.2, 0.3, 0.4, 0.05, p=1.0),
        RandomSensorNoise((0.06, 0.06), p=1),
    )  # fmt: skip
    tiles = [
        picture(batch["image"][0, 0, :, :80, :112]) for batch in (window, *(augmented(window, one) for one in family))
    ]
    tiles.append(np.full_like(tiles[0], 255))
    return strip([tiles[:4], tiles[4:]])


def bent_grid(locked_borders: int) -> NDArray[np.uint8]:
    """Return a grid of straight lines, bent with these borders locked; what comes from outside the frame is red."""
    grid = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for at in range(0, SIDE, LINES):
        grid[at] = grid[:, at] = 90
    mask = torch.ones(1, 1, 1, SIDE, SIDE)
    mask[..., 0, 0] = 0  # the least value, which fills what comes from outside
    batch: Batch = {"image": torch.from_numpy(grid).permute(2, 0, 1)[None, None] / 255, "mask": mask}
    bent = augmented(batch, RandomElasticDeformation(locked_borders=locked_borders, p=1))
    tile = picture(bent["image"][0, 0])
    tile[bent["mask"][0, 0, 0].numpy() == 0] = (230, 40, 40)
    return tile


def print_table() -> None:
    """Print, for frames and crops, how far pixels move and how much is filled, by locked borders."""
    print(
        f"| frame | locked | edge, mean (most) | {'24 px in':8} | middle | filled | samples that fold |\n{'|---' * 7}|"
    )
    for height, width in ((256, 448), (128, 128)):
        for locked in (2, 1, 0):
            torch.manual_seed(0)
            field = displacement_field(
                RandomElasticDeformation(locked_borders=locked, p=1).sample(DRAWS), height, width
            )
            length = field.norm(dim=1)
            edge = torch.cat([length[:, [0, -1]].flatten(), length[:, :, [0, -1]].flatten()])
            inwards = torch.cat([length[:, [24, -25], 24:-24].flatten(), length[:, 24:-24, [24, -25]].flatten()])
            middle = length[:, height // 4 : -height // 4, width // 4 : -width // 4]
            x, y = field[:, 0] + torch.arange(width), field[:, 1] + torch.arange(height)[:, None]
            filled = (x < -0.5) | (x >= width - 0.5) | (y < -0.5) | (y >= height - 0.5)
            dx, dy = field.diff(dim=3)[:, :, :-1], field.diff(dim=2)[:, :, :, :-1]
            folded = (1 + dx[:, 0]) * (1 + dy[:, 1]) <= dx[:, 1] * dy[:, 0]
            print(
                f"| {height}x{width} | {locked} | {edge.mean():.1f} ({edge.max():.1f}) | {inwards.mean():.1f} "
                f"| {middle.mean():.1f} | {filled.float().mean():.1%} | {folded.flatten(1).any(1).float().mean():.0%} |"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
