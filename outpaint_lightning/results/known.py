"""The result of a test in one form for every kind of task, for the card of a checkpoint."""

from __future__ import annotations

from typing import Any

from outpaint_lightning.results.kinds import Kind, Rows, Summary, number_at, part


def tested(kind: Kind, summary: Summary, rows: Rows, data: str) -> dict[str, Any]:
    """Return the main number with its floors, and the false positives on authentic footage.

    Args:
        kind: kind of the task; its first column is the number.
        summary: summary of the test.
        rows: rows of the test's table.
        data: name of the dataset.

    Returns:
        `task`, `data`, `number`, `value`, `low` and `high` of its interval, `lower_is_better`, `floors`, `count` and
        `unit` of the rows. `authentic`, the number of authentic videos or images, and what the task counts on them:
        `pixel_fpr`, the share of their pixels that is marked, or `false_alarms`, the share of them that is called
        forged. `levels`, a list of `name`, `value` and `pixel_fpr`, after a test with corruptions.
    """
    number, interval = kind.columns[0], kind.interval
    authentic = part(summary, "authentic")
    return {
        "task": kind.task,
        "data": data,
        "number": number.title,
        "value": number_at(summary, number.key),
        "low": number_at(summary, f"{interval}.low"),
        "high": number_at(summary, f"{interval}.high"),
        "lower_is_better": kind.lower,
        "floors": kind.floors(summary),
        "count": len(rows),
        "unit": kind.unit,
        "pixel_fpr": authentic.get("pixel_fpr"),
        "false_alarms": authentic.get("false_alarms"),
        "authentic": authentic.get("videos", authentic.get("images", 0)),
        "levels": [
            {"name": f"{name} {curve['option']} {level:g}", "value": value, "pixel_fpr": false_positives}
            for name, curve in part(summary, "robustness").items()
            for level, value, false_positives in zip(curve["levels"], curve["f1"], curve["pixel_fpr"], strict=True)
        ],
    }
