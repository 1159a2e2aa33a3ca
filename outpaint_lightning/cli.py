"""The console script `outpaint-lightning`: one light dispatcher, so that `--help` never imports torch.

Each verb of the package has a `command` module with `add_arguments(parser)` and `run(args) -> exit code`, which imports
its heavy parts inside `run`, and may have `parse(parser, words)`. fit, validate, test and predict are LightningCLI's,
whose options are the keys of a YAML: their module has `start`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from outpaint_lightning import __version__
from outpaint_lightning.types import InputError, did_you_mean

EXPERIMENT = "experiment"
COMMANDS = {
    "demo": ("run the commands below on clips rendered here; takes minutes on a CPU", "demo"),
    "forge": ("make a labelled dataset of forgeries from clean clips and photos", "forge"),
    "audit": ("find broken files, leaks between splits and shortcuts in a dataset", "audit"),
    "fit": ("train a net on a dataset", EXPERIMENT),
    "validate": ("judge a net on the validation split", EXPERIMENT),
    "test": ("judge a net on the test split: F1 per video, compared with its floors", EXPERIMENT),
    "predict": ("write the masks that a net finds in a dataset", EXPERIMENT),
    "seal": ("write into a checkpoint how it did in its test, and how authentic footage scores", "seal"),
    "localize": ("find forged regions in video files, frame folders and images", "localize"),
    "benchmark": ("measure a localizer under the codecs that video goes through", "benchmark"),
    "export": ("write a net for other programs: ONNX, torch.export, or weights with a card", "export"),
    "weights": ("list the nets that come with the package", "weights"),
    "inpaint": ("fill masked regions of a video with the content of its other frames", "inpaint"),
    "sweep": ("search for the best options; each trial is a fit, on all GPUs and hosts", "sweep"),
    "compare": ("compare runs: one self-contained HTML page, and a CSV", "compare"),
}
"""What each command does, and the part of the package that has its `command` module."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0 done, 1 findings or failure, 2 bad input, 130 interrupted.

    Args:
        argv: the words after the program's name; None takes them from `sys.argv`.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        words = _without_trust(words)
        command = words[0] if words else "--help"
        if command in ("-h", "--help"):
            print(_help())
        elif command == "--version":
            print(f"outpaint-lightning {__version__}")
        elif command not in COMMANDS:
            raise InputError(f"no command {command!r}{did_you_mean(command, COMMANDS)} (see --help)")
        else:
            return _command(command, words[1:], from_console=argv is None)
    except InputError as error:
        if debug:
            raise
        _print_error(str(error))
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:
        if debug:
            raise
        _print_error(f"{error.filename or error}: {error.strerror or ''}")
        return 2
    except KeyboardInterrupt:
        print("outpaint-lightning: interrupted", file=sys.stderr)
        return 130
    return 0


def _print_error(message: str) -> None:
    """Print one line: names in it may be a stranger's, so line breaks and codes of the terminal are spelled out."""
    line = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in message)
    print(f"outpaint-lightning: error: {line}", file=sys.stderr)


def console() -> NoReturn:
    """Entry point of the console script. As with `python -m`, modules in the working directory can be named."""
    sys.path.insert(0, "")
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more at its end
        code = 128 + 13  # as a shell reports SIGPIPE
    sys.exit(code)


def _help() -> str:
    commands = "\n".join(f"  {name:10} {summary}" for name, (summary, _) in COMMANDS.items())
    return (
        "usage: outpaint-lightning COMMAND [OPTIONS]\n\n"
        "Make, find and repair outpainted and inpainted regions in video and images.\n\n"
        f"commands:\n{commands}\n\n"
        "outpaint-lightning COMMAND --help shows a command's options; --version the version."
    )


def _without_trust(words: Sequence[str]) -> list[str]:
    """Note the modules that `--trust` names, and return the other words."""
    kept, rest = [], iter(words)
    for word in rest:
        name, given, module = word.partition("=")
        if name != "--trust":
            kept.append(word)
            continue
        from outpaint_lightning.checkpoints.allowed import trust

        trust(module if given else next(rest, ""))
    return kept


def _command(command: str, words: Sequence[str], from_console: bool) -> int:
    """Run a command."""
    summary, part = COMMANDS[command]
    module = importlib.import_module(f"outpaint_lightning.{part}.command")
    if part == EXPERIMENT:
        return _exit_code(lambda: module.start(command, summary, words, from_console=from_console))
    parser = _Parser(f"outpaint-lightning {command}", description=summary, allow_abbrev=False)
    parser.epilog = "--debug shows the traceback of an error; --trust MODULE lets a checkpoint name your own classes."
    module.add_arguments(parser)
    parse = getattr(module, "parse", _Parser.parse_args)  # a command may take words that are not its own
    return _exit_code(lambda: module.run(parse(parser, words)))


def _exit_code(run: Callable[[], int | None]) -> int:
    """Return the exit code of what may leave by SystemExit, as parsers do after printing help or a config."""
    try:
        return run() or 0
    except SystemExit as leaving:
        return int(leaving.code or 0)


class _Parser(argparse.ArgumentParser):
    """Argparse whose errors are ours."""

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            word = unknown.split()[0]
            raise InputError(f"no option {word!r}{did_you_mean(word, self._option_string_actions)} (see --help)")
        raise InputError(f"{message} (see --help)")
