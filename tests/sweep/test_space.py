"""The search space: what it proposes, and what it refuses."""

import optuna
import pytest

from outpaint_lightning.sweep.space import Space
from outpaint_lightning.types import InputError


def read(**space):
    return Space.read({key.replace("__", "."): value for key, value in space.items()}, "s.yaml: space")


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"a": {"low": 1.0, "high": 1.0}}, "a: low is 1.0, high 1.0: expected low below high"),
        ({"a": {"low": 0.0, "high": 1.0, "log": True}}, "a: log: expected a low above 0"),
        ({"a": {"low": 0.0, "high": 1.0, "step": 1.5}}, "a.step: expected above 0 and at most 1.0, got 1.5"),
        ({"a": {"low": 0.0}}, "a.high: expected a number, got None"),
        ({"a": {"low": "1e-5", "high": 1.0}}, "a.low: expected a number, got '1e-5'"),
        ({"a": {"low": float("-inf"), "high": 1.0}}, "a.low: expected a number"),
        ({"a": {"lo": 0.0, "high": 1.0}}, "a: no option 'lo'; did you mean 'low'?"),
        ({"a": {"choices": []}}, "a.choices: expected a list of at least one value"),
        ({"a": {"choices": "word"}}, "a.choices: expected a list"),
        ({"a": {"choices": ["1", 1]}}, "a.choices: 1 is there twice"),
        ({"a": [1, 2]}, "a: expected {low: ..., high: ...} or {choices: [...]}"),
        ({"a": {"choices": [1], "when": {"b": 1}}}, "a.when: no key 'b' in the space above it"),
        ({"a": {"choices": [1]}, "b": {"choices": [1], "when": {"a": 2}}}, "b.when: a is never 2: expected one of 1"),
        (
            {
                "a": {"choices": [1, 2]},
                "b": {"choices": [1], "when": {"a": 1}},
                "c": {"choices": [1], "when": {"b": 1, "a": 2}},
            },
            "c.when: a cannot be 1 and 2 at once",
        ),
        ({}, "expected at least one key"),
    ],
)
def test_what_is_impossible_is_refused(space, said):
    with pytest.raises(InputError) as refused:
        read(**space)
    assert said in str(refused.value)


def test_combinations_leave_out_what_is_not_asked():
    space = read(
        net={"choices": ["raft", "unet"]},
        updates={"low": 4, "high": 8, "step": 2, "when": {"net": "raft"}},
        lr={"low": 0.1, "high": 0.3, "step": 0.1},
    )
    rows = space.combinations("here")
    assert len(rows) == 3 * 3 + 3  # not 2 * 3 * 3
    assert rows[0] == {"net": "raft", "updates": 4, "lr": 0.1}
    assert rows[2]["lr"] == 0.3  # not 0.30000000000000004
    assert all(("updates" in row) == (row["net"] == "raft") for row in rows)
    with pytest.raises(InputError, match="lr has no step"):
        read(lr={"low": 0.1, "high": 0.3}).combinations("here")


def test_examples_have_every_key_and_every_choice_but_few_rows():
    space = read(
        loss={"choices": ["a.Focal", "a.Dice"]},
        gamma={"low": 0, "high": 9, "when": {"loss": "a.Focal"}},
        weight={"choices": [1, 2, 3], "when": {"loss": "a.Dice"}},
        deep={"choices": [[1], None], "when": {"weight": 1}},
    )
    rows = [*space.examples()]
    assert {key for row in rows for key in row} == {"loss", "gamma", "weight", "deep"}
    assert {row["loss"] for row in rows} == {"a.Focal", "a.Dice"}
    assert [row["deep"] for row in rows if "deep" in row] == [[1], None]
    assert len(rows) == 3


def test_choices_of_any_kind_come_back_as_they_were():
    choices = ["balanced", [1.0, 3.0], {"class_path": "x.Y"}, 3, 0.5, True, None]
    space = read(a={"choices": choices})
    study = optuna.create_study()
    for choice in choices:
        study.enqueue_trial(space.stored({"a": choice}))
    seen = [space.suggest(study.ask())["a"] for _ in choices]
    assert [(type(value), value) for value in seen] == [(type(value), value) for value in choices]
    assert [space.values(trial.params)["a"] for trial in study.trials] == choices


def test_a_condition_is_asked_of_the_study_too():
    space = read(a={"choices": ["x", "y"]}, b={"low": 1, "high": 3, "when": {"a": "y"}})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = [space.suggest(study.ask()) for _ in range(20)]
    assert {row["a"] for row in found} == {"x", "y"}
    assert all(("b" in row) == (row["a"] == "y") for row in found)


@pytest.mark.parametrize(
    ("options", "value", "held"),
    [
        ({"low": 1, "high": 3}, 2.0, True),
        ({"low": 1, "high": 3}, 2.5, False),
        ({"low": 1, "high": 3}, True, False),
        ({"low": 1.0, "high": 3.0}, 2.5, True),
        ({"low": 0.6, "high": 1.0, "step": 0.1}, 0.9, True),  # 0.3 / 0.1 is 2.9999999999999996
        ({"low": 0.6, "high": 1.0, "step": 0.1}, 0.95, False),
        ({"choices": [1, "a"]}, 1, True),
        ({"choices": [1, "a"]}, True, False),
    ],
)
def test_what_a_key_holds(options, value, held):
    assert read(a=options)[0].holds(value) is held


def test_names_are_as_short_as_they_can_be_told_apart():
    space = read(
        model__criterion__gamma={"low": 0.5, "high": 1.0},
        model__schedule__gamma={"low": 0.5, "high": 1.0},
        model__optimizer__lr={"low": 0.1, "high": 1.0},
        model__criterion={"choices": ["outpaint_lightning.losses.SequenceFocal"]},
    )
    assert [*space.names().values()] == ["criterion.gamma", "schedule.gamma", "lr", "criterion"]
    values = {"model.optimizer.lr": 0.000312345, "model.criterion": "outpaint_lightning.losses.SequenceFocal"}
    assert space.title(values) == "lr=0.000312 criterion=SequenceFocal"
