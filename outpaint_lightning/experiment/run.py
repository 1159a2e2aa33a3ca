"""fit, validate, test and predict: LightningCLI over one YAML, with a run folder of its own."""

from __future__ import annotations

import csv
import functools
import json
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
import yaml
from jsonargparse import set_parsing_settings
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf.errors import OmegaConfBaseException

import outpaint_lightning.augment
import outpaint_lightning.losses
import outpaint_lightning.nets  # noqa: F401 (imported so that YAML may use short class names)
from outpaint_lightning.callbacks import PlainProgress, TestReport
from outpaint_lightning.checkpoints.allowed import class_paths
from outpaint_lightning.checkpoints.files import find_checkpoint, read_checkpoint
from outpaint_lightning.checkpoints.rebuild import described
from outpaint_lightning.checkpoints.writing import write_durably
from outpaint_lightning.data import ClipDataModule  # noqa: F401
from outpaint_lightning.experiment.ending import fit_lines, resume_line
from outpaint_lightning.experiment.errors import one_line, with_key
from outpaint_lightning.io.output import sole_writer
from outpaint_lightning.loggers import WandbLogger, as_options, finish
from outpaint_lightning.processes.ranks import end_with_parent, one_voice, stop_in_order
from outpaint_lightning.tasks import BaseTask
from outpaint_lightning.types import InputError

_NOISE = ("Tip:", "TPU available", "HPU available")  # lines of Lightning's about what hardly anyone has or asks for
COMMANDS = ("fit", "validate", "test", "predict")
_HARMLESS = (  # Lightning's warnings about what is meant to be so
    ".*does not have many workers",
    ".*logs directory .* exists",
    ".*Checkpoint directory .* exists",
    ".*isinstance.treespec, LeafSpec.",
    ".*smaller than the logging interval",
    ".*when logging on epoch level in distributed setting",  # our numbers are of all processes already
)


def run(argv: Sequence[str] | None) -> None:
    """Run one of `COMMANDS`.

    Args:
        argv: command and options; None takes them from `sys.argv`, which a run on several processes needs, as Lightning
            starts the others with the same line.

    Raises:
        InputError: a key, class, file or folder that cannot be used.
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


def check(argv: Sequence[str]) -> None:
    """Parse what `run` would be given, and make nothing of it.

    Raises:
        InputError: a key or class that does not exist, or a value of the wrong type.
    """
    _start(_Check, argv)


def _start(cli: Callable[..., LightningCLI], argv: Sequence[str] | None) -> None:
    set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
    cli(
        pl.LightningModule,
        pl.LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        parser_class=_Parser,
        parser_kwargs={"parser_mode": "omegaconf+", "prog": "outpaint-lightning"},
        save_config_callback=_SaveConfig,
        save_config_kwargs={"overwrite": True, "save_to_log_dir": False},
        auto_configure_optimizers=False,
        seed_everything_default=0,
        trainer_defaults={"default_root_dir": "runs/default", "callbacks": [TestReport()]},
        args=None if argv is None else list(argv),
    )


class _Parser(LightningArgumentParser):
    """Accepts no abbreviated options, and reports an error as one line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise InputError(one_line(message)) from ex


class _SaveConfig(SaveConfigCallback):
    """Write the resolved config to `<run>/config.<command>.yaml`, one for each command, and give it to the loggers.

    This is also where what an earlier run left is removed: the data has been read by now, so a misspelled folder costs
    no checkpoint.
    """

    def __init__(self, *args: Any, replaced: Sequence[Path], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.replaced = replaced

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: ARG002
        for path in self.replaced:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        assert trainer.state.fn is not None
        path = Path(trainer.default_root_dir) / f"config.{trainer.state.fn.value}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.parser.save(self.config, str(path), skip_unset=False, overwrite=True, multifile=False)
        options = as_options(yaml.safe_load(path.read_text()))
        for logger in trainer.loggers:
            if not isinstance(logger, CSVLogger):  # it would write one more file of the same
                logger.log_hyperparams(options)


class _Experiment(LightningCLI):
    """LightningCLI whose run lives in `trainer.default_root_dir`.

    Args:
        held: what is let go when the command ends; the lock of the run folder is entered here.
    """

    def __init__(self, *args: Any, held: ExitStack | None = None, **kwargs: Any) -> None:
        self._held = held or ExitStack()
        super().__init__(*args, **kwargs)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--overwrite", action="store_true", help="replace what the run folder holds")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self._args: list[str] = sys.argv[1:] if args is None else args
        try:
            self.config = parser.parse_args(args)
        except OmegaConfBaseException as error:
            raise InputError(f"config: {str(error).splitlines()[0]}") from error

    def _parse_ckpt_path(self) -> None:
        """Find the checkpoint, and let its model stand in for the config's; the command line wins over both."""
        command: str = self.config.subcommand
        path = self._checkpoint(command, self.config[command])
        if path is None:
            return
        checkpoint = read_checkpoint(path)
        self._step_of_checkpoint = int(checkpoint.get("global_step", 0))
        named = [name.rpartition(".")[0] for name in class_paths(self.config[command].model.as_dict())]
        model = described(checkpoint, path, named)
        if model is not None:
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                json.dump({"model": model}, file)  # which is YAML
                file.flush()
                configs, rest = _split_configs(self._args[self._args.index(command) + 1 :])
                self.config = self.parser.parse_args([command, *configs, "--config", file.name, *rest])
                self.config[command].pop("config", None)
        self.config[command].ckpt_path = str(path)

    @staticmethod
    def _checkpoint(command: str, config: Any) -> Path | None:
        """Return the checkpoint to load: of the run itself when none is named and `command` needs one."""
        run, named = Path(config.trainer.default_root_dir), config.ckpt_path
        if named is None:
            return None if command == "fit" or config.trainer.fast_dev_run else find_checkpoint(run)
        return find_checkpoint(run / "checkpoints" / f"{named}.ckpt" if named in ("best", "last") else named)

    def before_instantiate_classes(self) -> None:
        """Keep other commands of this kind out of the run folder, and refuse to write over an earlier run unasked.

        A test may go on beside a training.
        """
        command: str = self.config.subcommand
        config = self.config[command]
        self._run = Path(config.trainer.default_root_dir)
        own = self._run.resolve() / "checkpoints"
        self._resumed = command == "fit" and Path(config.ckpt_path or "").resolve().parent == own
        self.save_config_kwargs["replaced"] = ()
        if config.trainer.fast_dev_run or _rank():
            return
        self._held.enter_context(sole_writer(self._run, command))
        if self._resumed:
            return
        of_fit = ("checkpoints", "metrics.csv", "pictures", "validate", "test", "predict")
        names = of_fit if command == "fit" else (command,)
        found = [self._run / name for name in names if (self._run / name).exists()]
        if found and not config.overwrite:
            resume = ", --ckpt_path last to go on" if command == "fit" else ""
            raise InputError(
                f"{found[0]} already exists: pass --overwrite to replace it{resume}, "
                "or another folder by --trainer.default_root_dir"
            )
        self.save_config_kwargs["replaced"] = found

    def instantiate_classes(self) -> None:
        """Name what a constructor refused; jsonargparse wraps its words in its own."""
        try:
            super().instantiate_classes()
        except InputError as error:
            raise self._with_key(error) from error
        except ValueError as error:
            raise self._with_key(InputError(one_line(str(error)))) from error

    def _with_key(self, error: InputError) -> InputError:
        """Return an error that names its key where it names a class and an option of the config."""
        told = with_key(str(error), self.config[self.config.subcommand].as_dict())
        return error if told == str(error) else type(error)(told)

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Log `fit` and `validate` to CSV in the run folder, beside any logger that the config names.

        The task's own writers join the callbacks of the config, unless that has them.
        """
        trainer = self._get(self.config_init, "trainer")
        given = trainer["logger"]
        if given is not False and not trainer["fast_dev_run"]:
            loggers = [] if given in (None, True) else given if isinstance(given, list) else [given]
            for logger in loggers:
                if isinstance(logger, WandbLogger):
                    logger.belong_to(self._run, str(self.subcommand))
            own = [self._csv_logger()] if self.subcommand in ("fit", "validate") else []
            kwargs["logger"] = [*loggers, *own] or False
        callbacks = trainer["callbacks"] or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        writers = self.model.writers if isinstance(self.model, BaseTask) else ()
        callbacks += [writer() for writer in writers if not any(isinstance(given, writer) for given in callbacks)]
        if not sys.stderr.isatty() and trainer["enable_progress_bar"] is None:
            kwargs["enable_progress_bar"] = False
            callbacks.append(PlainProgress())
        trainer["callbacks"] = callbacks
        try:
            built = super().instantiate_trainer(**kwargs)
        except MisconfigurationException as error:
            raise InputError(f"trainer: {str(error).splitlines()[0]}") from error
        if trainer["sync_batchnorm"] and built.world_size > 1 and built.strategy.root_device.type == "cpu":
            raise InputError("trainer.sync_batchnorm is true on CPUs; torch has it for GPUs only")
        stop_in_order(built)
        write_durably(built)
        return built

    def _csv_logger(self) -> CSVLogger:
        """Return a logger to `<run>/metrics.csv`, or `<run>/validate/metrics.csv`, keeping a resumed run's rows."""
        metrics = self._run / "metrics.csv"
        logger = CSVLogger(self._run, name="", version="" if self.subcommand == "fit" else self.subcommand)
        if self._resumed and metrics.exists() and not _rank():
            with metrics.open(newline="") as file:
                rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
            rows = [row for row in rows if int(row["step"]) < self._step_of_checkpoint]
            if rows:
                logger.experiment.metrics = rows  # the logger has deleted the file
                logger.experiment.save()
        return logger

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        """Print a test's numbers once, in our own table, and keep no prediction in memory: they are written."""
        own: dict[str, Any] = {"test": {"verbose": False}, "predict": {"return_predictions": False}}.get(subcommand, {})
        return {**super()._prepare_subcommand_kwargs(subcommand), **own}

    def _run_subcommand(self, subcommand: str) -> None:
        exit_code = 1
        try:
            super()._run_subcommand(subcommand)
            self.trainer.strategy.barrier()  # else the first process could end the command while others still write
            exit_code = 0
            if subcommand == "fit" and self.trainer.is_global_zero and not self.config.fit.trainer.fast_dev_run:
                print("\n".join(fit_lines(self.trainer, self.model, self._args)))
        except SystemExit as error:  # how Lightning leaves after Ctrl-C
            if subcommand == "fit" and self.trainer.is_global_zero:
                print(resume_line(self.trainer), file=sys.stderr)
            raise KeyboardInterrupt from error
        except InputError as error:  # from a worker process it comes with that process's traceback before it
            line = str(error).strip().splitlines()[-1].rpartition("InputError: ")[2]
            raise self._with_key(InputError(line)) from error
        except MisconfigurationException as error:
            raise InputError(str(error).splitlines()[0]) from error
        except RuntimeError as error:
            first, _, detail = str(error).partition("\n")
            if "loading state_dict" not in first:
                raise
            path = self.config[subcommand].ckpt_path
            raise InputError(f"{path}: weights of another net ({detail.strip().split(',')[0]} ...)") from error
        finally:
            finish(self.trainer.loggers, exit_code)


class _Check(_Experiment):
    """Ends when the command line is parsed."""

    def _parse_ckpt_path(self) -> None:
        pass

    def _set_seed(self) -> None:
        pass

    def before_instantiate_classes(self) -> None:
        pass

    def instantiate_classes(self) -> None:
        pass

    def _run_subcommand(self, subcommand: str) -> None:
        pass


def _rank() -> int:
    return int(getattr(rank_zero_only, "rank", 0))


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
