"""`outpaint-lightning sweep`: its options; the work is behind an import so that `--help` answers at once."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from outpaint_lightning.types import InputError, did_you_mean

_OF_TRIALS = ("seed_everything", "ckpt_path")  # the keys of an experiment without a dot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `sweep`."""
    parser.usage = "%(prog)s SWEEP.yaml [OPTIONS] [--KEY VALUE ...]"
    parser.add_argument("sweep", metavar="SWEEP.yaml", help="a file, or the name of a shipped one: localizer_gamma")
    parser.add_argument("--out", metavar="DIR", help="sweep folder (default: runs/<name of the sweep>)")
    parser.add_argument("--trials", type=int, metavar="N", help="how many in all, finished ones included")
    parser.add_argument("--workers", type=int, metavar="N", help="trials at a time (default: as the GPUs allow, or 1)")
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="database of the study, one for many hosts (default: sqlite in the sweep folder)",
    )
    parser.add_argument("--list", action="store_true", help="show the trials so far and refresh trials.csv, no more")
    parser.epilog = "Any further --KEY VALUE goes to every trial: --data.root data/forged. " + (parser.epilog or "")


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return the options; those of the trials are in `overrides` and `configs`."""
    args, rest = parser.parse_known_args(words)
    args.overrides, args.configs = {}, []
    for key, value in _pairs(rest):
        if key in ("config", "c"):
            args.configs.append(value)
        elif "." in key or key in _OF_TRIALS:
            args.overrides[key] = _value(value)
        else:
            raise InputError(
                f"no option '--{key}'{did_you_mean('--' + key, parser._option_string_actions)} (see --help)"
            )
    return args


def run(args: argparse.Namespace) -> int:
    """Run or list a sweep; return the exit code."""
    if find_spec("fcntl") is None:
        raise InputError("sweep: does not work on Windows, which lacks the file locks and process groups it stands on")
    from outpaint_lightning.settings.find import find_config

    find_config(args.sweep, "sweeps")  # before the import of Optuna, which takes a second

    from outpaint_lightning.sweep.spec import read_sweep

    plan = read_sweep(args.sweep, args.trials, args.overrides, args.configs)

    from outpaint_lightning.sweep.run import list_trials, sweep

    if args.list:
        return list_trials(plan, args.out, args.storage)
    return sweep(plan, args.out, args.storage, args.workers)


def _value(word: str) -> Any:
    """Parse numbers, lists and the like as in a sweep's file; return any other word unchanged, for `fit` to read."""
    try:
        return json.loads(word)
    except ValueError:
        return word


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the keys and values of `--key value` and `--key=value`."""
    rest = iter(words)
    for word in rest:
        key, equals, value = word.partition("=")
        if not key.startswith("-"):
            raise InputError(f"{word!r}: expected --KEY VALUE")
        given = value if equals else next(rest, None)
        if given is None:
            raise InputError(f"{word}: expected a value")
        yield key.lstrip("-"), given
