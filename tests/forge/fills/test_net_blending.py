"""`--fill net` with a net that blends photos, from the checkpoint to the forged dataset."""

import json

import numpy as np
import pytest
import torch
from support import texture

from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.forge.run import forge
from outpaint_lightning.io import read_image, read_mask, write_image
from outpaint_lightning.nets import BlendingGenerator
from outpaint_lightning.types import InputError

NET = {
    "size": 16, "widths": [4, 4, 8], "encoder_blocks": [0, 0, 0], "decoder_blocks": [0, 0, 0],
    "dilations": [0, 0, 0], "content": 4, "split": 2, "bct": "row_shared",
}  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    weights = {f"net.{name}": value for name, value in BlendingGenerator(**NET).state_dict().items()}
    net = {"class_path": "outpaint_lightning.nets.BlendingGenerator", "init_args": NET}
    torch.save({"state_dict": weights, "hyper_parameters": {"net": net}}, tmp_path / "net.ckpt")
    return str(tmp_path / "net.ckpt")


@pytest.fixture
def photos(tmp_path):
    for number, size in enumerate(((40, 96), (64, 60))):
        write_image(tmp_path / "photos" / f"{number}.png", texture(number, *size))
    return tmp_path / "photos"


def recipe(checkpoint, mask):
    fill = {"class_path": "net", "init_args": {"ckpt_path": checkpoint}}
    return Recipe.of(masks=[mask], fills=[fill], seams=["hard"], chains=["none"], per_clip=2)


def test_a_photo_keeps_every_pixel_outside_its_band(photos, checkpoint, tmp_path):
    """Of any size and proportion; bands differ, so that no place is a shortcut."""
    records = [record for record in forge(photos, tmp_path / "out", recipe(checkpoint, "band")) if record["forger"]]
    assert {record["forger"] for record in records} == {"band/net/hard"}
    bands = []
    for record in records:
        forged, original = (
            read_image(path)
            for path in (
                tmp_path / "out" / "frames" / record["clip"] / "00000.png",
                photos / record["path"],
            )
        )
        mask = read_mask(tmp_path / "out" / "masks" / record["clip"] / "00000.png")
        np.testing.assert_array_equal(forged[~mask], original[~mask])
        assert (forged[mask] != original[mask]).any(1).mean() > 0.9
        assert (mask == mask[:1]).all()
        bands.append(json.dumps(record["mask"]["params"]))
    assert len({*bands}) == 4


def test_another_mask_is_named_with_the_photo(photos, checkpoint, tmp_path):
    with pytest.raises(InputError, match=r"0.png: BlendingGenerator: the mask is no upright band.*`band`"):
        forge(photos, tmp_path / "out", recipe(checkpoint, "blob"))
