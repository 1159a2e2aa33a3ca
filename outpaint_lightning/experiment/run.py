"""fit, validate, test and predict: LightningCLI over one YAML, with a run folder per experiment."""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
from jsonargparse import Namespace, set_parsing_settings
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

import outpaint_lightning.augment
import outpaint_lightning.losses
import outpaint_lightning.nets  # noqa: F401 (these are imported so that YAML may use short class names)
from outpaint_lightning.callbacks import PlainProgress, TestReport
from outpaint_lightning.checkpoints.allowed import class_paths
from outpaint_lightning.checkpoints.files import read_checkpoint
from outpaint_lightning.checkpoints.rebuild import described
from outpaint_lightning.checkpoints.writing import write_durably
from outpaint_lightning.data import ClipDataModule  # noqa: F401
from outpaint_lightning.experiment.ending import fit_lines, resume_line, validate_lines
from outpaint_lightning.experiment.errors import config_errors, keyed_errors, one_line, run_errors
from outpaint_lightning.experiment.folder import RunFolder, SaveConfig, rank
from outpaint_lightning.experiment.inputs import DEFAULT_RUN, chosen_checkpoint, require_supported
from outpaint_lightning.io.output import sole_writer
from outpaint_lightning.loggers import WandbLogger, finish
from outpaint_lightning.processes.ranks import end_with_parent, one_voice, stop_in_order
from outpaint_lightning.tasks import BaseTask
from outpaint_lightning.types import InputError

_NOISE = ("Tip:", "TPU available", "HPU available")  # lines of Lightning about rare hardware, and tips
_HARMLESS = (  # Lightning's warnings about intended settings
    ".*does not have many workers",
    ".*logs directory .* exists",
    ".*Checkpoint directory .* exists",
    ".*isinstance.treespec, LeafSpec.",
    ".*smaller than the logging interval",
    ".*could not find the monitored key",  # only before the first validation; the last lines of fit say so
    ".*when logging on epoch level in distributed setting",  # our numbers are already reduced over processes
)


def run(argv: Sequence[str] | None) -> None:
    """Run fit, validate, test or predict.

    Args:
        argv: command and options; None reads them from `sys.argv`. A run with several processes needs None, because
            Lightning starts the other processes with the same command line.

    Raises:
        InputError: a key, class, file or folder cannot be used.
        KeyboardInterrupt: the user stopped it; the last epoch's checkpoint is kept.
    """
    end_with_parent()
    for harmless in _HARMLESS:
        warnings.filterwarnings("ignore", harmless)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda line: not any(words in line.getMessage() for words in _NOISE)
    )
    with one_voice(), ExitStack() as held:
        _start(functools.partial(_Experiment, held=held), argv)


def make_parser() -> LightningArgumentParser:
    """Return the parser for the command lines of `run`."""
    try:
        _start(_OnlyParser, [])
    except _ParserReady as ready:
        return ready.parser
    raise AssertionError("LightningCLI parsed nothing")


def check(parser: LightningArgumentParser, argv: Sequence[str]) -> Namespace:
    """Parse a command line of `run` without running it; return the config.

    Raises:
        InputError: a key or class does not exist, or a value has the wrong type.
    """
    return _parsed(parser, argv)[1]


def _start(cli: Callable[..., LightningCLI], argv: Sequence[str] | None) -> None:
    set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
    cli(
        pl.LightningModule,
        pl.LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        parser_class=_Parser,
        parser_kwargs={"parser_mode": "omegaconf+", "prog": "outpaint-lightning"},
        save_config_callback=SaveConfig,
        save_config_kwargs={"overwrite": True, "save_to_log_dir": False},
        auto_configure_optimizers=False,
        seed_everything_default=0,
        trainer_defaults={"default_root_dir": DEFAULT_RUN, "callbacks": [TestReport()]},
        args=None if argv is None else list(argv),
    )


class _Parser(LightningArgumentParser):
    """A parser that accepts no abbreviated options and reports an error as one line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise InputError(one_line(message)) from ex


def _parsed(parser: LightningArgumentParser, argv: Sequence[str]) -> tuple[list[str], Namespace]:
    """Return a command line and its config, with `~` in the run folder's name replaced by the home folder.

    Other paths depend on that name (`${trainer.default_root_dir}/checkpoints`), so the line is then parsed again.
    """
    words = [*argv]
    with config_errors():
        config = parser.parse_args(words)
        named = config[config.subcommand].trainer.default_root_dir
        folder = os.path.expanduser(named or DEFAULT_RUN)
        if folder != named:
            words.append(f"--trainer.default_root_dir={folder}")
            config = parser.parse_args(words)
    return words, config


class _Experiment(LightningCLI):
    """LightningCLI with `trainer.default_root_dir` as the run folder.

    Two of the overridden methods are private in Lightning (so pyproject.toml requires a version below 2.7):
    `_parse_ckpt_path`, which would prefer the checkpoint's model to the command line, and `_run_subcommand`.

    Args:
        held: closed when the command ends; the lock of the run folder is entered here.
    """

    _step_of_checkpoint = 0

    def __init__(self, *args: Any, held: ExitStack | None = None, **kwargs: Any) -> None:
        self._held = held or ExitStack()
        self._args = sys.argv[1:] if kwargs.get("args") is None else kwargs["args"]
        super().__init__(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Experiment:
        """Return self: a task's optimizer factory refers to this command, and copies of the task share it."""
        return self

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override] # static in Lightning, called on the object
        """Return only the given command, or all without one, because collecting the options of each takes 0.1 s."""
        commands = super().subcommands()
        return {name: commands[name] for name in self._args[:1] if name in commands} or commands

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--overwrite", action="store_true", help="replace what the run folder holds")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:  # noqa: ARG002 (Lightning's hook)
        self._args, self.config = _parsed(parser, self._args)

    def _parse_ckpt_path(self) -> None:
        """Find the checkpoint, and use its model instead of the config's; the command line overrides both."""
        command: str = self.config.subcommand
        path = self._checkpoint(command, self.config[command])
        if path is None:
            return
        checkpoint = read_checkpoint(path)
        self._step_of_checkpoint = int(checkpoint.get("global_step", 0))
        named = [name.rpartition(".")[0] for name in class_paths(self.config[command].model.as_dict())]
        model = described(checkpoint, path, named)
        if model not in (None, self.config[command].model.as_dict()):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                json.dump({"model": model}, file)  # JSON is valid YAML
                file.flush()
                configs, rest = _split_configs(self._args[self._args.index(command) + 1 :])
                self.config = self.parser.parse_args([command, *configs, "--config", file.name, *rest])
                self.config[command].pop("config", None)
        self.config[command].ckpt_path = str(path)

    @staticmethod
    def _checkpoint(command: str, config: Any) -> Path | None:
        """Return the checkpoint to load; if none is named and `command` needs one, that of the run itself."""
        trainer = config.trainer
        return chosen_checkpoint(command, Path(trainer.default_root_dir), config.ckpt_path, bool(trainer.fast_dev_run))

    def before_instantiate_classes(self) -> None:
        """Lock the run folder for commands of this kind, and refuse to replace an earlier run without `--overwrite`.

        A test may run beside a training.
        """
        command: str = self.config.subcommand
        config = self.config[command]
        self._run = RunFolder(Path(config.trainer.default_root_dir), command, config.ckpt_path)
        require_supported(config.trainer.precision, config.trainer.barebones)
        writes = not (config.trainer.fast_dev_run or rank())
        if writes:
            self._held.enter_context(sole_writer(self._run.path, command))
        replaces = writes and not self._run.resumed
        self.save_config_kwargs["replaced"] = self._run.to_replace(config.overwrite) if replaces else []
        if command == "test":
            config.verbose = False  # our own table prints the numbers
        if command == "predict":
            config.return_predictions = False  # predictions are written, not kept in memory

    def instantiate_classes(self) -> None:
        with keyed_errors(self.config[self.config.subcommand].as_dict()), config_errors():
            super().instantiate_classes()

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Add our loggers, the task's own writers, and lines of progress if there is no terminal for a bar."""
        trainer = self._get(self.config_init, "trainer")
        if trainer["logger"] is not False and not trainer["fast_dev_run"]:
            kwargs["logger"] = self._loggers(trainer["logger"]) or False
        callbacks = _as_list(trainer["callbacks"])
        trainer["callbacks"] = [*callbacks, *self._writers(callbacks)]
        if not sys.stderr.isatty() and trainer["enable_progress_bar"] is None:
            kwargs["enable_progress_bar"] = False
            trainer["callbacks"].append(PlainProgress())
        built = super().instantiate_trainer(**kwargs)
        if trainer["sync_batchnorm"] and built.world_size > 1 and built.strategy.root_device.type == "cpu":
            raise InputError("trainer.sync_batchnorm is true on CPUs; torch has it for GPUs only")
        stop_in_order(built)
        write_durably(built)
        return built

    def _loggers(self, given: Any) -> list[Any]:
        """Return the loggers of the config, and for `fit` and `validate` one to CSV in the run folder."""
        loggers = [] if given is True else _as_list(given)
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                logger.belong_to(self._run.path, self._run.command)
        own = [self._run.csv_logger(self._step_of_checkpoint)] if self._run.command in ("fit", "validate") else []
        return [*loggers, *own]

    def _writers(self, given: Sequence[Any]) -> list[Any]:
        """Return the task's own writers, without those that the config already has."""
        writers = self.model.writers if isinstance(self.model, BaseTask) else ()
        return [writer() for writer in writers if not any(isinstance(callback, writer) for callback in given)]

    def _run_subcommand(self, subcommand: str) -> None:
        """Run the command, wait for the other processes, and always end the loggers.

        It overrides a method that is private in Lightning, because no public hook is called when a command fails.
        """
        exit_code = 1
        try:
            config = self.config[subcommand]
            with keyed_errors(config.as_dict()), run_errors(config.ckpt_path):
                super()._run_subcommand(subcommand)
                self.trainer.strategy.barrier()  # else the first process could end while others still write
            exit_code = 0
            if subcommand == "fit" and self.trainer.is_global_zero and not config.trainer.fast_dev_run:
                print("\n".join(fit_lines(self.trainer, self.model, self._args)))
            if subcommand == "validate" and self.trainer.is_global_zero:
                for line in validate_lines(self.trainer, self.model):
                    print(line)
        except KeyboardInterrupt:
            if subcommand == "fit" and self.trainer.is_global_zero:
                print(resume_line(self.trainer), file=sys.stderr)
            raise
        finally:
            finish(self.trainer.loggers, exit_code)


class _ParserReady(Exception):
    """Returns a parser from LightningCLI, whose constructor makes it and would continue."""

    def __init__(self, parser: LightningArgumentParser) -> None:
        super().__init__()
        self.parser = parser


class _OnlyParser(_Experiment):
    """Makes the parser only."""

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:  # noqa: ARG002 (Lightning's hook)
        raise _ParserReady(parser)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _split_configs(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command line into its `-c/--config` options and the rest."""
    configs: list[str] = []
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word in ("-c", "--config"):
            configs += [word, next(words)]
        else:
            (configs if word.startswith("--config=") else rest).append(word)
    return configs, rest
