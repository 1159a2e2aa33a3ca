"""Checkpoints of tiny nets without a training."""

import importlib

import torch

from outpaint_lightning import tasks


def built(spec):
    """The object that nested `class_path` and `init_args` describe."""
    if not isinstance(spec, dict) or "class_path" not in spec:
        return spec
    module, _, name = spec["class_path"].rpartition(".")
    options = {key: built(value) for key, value in spec.get("init_args", {}).items()}
    return getattr(importlib.import_module(module), name)(**options)


def net(name, **options):
    return {"class_path": f"outpaint_lightning.nets.{name}", "init_args": options}


def write_checkpoint(path, task, spec, criterion, state=None, **options):
    """Write a checkpoint as `fit` does, of a net with seeded weights."""
    torch.manual_seed(0)
    judge = {"class_path": f"outpaint_lightning.losses.{criterion}"}
    made = getattr(tasks, task)(built(spec), built(judge), **options)
    described = {"_class_path": f"outpaint_lightning.tasks.{task}", "net": spec, "criterion": judge, **options}
    torch.save({"state_dict": made.state_dict(), "hyper_parameters": described, **(state or {})}, path)
    return path


def write_localizer(path, spec, stride=1, **options):
    state = {"window": {"frames": 2, "stride": stride}}
    return write_checkpoint(path, "LocalizationTask", spec, "SequenceCrossEntropy", state, **options)
