"""Small datasets and runs that the tests share."""

import os
from pathlib import Path

os.environ["WANDB_MODE"] = "offline"  # no test uploads, whatever key the machine has
os.environ["OMP_NUM_THREADS"] = "1"  # tiny nets: threads that wait for one another are slower, in child processes too

import pytest
from support import fit_options, region_options, write_clip, write_photos

from outpaint_lightning.io import write_manifest


def pytest_collection_modifyitems(items):
    """The files of whole commands first: they take longest, and two processes should end together."""
    longest = Path(__file__).parent, Path(__file__).parent / "sweep"
    items.sort(key=lambda item: item.path.parent not in longest)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """A dataset of two sources a split, authentic and forged: 3 frames of 128x136 each."""
    return write_dataset(tmp_path_factory.mktemp("dataset"), frames=3)


@pytest.fixture(scope="session")
def longer_dataset(tmp_path_factory):
    """The same of 6 frames each, room for the longest windows of a shipped config."""
    return write_dataset(tmp_path_factory.mktemp("longer_dataset"), frames=6)


def write_dataset(root, frames):
    entries = [
        write_clip(root, (f"{source}{suffix}", split, source, forger), frames)
        for split, source in (("train", "a"), ("train", "b"), ("val", "c"), ("test", "d"), ("test", "e"))
        for suffix, forger in (("", ""), ("__1", "left/flat/hard"))
    ]
    write_manifest(root / "manifest.csv", entries)
    return root


@pytest.fixture(scope="session")
def run_folder(dataset, tmp_path_factory):
    """The run folder of one epoch of `fit` through the real command line."""
    from outpaint_lightning.cli import main

    run = tmp_path_factory.mktemp("runs") / "small"
    assert main(["fit", *fit_options(dataset, run)]) == 0
    return run


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A dataset of five photos and their forged twins; see `write_photos`."""
    root = tmp_path_factory.mktemp("photos")
    write_photos(root)
    return root


@pytest.fixture(scope="session")
def region_run(photos, tmp_path_factory):
    """The run folder of two epochs of `fit` of the small region experiment through the real command line."""
    from outpaint_lightning.cli import main

    run = tmp_path_factory.mktemp("runs") / "regions"
    assert main(["fit", *region_options(photos, run)]) == 0
    return run
