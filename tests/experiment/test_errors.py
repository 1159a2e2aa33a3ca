import doctest

from outpaint_lightning.experiment import ending, errors
from outpaint_lightning.experiment.errors import with_key

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


def test_other_messages_stay():
    for message in ("data.root: no such folder", "loss is nan at step 0", "UNet: strange"):
        assert with_key(message, {"model": NET}) == message
