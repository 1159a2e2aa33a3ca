from types import SimpleNamespace

import pytest

from outpaint_lightning.data import ClipDataModule, FlowDataModule, RegionDataModule
from outpaint_lightning.types import ClipData, FlowData, InputError, RegionData, StoredData, datamodule


@pytest.mark.parametrize(
    ("data", "needs"),
    [
        (ClipDataModule("x"), ClipData),
        (ClipDataModule("x"), StoredData),
        (RegionDataModule("x"), RegionData),
        (RegionDataModule("x"), StoredData),
        (FlowDataModule(), FlowData),
    ],
)
def test_our_modules_serve_their_tasks(data, needs):
    assert datamodule(SimpleNamespace(datamodule=data), needs) is data


@pytest.mark.parametrize(
    ("data", "needs", "words"),
    [
        (FlowDataModule(), ClipData, "FlowDataModule lacks training_masks, window, conditions, corruption_options;"),
        (ClipDataModule("x"), FlowData, "ClipDataModule lacks protocol, hole_setup;"),
        (ClipDataModule("x"), RegionData, "ClipDataModule lacks sizes, training_boxes, size;"),
        (None, FlowData, "NoneType lacks videos, protocol, hole_setup;"),
    ],
)
def test_the_module_of_another_task_is_named(data, needs, words):
    """In one line, with all that is missing: not an AttributeError in the middle of an epoch."""
    with pytest.raises(InputError) as error:
        datamodule(SimpleNamespace(datamodule=data), needs)
    assert words in str(error.value)
    assert str(error.value).endswith(f"outpaint_lightning.types.{needs.__name__}")
