"""The formats that a net is exported to. Each writes a file and returns what runs the net that lies in it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from outpaint_lightning import __version__
from outpaint_lightning.checkpoints.card import CARD, fingerprint
from outpaint_lightning.checkpoints.exported import KEY, ONNX, PROGRAM, About
from outpaint_lightning.checkpoints.onnx_net import OnnxNet, weights_of
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.checkpoints.shipped import SUFFIX
from outpaint_lightning.checkpoints.weights import KEYS, card_of, save_weights
from outpaint_lightning.checkpoints.weights import read_card as read_about
from outpaint_lightning.export.graphs import Graph, graph_of
from outpaint_lightning.types import InputError

if TYPE_CHECKING:
    from onnx import GraphProto

Run = Callable[..., Sequence[Tensor]]
"""Runs an exported net: takes the tensors that `Graph.module` takes, and returns what it returns."""


@dataclass(frozen=True)
class Source:
    """What is exported."""

    path: Path
    """Of the checkpoint."""
    task: Any
    graph: Graph
    card: Mapping[str, Any]

    def about(self, weights: str) -> About:
        """Return the metadata of a file, given the fingerprint of its weights."""
        graph = self.graph
        return About(
            __version__, graph.kind, type(graph.net).__name__, str(self.card["weights"]), weights,
            dict(graph.inputs), dict(graph.outputs), dict(graph.options), dict(self.card),
        )  # fmt: skip


@dataclass(frozen=True)
class Format:
    """How a net is written."""

    suffix: str
    write: Callable[[Source, Path], Run]
    runtime: str
    """What runs the file, for messages; empty for what rebuilds the same net."""
    packages: tuple[str, ...] = ()
    """Of the extra `export` that writing needs."""


def write_onnx(source: Source, path: Path) -> OnnxNet:
    """Write an ONNX file that holds its weights itself, with the metadata in `metadata_props`."""
    with _one_line(source.path, "torch.onnx"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of operators that the exporter replaces; the parity check judges the result
        written = torch.onnx.export(
            _program(source.graph),
            input_names=[*source.graph.inputs],
            output_names=[*source.graph.outputs],
            dynamo=True,
            verbose=False,
        )
    assert written is not None  # it is None without dynamo
    model = written.model_proto
    _strip(model.graph)
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, source.about(fingerprint(weights_of(model))).text
    path.write_bytes(model.SerializeToString())
    return OnnxNet(path)


def write_program(source: Source, path: Path) -> Run:
    """Write a program of `torch.export`, with the metadata as an extra file."""
    with _one_line(source.path, "torch.export"):
        program = _program(source.graph)
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # which names the folders of this machine
        about = source.about(fingerprint(source.graph.module.state_dict()))
        content = io.BytesIO()  # where torch writes to a full disk itself, the process aborts
        torch.export.save(program, content, extra_files={KEY: about.text})
    path.write_bytes(content.getbuffer())
    run: Run = torch.export.load(path).module()
    return run


def write_weights(source: Source, path: Path) -> Run:
    """Write weights and their card, with all that a card of the source says."""
    more = read_about(source.path) if source.path.suffix == SUFFIX else {}
    save_weights(source.task, path, {**{key: more[key] for key in more.keys() - KEYS.keys()}, CARD: dict(source.card)})
    return graph_of(load_task(path)).module


FORMATS = {
    "onnx": Format(ONNX, write_onnx, "onnxruntime", ("onnx", "onnxruntime", "onnxscript")),
    "pt2": Format(PROGRAM, write_program, "the program"),
    "safetensors": Format(SUFFIX, write_weights, ""),
}


def files_of(path: Path) -> list[Path]:
    """Return the files that are written under a name."""
    return [path, card_of(path)] if path.suffix == SUFFIX else [path]


def _program(graph: Graph) -> ExportedProgram:
    free = None if graph.free is None else tuple(graph.free)
    with torch.no_grad():
        return torch.export.export(graph.module, graph.samples[0], dynamic_shapes=free, strict=False)


@contextmanager
def _one_line(path: Path, exporter: str) -> Iterator[None]:
    """Turn what an exporter raises into one line that names the checkpoint."""
    try:
        yield
    except Exception as error:  # exporters raise dozens of types for a net that they cannot trace
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(f"{path}: {exporter} cannot write its net ({reason[:200]})") from error


def _strip(graph: GraphProto) -> None:
    """Remove what the exporter notes of its own work, such as the folders of this machine."""
    parts: Iterable[Any] = (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer)
    for part in parts:
        del part.metadata_props[:]
        part.doc_string = ""
