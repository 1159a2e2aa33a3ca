"""`outpaint-lightning fit|validate|test|predict`: help at once, then a check of the files, then LightningCLI."""

from __future__ import annotations

import sys
from collections.abc import Sequence

HELP = """\
usage: outpaint-lightning {command} --config FILE.yaml [--KEY VALUE ...]

{summary}

  -c, --config FILE.yaml   an experiment, or the name of a shipped one: localizer/small; of several, later ones win
  --data.root DIR          the dataset, or any other key of the file: --model.threshold 0.4, --trainer.max_epochs 3
  --ckpt_path PATH         best, last, a run folder or a .ckpt file{default}
  --trainer.default_root_dir DIR   the run folder
  --overwrite              replace what the run folder holds
  --print_config           print the resolved config and stop
  --help-all               every key of the trainer, and how to list those of a task and of its data (takes a while)
  --trust MODULE           let a checkpoint name classes of a module of your own; may be given again
  --debug                  show the traceback of an error
"""
HELP_ALL = """
The keys of a task and of its data, by class:
  outpaint-lightning {command} --model.help LocalizationTask    (or RegionTask, FlowRefinementTask, ...)
  outpaint-lightning {command} --data.help ClipDataModule       (or RegionDataModule, FlowDataModule, ...)
"""


def start(command: str, summary: str, words: Sequence[str], *, from_console: bool) -> int:
    """Run one of the four commands; return the exit code.

    Args:
        command: `fit`, `validate`, `test` or `predict`.
        summary: what the command does, in one line.
        words: options of the command.
        from_console: whether `sys.argv` holds the command line. Lightning starts the other processes of a training with
            it.

    Raises:
        InputError: a file does not exist, or something else cannot be used.
        SystemExit: after printing the parser's own help or the resolved config.
    """
    if words and words[0] in ("-h", "--help"):
        default = "" if command == "fit" else " (default: the run's own best)"
        print(HELP.format(command=command, summary=summary, default=default))
        return 0
    from outpaint_lightning.experiment.inputs import find_inputs

    wants_help = "--help-all" in words
    line = [command, *(["--help"] if wants_help else find_inputs(command, words))]

    from outpaint_lightning.experiment.run import run

    try:
        if from_console:
            sys.argv[1:] = line
        run(None if from_console else line)
    finally:
        if wants_help:
            print(HELP_ALL.format(command=command))
    return 0
