"""Open an ONNX file that `export` wrote, and run its net on the CPU.

The file may come from a stranger. It is data: a graph of ONNX's own operators, which onnxruntime runs. Its weights must
lie in it. A file that names others could have any file of this machine read as weights.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from outpaint_lightning.checkpoints.card import fingerprint
from outpaint_lightning.checkpoints.exported import KEY, About
from outpaint_lightning.types import InputError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

OWN_OPERATORS = ("", "ai.onnx")
"""Domains of operators; those of others are code that is not part of ONNX."""
_QUIET = 4  # onnxruntime's level of logging: what goes wrong is raised as well


def require_extra(*packages: str) -> None:
    """Raise `InputError` where a package of the extra `export` is missing."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"ONNX files need {package}, which is not installed; expected pip install 'outpaint_lightning[export]'"
            )


class OnnxNet:
    """The net of an ONNX file, run on the CPU.

    >>> net = OnnxNet(Path("localizer.onnx"))  # doctest: +SKIP
    >>> (logits,) = net(torch.rand(1, 2, 3, 128, 160))  # doctest: +SKIP

    Args:
        path: of the file.

    Attributes:
        about: its metadata.
        shapes: of each input; a side that is free has a name instead of a number.

    Raises:
        InputError: a package is missing; or the file is corrupt, is not one that `export` wrote, keeps weights
            elsewhere, uses operators that are not ONNX's, or its metadata belongs to other weights.
    """

    def __init__(self, path: Path) -> None:
        require_extra("onnx", "onnxruntime")
        import onnxruntime

        model = _read(path)
        self.path = path
        try:
            _require_own(model)
            self.about = _about(model)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises a dozen types for a graph that it cannot run
            raise InputError(f"{path}: onnxruntime cannot run it ({_first_line(error)})") from error
        self.shapes: dict[str, list[int | str]] = {each.name: each.shape for each in self._session.get_inputs()}
        outputs = [each.name for each in self._session.get_outputs()]
        if [*self.shapes] != [*self.about.inputs] or outputs != [*self.about.outputs]:
            raise InputError(
                f"{path}: its net takes {', '.join(self.shapes)} and gives {', '.join(outputs)}; its metadata names "
                f"{', '.join(self.about.inputs)} and {', '.join(self.about.outputs)}"
            )

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Return the net's outputs, on the CPU.

        Raises:
            InputError: the net cannot take inputs of these shapes, or answers what is no finite float.
        """
        given = {name: tensor.numpy(force=True) for name, tensor in zip(self.shapes, inputs, strict=True)}
        try:
            answers = self._session.run(None, given)
        except Exception as error:  # as above
            raise InputError(f"{self.path}: its net fails on {_shapes(inputs)} ({_first_line(error)})") from error
        outputs = [torch.from_numpy(np.asarray(answer)) for answer in answers]
        if not all(output.is_floating_point() and output.isfinite().all() for output in outputs):
            raise InputError(f"{self.path}: its net answers {_shapes(inputs)} with what is no finite number")
        return outputs


def weights_of(model: ModelProto) -> dict[str, Tensor]:
    """Return the weights in a model, by name.

    Raises:
        InputError: some are of a kind that torch does not know.
    """
    from onnx import numpy_helper

    try:
        # a copy: what lies in the model may not be written to
        return {each.name: torch.from_numpy(np.array(numpy_helper.to_array(each))) for each in model.graph.initializer}
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"its weights cannot be read ({_first_line(error)})") from error


def _read(path: Path) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_model_from_string(path.read_bytes())  # which opens no other file
    except (DecodeError, ValueError) as error:
        raise InputError(f"{path}: corrupt, or no ONNX file") from error


def _about(model: ModelProto) -> About:
    texts = [each.value for each in model.metadata_props if each.key == KEY]
    if len(texts) != 1:
        raise InputError(
            "is no net of this package (no metadata); expected an ONNX file of `outpaint-lightning export`"
        )
    about = About.read(texts[0])
    if about.weights != fingerprint(weights_of(model)):
        raise InputError("its metadata belongs to other weights; export the checkpoint again")
    return about


def _require_own(model: ModelProto) -> None:
    """Raise `InputError` where a model keeps weights outside its file, or runs what is not ONNX's."""
    from onnx import TensorProto

    if model.functions:
        raise InputError(f"defines the operator {model.functions[0].name!r}; expected ONNX's own alone")
    for node in _nodes(model.graph):
        if node.domain not in OWN_OPERATORS:
            raise InputError(f"uses the operator {node.domain}.{node.op_type}; expected ONNX's own alone")
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise InputError(f"keeps {tensor.name!r} in another file, which is not opened; expected all weights in one")


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    for node in graph.node:
        yield node
        for inner in _graphs(node):
            yield from _nodes(inner)


def _graphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        yield from [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Yield all tensors of a graph and of those inside its nodes."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
        for inner in _graphs(node):
            yield from _tensors(inner)


def _shapes(tensors: Iterable[Tensor]) -> str:
    return ", ".join("x".join(map(str, tensor.shape)) for tensor in tensors)


def _first_line(error: Any) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
