"""The relevant lines of a message of jsonargparse."""

from __future__ import annotations

import re

# Lines that only repeat the given value or the alternatives of a union.
_NOISE = re.compile(
    r"Given value|Subtypes: |Errors:|Does not validate|Expected a <class 'NoneType'>|Expected a path but", re.ASCII
)


def relevant_lines(message: str) -> list[str]:
    r"""Return the lines that say what is wrong.

    >>> relevant_lines("Does not validate\n  Errors:\n  - Option 'widht' is not accepted\n  Given value: {'a': 1}")
    ["Option 'widht' is not accepted"]
    """
    lines = [line.strip(" -\t") for line in message.splitlines() if not _NOISE.search(line)]
    return [line for line in lines if line]
