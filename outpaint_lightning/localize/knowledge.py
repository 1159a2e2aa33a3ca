"""What the card of a checkpoint says, in two lines that everyone who uses it should read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outpaint_lightning.localize.calibration import FALSE_ALARMS, Calibration, needed
from outpaint_lightning.results import is_number
from outpaint_lightning.results.text import count
from outpaint_lightning.types import InputError

UNTESTED = "never tested: how much of a forgery it finds is unknown"


def card_lines(card: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a checkpoint finds, and how often it is wrong about authentic footage.

    >>> card_lines({})[0]
    'never tested: how much of a forgery it finds is unknown'

    Raises:
        InputError: the card holds something else than it should.
    """
    tested = card.get("tested") or {}
    try:
        return _found(tested), f"{_false_alarms(tested)}; {_promise(card)}"
    except InputError:
        raise
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise InputError(f"the card of the checkpoint cannot be read ({type(error).__name__}: {error})") from error


def is_worse_than_floors(tested: Mapping[str, Any]) -> bool:
    """Return whether a guess that never looks at the frames scores as well as the net in its test."""
    value = tested.get("value")
    if value is None or not is_number(value) or (floor := _best_floor(tested)) is None:
        return False
    return bool(value >= floor[1] if tested.get("lower_is_better") else value <= floor[1])


def _found(tested: Mapping[str, Any]) -> str:
    if not is_number(tested.get("value")):
        return UNTESTED
    span = f" ({tested['low']:.3f} to {tested['high']:.3f})" if is_number(tested.get("low")) else ""
    data = f" on {tested['data']!r}" if tested.get("data") else ""
    judged = count(int(tested.get("count") or 0), str(tested.get("unit") or "video"))
    line = f"tested{data}: {tested.get('number')} {tested['value']:.3f}{span} over {judged}"
    floor = _best_floor(tested)
    if floor is None:
        return f"{line}; no floor is known"
    beside = f"a guess without looking ({floor[0]}) scores {floor[1]:.3f}{_no_better(tested)}"
    return f"WORSE THAN A GUESS: {line}; {beside}" if is_worse_than_floors(tested) else f"{line}; {beside}"


def _no_better(tested: Mapping[str, Any]) -> str:
    """Return the codecs under which the net does no better than a guess, where the test has numbers of codecs."""
    levels = [level for level in tested.get("levels") or () if is_number(level.get("floor"))]
    worse = [
        str(level["name"]) for level in levels if not is_number(level["value"]) or level["value"] <= level["floor"]
    ]
    if not worse:
        return ""
    return f"; NO BETTER THAN A GUESS under {len(worse)} of {len(levels)} codecs: {', '.join(worse)}"


def _best_floor(tested: Mapping[str, Any]) -> tuple[str, float] | None:
    floors = tested.get("floors")
    known = {str(name): float(value) for name, value in (floors or {}).items() if is_number(value)}
    choose = min if tested.get("lower_is_better") else max
    return choose(known.items(), key=lambda item: item[1]) if known else None


def _false_alarms(tested: Mapping[str, Any]) -> str:
    if is_number(tested.get("false_alarms")):
        images = count(int(tested.get("authentic") or 0), "authentic image")
        return f"false alarms: {tested['false_alarms']:.1%} of {images} were called forged"
    if not is_number(tested.get("pixel_fpr")):
        return "false alarms on authentic footage: never measured"
    levels = [level for level in tested.get("levels") or () if is_number(level.get("pixel_fpr"))]
    worst = max(levels, key=lambda level: level["pixel_fpr"], default=None)
    under = f", at worst {worst['pixel_fpr']:.1%} ({worst['name']})" if worst else ""
    videos = count(int(tested.get("authentic") or 0), "authentic video")
    return f"false alarms: {tested['pixel_fpr']:.1%} of the pixels of {videos}{under}"


def _promise(card: Mapping[str, Any]) -> str:
    if "calibration" not in card:
        return "not calibrated, so there is no verdict"
    authentic = Calibration.read(card["calibration"]).authentic
    if authentic < needed(FALSE_ALARMS):
        return f"calibrated on {authentic} authentic videos, too few for a verdict"
    return f"at most {FALSE_ALARMS:.0%} of authentic videos are called forged (n = {authentic})"
