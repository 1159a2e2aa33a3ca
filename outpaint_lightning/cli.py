"""The console script `outpaint-lightning`: one light dispatcher, so that `--help` never imports torch.

A command is a module with `add_arguments(parser)` and `run(args) -> exit code` that imports its heavy parts inside
`run`, and may have `parse(parser, words)`; fit, validate, test and predict are LightningCLI's.
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

COMMANDS = {
    "demo": ("everything below on clips it renders itself, in minutes, on a CPU", "outpaint_lightning.demo.command"),
    "forge": ("make a labelled dataset of forgeries from clean clips and photos", "outpaint_lightning.forge.command"),
    "audit": ("find what is broken, leaks or gives the answer away in a dataset", "outpaint_lightning.audit.command"),
    "fit": ("train a net on a dataset", "outpaint_lightning.experiment"),
    "validate": ("judge a net on the validation split", "outpaint_lightning.experiment"),
    "test": ("judge a net on the test split: F1 per video beside its floors", "outpaint_lightning.experiment"),
    "predict": ("write the masks that a net finds in a dataset", "outpaint_lightning.experiment"),
    "localize": ("find forged regions in any video files or frame folders", "outpaint_lightning.localize.command"),
    "inpaint": (
        "fill masked regions of a video with what its other frames show",
        "outpaint_lightning.inpaint.command",
    ),
    "sweep": (
        "search options for the best, each trial a fit, on all GPUs and hosts",
        "outpaint_lightning.sweep.command",
    ),
    "compare": (
        "put runs side by side: one page that needs nothing else, and a table",
        "outpaint_lightning.compare.command",
    ),
}
EXPERIMENT_HELP = """\
usage: outpaint-lightning {command} --config FILE.yaml [--KEY VALUE ...]

{summary}

  -c, --config FILE.yaml   an experiment; given several times, later files win
  --data.root DIR          the dataset, or any other key of the file: --model.threshold 0.4, --trainer.max_epochs 3
  --ckpt_path PATH         best, last, a run folder or a .ckpt file{default}
  --trainer.default_root_dir DIR   the run folder
  --overwrite              replace what the run folder holds
  --print_config           print the resolved config and stop
  --help-all               every key, with types and defaults (imports everything: takes a while)
  --trust MODULE           let a checkpoint name classes of a module of your own; may be given again
  --debug                  show the traceback of an error
"""


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
        elif COMMANDS[command][1] == "outpaint_lightning.experiment":
            return _experiment(command, words[1:], from_console=argv is None)
        else:
            return _command(command, words[1:])
    except InputError as error:
        if debug:
            raise
        print(f"outpaint-lightning: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:
        if debug:
            raise
        print(f"outpaint-lightning: error: {error.filename or error}: {error.strerror or ''}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("outpaint-lightning: interrupted", file=sys.stderr)
        return 130
    return 0


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


def _command(command: str, words: Sequence[str]) -> int:
    """Run a command that has a module of its own."""
    summary, module_name = COMMANDS[command]
    module = importlib.import_module(module_name)
    parser = _Parser(f"outpaint-lightning {command}", description=summary, allow_abbrev=False)
    parser.epilog = "--debug shows the traceback of an error; --trust MODULE lets a checkpoint name your own classes."
    module.add_arguments(parser)
    parse = getattr(module, "parse", _Parser.parse_args)  # a command may take words that are not its own
    return _exit_code(lambda: module.run(parse(parser, words)))


def _experiment(command: str, words: Sequence[str], from_console: bool) -> int:
    """Fit, validate, test or predict with LightningCLI."""
    if not words or words[0] in ("-h", "--help"):
        default = "" if command == "fit" else " (default: the run's own best)"
        print(EXPERIMENT_HELP.format(command=command, summary=COMMANDS[command][0], default=default))
        return 0
    from outpaint_lightning.experiment import run as experiment

    line = [command, *("--help" if word == "--help-all" else word for word in words)]
    if not from_console:
        return _exit_code(lambda: experiment.run(line))
    sys.argv[1:] = line  # Lightning starts its further processes with this line
    return _exit_code(lambda: experiment.run(None))


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
