"""What an exported net says of itself, in the metadata of its file: plain values under one key, as JSON.

```
format      1
version     of the package that wrote it
kind        localizer, detector or refiner
net         name of its class
checkpoint  fingerprint of the weights it was made from; see `checkpoints.card`
weights     fingerprint of the weights in this file
inputs      of each input: shape, unit and range, in words
outputs     of each output
options     how frames are prepared and judged, as numbers; what they are depends on the kind
card        of the checkpoint
```

ONNX files have it in `metadata_props`, files of `torch.export` as an extra file. Nothing in it is executed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from outpaint_lightning.types import InputError

ONNX = ".onnx"
PROGRAM = ".pt2"
"""Of a program that `torch.export` wrote."""
KEY = "outpaint_lightning"
"""Of the metadata; the extra file in a `.pt2` is called so, too."""
FORMAT = 1
LONGEST = 8_000_000
"""Characters of metadata; a card with thousands of scores has a tenth."""
_KINDS: dict[str, type] = {
    **dict.fromkeys(("version", "kind", "net", "checkpoint", "weights"), str),
    **dict.fromkeys(("inputs", "outputs", "options", "card"), dict),
}


@dataclass(frozen=True)
class About:
    """What the file of an exported net says of it; see above."""

    version: str
    kind: str
    net: str
    checkpoint: str
    weights: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    options: dict[str, Any]
    card: dict[str, Any]

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what the metadata of a file says; `options` and `card` are checked where they are used.

        Raises:
            InputError: it is not what `text` writes.
        """
        if len(text) > LONGEST:
            raise InputError(f"its metadata has {len(text)} characters; expected at most {LONGEST}")
        try:
            values = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise InputError(f"its metadata is no JSON ({type(error).__name__})") from error
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            found = values.get("format") if isinstance(values, dict) else type(values).__name__
            raise InputError(f"its metadata has the format {found!r}; this version reads {FORMAT}")
        for key, kind in _KINDS.items():
            if not isinstance(values.get(key), kind):
                raise InputError(
                    f"{key} of its metadata is a {type(values.get(key)).__name__}; expected {_NAMES[kind]}"
                )
        return cls(**{key: values[key] for key in _KINDS})

    @property
    def text(self) -> str:
        """The JSON that `read` takes."""
        return json.dumps({"format": FORMAT, **asdict(self)})


_NAMES = {str: "text", dict: "keys and values"}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
