"""Write a net for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from outpaint_lightning.checkpoints.card import read_card
from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.onnx_net import require_extra
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.export.formats import FORMATS, Format, Source, files_of
from outpaint_lightning.export.graphs import graph_of
from outpaint_lightning.export.parity import LIMIT, largest_difference, times
from outpaint_lightning.io import require_free
from outpaint_lightning.io.files import full_disk_at
from outpaint_lightning.io.output import durable, require_spared, sole_writer
from outpaint_lightning.localize.judging import streams
from outpaint_lightning.tasks import LocalizationTask
from outpaint_lightning.types import InputError, did_you_mean


@dataclass(frozen=True)
class Exported:
    """A file that was written, and what was measured of it."""

    path: Path
    net: str
    """Name of its class."""
    megabytes: float
    sizes: str
    """What sizes it takes, in words."""
    compared: str
    """What was compared with the checkpoint's: probabilities, or what a refiner gives."""
    difference: float
    """The largest difference of those."""
    torch_ms: float | None
    """Milliseconds that torch takes for one window; None where the file is run by torch as the checkpoint is."""
    exported_ms: float | None
    """The same of what runs the file."""


def export(
    ckpt_path: str | Path,
    out: str | Path,
    format: str = "onnx",
    *,
    overwrite: bool = False,
) -> Exported:
    """Write the net of a checkpoint into a folder, once its answers are those of the checkpoint.

    >>> exported = outpaint_lightning.export("runs/localizer/small", "exported")  # doctest: +SKIP
    >>> exported.path, exported.difference  # doctest: +SKIP
    (PosixPath('exported/small.onnx'), 2.4e-06)

    Args:
        ckpt_path: checkpoint, run folder or the name of weights that ship; of a localizer, a region detector or a flow
            refiner, of which one update is written.
        out: folder to write into.
        format: `onnx`; `pt2`, a program of `torch.export`; or `safetensors`, weights with a card.
        overwrite: replace the file of an earlier export.

    Raises:
        InputError: the checkpoint cannot be used, or a package is missing; an exporter cannot write the net; or the
            file would answer something else than the checkpoint. Nothing is written then.
    """
    if format not in FORMATS:
        raise InputError(f"--format {format}: expected {', '.join(FORMATS)}{did_you_mean(format, FORMATS)}")
    chosen = FORMATS[format]
    require_extra(*chosen.packages)
    checkpoint = find_checkpoint(ckpt_path)
    target = Path(out) / f"{_name(checkpoint)}{chosen.suffix}"
    with sole_writer(Path(out), target.name):
        for file in files_of(target):
            require_free(file, overwrite)
            require_spared(file, files_of(checkpoint))
        exported = _written(_source(checkpoint, chosen), chosen, target)
    print(_as_text(exported, chosen))
    return exported


def _name(checkpoint: Path) -> str:
    """Return the name of a file for a checkpoint: that of its run, since all runs have a `best.ckpt`."""
    return checkpoint.parent.parent.name if checkpoint.parent.name == "checkpoints" else checkpoint.stem


def _source(checkpoint: Path, chosen: Format) -> Source:
    task: Any = load_task(checkpoint)
    if chosen.runtime and isinstance(task, LocalizationTask) and streams(task):
        raise InputError(
            f"{checkpoint}: carries its state from frame to frame along a clip (net.carry), which a file of one graph "
            "cannot; expected a net without, or --format safetensors"
        )
    try:
        return Source(checkpoint, task, graph_of(task), read_card(checkpoint))
    except InputError as error:
        named = str(error).startswith(str(checkpoint))
        raise error if named else InputError(f"{checkpoint}: {error}") from error


def _written(source: Source, chosen: Format, target: Path) -> Exported:
    """Write the files elsewhere, compare, and bring them to their place."""
    graph = source.graph
    with TemporaryDirectory() as folder:
        path = Path(folder) / target.name
        with full_disk_at(path):
            run = chosen.write(source, path)
        difference = largest_difference(graph, run)
        if not difference <= LIMIT:  # nor NaN
            raise InputError(
                f"{source.path}: {graph.compared} of its export would differ by {difference:.1e}; expected at most "
                f"{LIMIT:g}, so nothing was written"
            )
        own, other = times(graph.module, run, graph.samples[-1]) if chosen.runtime else (None, None)
        for file in files_of(path):
            with durable(target.parent / file.name) as temporary:
                temporary.write_bytes(file.read_bytes())
        megabytes = path.stat().st_size / 1e6
    return Exported(target, type(graph.net).__name__, megabytes, graph.sizes, graph.compared, difference, own, other)


def _as_text(exported: Exported, chosen: Format) -> str:
    lines = [
        f"{exported.path}  {exported.net}, {exported.megabytes:.1f} MB",
        f"  {exported.sizes}",
        f"  largest difference of {exported.compared}: {exported.difference:.1e}",
    ]
    if exported.torch_ms is not None:
        lines.append(f"  torch {exported.torch_ms:.1f} ms, {chosen.runtime} {exported.exported_ms:.1f} ms, on the CPU")
    return "\n".join(lines)
