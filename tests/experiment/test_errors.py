import doctest
from types import SimpleNamespace

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from outpaint_lightning.experiment import ending, errors
from outpaint_lightning.experiment.errors import keyed_errors, one_line, with_key
from outpaint_lightning.results import LOCALIZATION
from outpaint_lightning.types import InputError

NET = {"class_path": "outpaint_lightning.nets.UNet", "init_args": {"width": 12}}


def test_examples():
    for module in (errors, ending):
        assert doctest.testmod(module).failed == 0


def test_the_key_of_a_class_in_a_list():
    fills = [{"class_path": "a.Zero"}, {"class_path": "a.Blend", "init_args": {"fills": []}}]
    config = {
        "model": {"class_path": "a.Task", "init_args": {"net": {"class_path": "a.Net", "init_args": {"x": fills}}}}
    }
    assert with_key("Blend: fills has 0: expected more", config) == "model.net.x[1].fills has 0: expected more"
    assert with_key("Zero: fills has 0", config) == "Zero: fills has 0"  # it has no such option


def test_a_class_named_twice_keeps_its_name():
    """Which of the two is wrong, the message does not say."""
    config = {"model": {"class_path": "a.Task", "init_args": {"net": NET, "other": NET}}}
    assert with_key("UNet: width is 12: expected more", config) == "UNet: width is 12: expected more"


def test_an_error_keeps_its_class():
    """The command line tells bad values from a training that came to nothing."""

    class Diverged(InputError):
        pass

    with pytest.raises(Diverged, match=r"^net\.width is 12$") as error, keyed_errors({"net": NET}):
        raise Diverged("UNet: width is 12")
    assert str(error.value.__cause__) == "UNet: width is 12"
    with pytest.raises(InputError, match="no such folder") as error, keyed_errors({"net": NET}):
        raise InputError("data.root: no such folder")
    assert error.value.__cause__ is None


def test_other_messages_stay():
    for message in ("data.root: no such folder", "loss is nan at step 0", "UNet: strange"):
        assert with_key(message, {"model": NET}) == message


def test_the_keys_of_nested_parsers_are_joined():
    """Each parser on the way puts its own key in front of a message that is one already."""
    message = "Parser key \"model\": Parser key \"net\": no option 'widht'; did you mean 'width'?"
    assert one_line(message) == "model.net: no option 'widht'; did you mean 'width'?"
    assert one_line("no option 'a'") == "no option 'a'"


def test_a_fit_that_ended_before_its_first_validation_says_so():
    """`--trainer.max_steps` may end it earlier; silence would look as if there were a best checkpoint."""
    trainer = SimpleNamespace(default_root_dir="r", checkpoint_callbacks=[ModelCheckpoint(monitor="val/f1")])
    lines = ending.fit_lines(trainer, SimpleNamespace(kind=LOCALIZATION), ["fit", "--config", "a.yaml"])
    assert [line.split("  ")[0] for line in lines] == ["run folder", "best", "next"]
    assert lines[1].endswith("none: val/f1 was not logged before the end")


def test_validate_says_why_its_number_is_undefined():
    task = SimpleNamespace(kind=LOCALIZATION)
    nan, known = (SimpleNamespace(callback_metrics={"val/f1": value}) for value in (float("nan"), 0.5))
    assert ending.validate_lines(nan, task) == ["val/f1 undefined (no judged validation frame has forged pixels)"]
    assert ending.validate_lines(known, task) == []
