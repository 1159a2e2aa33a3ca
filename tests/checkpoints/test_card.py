import json

import pytest
import torch

from outpaint_lightning.checkpoints.card import CARD, fingerprint, new_card, read_card, write_card
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.checkpoints.weights import save_weights
from outpaint_lightning.types import InputError

WEIGHTS = {"net.a": torch.arange(6.0).reshape(2, 3), "net.b": torch.tensor(1, dtype=torch.int64)}


@pytest.fixture
def path(tmp_path):
    torch.save({"state_dict": WEIGHTS, "optimizer_states": [{"lr": 0.1}], "epoch": 3}, tmp_path / "net.ckpt")
    return tmp_path / "net.ckpt"


def test_the_fingerprint_is_of_names_types_shapes_and_values():
    first = fingerprint(WEIGHTS)
    assert fingerprint(dict(reversed(WEIGHTS.items()))) == first
    changed = [
        {**WEIGHTS, "net.a": WEIGHTS["net.a"] + 1e-2},
        {**WEIGHTS, "net.a": WEIGHTS["net.a"].reshape(3, 2)},
        {**WEIGHTS, "net.b": torch.tensor(1, dtype=torch.int32)},
        {"net.c": WEIGHTS["net.a"], "net.b": WEIGHTS["net.b"]},
    ]
    assert len({first, *map(fingerprint, changed)}) == 5
    assert fingerprint({"a": torch.arange(6.0).reshape(2, 3).t()}) == fingerprint(
        {"a": torch.arange(6.0).reshape(2, 3).t().contiguous()}
    )
    assert len(fingerprint({"half": torch.zeros(2, dtype=torch.bfloat16)})) == 16


def test_a_card_is_written_beside_everything_else(path):
    assert read_card(path) == {"version": 1, "weights": fingerprint(WEIGHTS)}
    write_card(path, new_card(WEIGHTS, tested={"value": 0.5}))
    assert read_card(path)["tested"] == {"value": 0.5}
    checkpoint = torch.load(path, weights_only=True)
    assert (checkpoint["epoch"], checkpoint["optimizer_states"]) == (3, [{"lr": 0.1}])
    assert torch.equal(checkpoint["state_dict"]["net.a"], WEIGHTS["net.a"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": "0" * 16}, "belongs to other weights"),
        ({"version": 2}, "of version 2; this package reads up to 1"),
        ({"version": "1"}, "has no version"),
        ({"calibration": [1]}, "`calibration` of its card is"),
        ({"limits": "none"}, "`limits` of its card are 'none'; expected a list of sentences"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(path, change, words):
    """Read and written alike, and the file stays."""
    card = {**new_card(WEIGHTS), **change}
    before = path.read_bytes()
    with pytest.raises(InputError, match=words):
        write_card(path, card)
    assert path.read_bytes() == before
    torch.save({"state_dict": WEIGHTS, CARD: card}, path)
    with pytest.raises(InputError, match=words):
        read_card(path)


def test_of_weights_that_are_passed_on_it_lies_in_their_json(run_folder, tmp_path):
    """Stored in half, they keep their fingerprint, and the rest of the JSON stays."""
    task = load_task(run_folder)
    path = tmp_path / "net.safetensors"
    save_weights(task, path, {"licence": "MIT", "limits": ["it is tiny"]}, half=True)
    card = new_card(task.state_dict(), tested={"value": 0.5})
    write_card(path, card)
    assert read_card(path) == {**card, "limits": ["it is tiny"]}
    assert json.loads((tmp_path / "net.json").read_text())["licence"] == "MIT"
    load_task(path)
