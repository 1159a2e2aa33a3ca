"""docs/how-to/augment.md: its YAML works as it stands, and its script draws its pictures."""

import re
import runpy

import jsonargparse
import pytest
import torch
from support import REPOSITORY
from torch import nn

from outpaint_lightning.augment import DeviceAugmentation
from outpaint_lightning.io import image_size

PAGE = (REPOSITORY / "docs" / "how-to" / "augment.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
META = {"frames": [0, 1]}


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.filterwarnings("ignore:.*fold:RuntimeWarning")
def test_yaml_gives_augmentations(block):
    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--augmentations", type=list[nn.Module])
    augmentations = parser.instantiate(parser.parse_string(block)).augmentations
    batch = {"image": torch.rand(48, 2, 3, 32, 32), "mask": torch.zeros(48, 2, 1, 32, 32), "meta": [META] * 48}
    out = DeviceAugmentation(augmentations)(batch, 0, 0)
    assert out["image"].shape[1:] == batch["image"].shape[1:]
    assert not torch.equal(out["image"][-48:], batch["image"])


def test_script_draws_the_pictures_and_prints_the_table(tmp_path, capsys):
    main = runpy.run_path(str(REPOSITORY / "docs" / "pictures" / "augmentations.py"))["main"]
    main.__globals__["DRAWS"] = 2  # the page's 256 take half a minute
    main(tmp_path)
    pictures = re.findall(r"pictures/(augment_\w+\.png)", PAGE)
    assert sorted(pictures) == sorted(path.name for path in tmp_path.iterdir())
    for name in pictures:
        assert image_size(tmp_path / name) == image_size(REPOSITORY / "docs" / "pictures" / name)
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header in PAGE
    for row in rows:
        assert row[: len("| 256x448 | 2 |")] in PAGE
