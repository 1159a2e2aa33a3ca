"""Optical flow in files: pixels, `u` (x) first, and a mask of the known vectors.

| suffix | content | error of a round trip |
|---|---|---|
| `.flo` | Middlebury: float32; float16 under the same header, as ProPainter writes it, is read only | none |
| `.flow.png` | ours: 16 bits per component, scaled to the range stored in the file; known mask | range / 131070 |
| `.png`, 16 bits | KITTI: steps of 1/64 from -512 to 511.98 px; known mask | 1/128 px |
| `.png`, 8 bits | the report: one range for both components, in `minmax.txt` beside it; read only | range / 510 |

Sources: Baker et al. (IJCV 2011), the benchmark's `flowIO.h`; Geiger et al. (CVPR 2012), the development kit.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.io.files import StrPath, atomic
from outpaint_lightning.io.limits import require_pixels
from outpaint_lightning.io.reading import read_bytes
from outpaint_lightning.types import InputError

_MAGIC = b"PIEH"
_LARGEST = 1e9  # pixels; by Middlebury's rule, longer vectors are unknown
_UNKNOWN = 1e10  # Middlebury's value for unknown vectors

_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER_END = len(_PNG) + 25  # IHDR comes first and has a fixed length
_STEPS = 2**16 - 1  # 16 bits
_ENDS = ("flow_min_u", "flow_min_v", "flow_max_u", "flow_max_v")  # our range, stored as text in the PNG
_KITTI_ZERO, _KITTI_SCALE = 2**15, 64


class FlowFile(NamedTuple):
    """The content of a flow file."""

    flow: NDArray[np.float32]
    """`H W 2`, pixels, `u` first; 0 where it is unknown."""
    valid: NDArray[np.bool_]
    """`H W`, True where the flow is known."""


class _Picture(NamedTuple):
    """A PNG: uint8 or uint16 `H W 3`, blue first as in OpenCV, and its text."""

    pixels: NDArray[Any]
    text: Mapping[str, str]


def read_flow(path: StrPath) -> FlowFile:
    """Read a flow file of any kind in the module's table.

    Vectors that are not finite or longer than 1e9 px count as unknown.

    Raises:
        InputError: the file is missing, truncated or of another kind, or its range is missing.
    """
    decode = _kind(path).decode
    return decode(path, read_bytes(path, "a flow file"))


def write_flow(path: StrPath, flow: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> None:
    """Write a flow as `.flo`, `.flow.png` (ours) or `.png` (KITTI), by the suffix of `path`; values are rounded.

    Args:
        path: the file; it is written completely or not at all.
        flow: `H W 2`, pixels, `u` first.
        valid: `H W`, where the flow is known; None means everywhere. Vectors that are not finite or longer than 1e9 px
            are always unknown.

    Raises:
        InputError: the suffix is none of these; the flow has another shape or exceeds KITTI's range; or it has unknown
            vectors, `valid` is None, and the file is a `.flo`, where most readers take every value as known.
    """
    encode = _kind(path).encode
    if flow.ndim != 3 or flow.shape[2] != 2 or not flow.size:
        raise InputError(f"{path}: a flow of shape {flow.shape}; height, width and 2 were expected")
    data = encode(path, flow.astype(np.float64), valid)
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def _decode_flo(path: StrPath, data: bytes) -> FlowFile:
    if len(data) < 12 or not data.startswith(_MAGIC):
        raise InputError(f"{path}: no .flo file; {_MAGIC!r}, width and height were expected at its start")
    width, height = struct.unpack("<ii", data[4:12])
    payload, vectors = len(data) - 12, width * height
    kinds = {8 * vectors: "<f4", 4 * vectors: "<f2"} if min(width, height) > 0 else {}
    if payload not in kinds:
        raise InputError(
            f"{path}: {payload} bytes after the header; {width}x{height} vectors need "
            f"{8 * vectors} as float32 or {4 * vectors} as float16"
        )
    return _flow_file(np.frombuffer(data, kinds[payload], offset=12).reshape(height, width, 2))


def _encode_flo(path: StrPath, flow: NDArray[np.float64], valid: NDArray[np.bool_] | None) -> bytes:
    known = _known(flow, valid)
    if valid is None and not known.all():
        raise InputError(f"{path}: {np.sum(~known)} vectors are not finite or too long; say where the flow is valid")
    height, width = known.shape
    vectors = np.where(known[..., None], flow, _UNKNOWN).astype("<f4")
    return _MAGIC + struct.pack("<ii", width, height) + vectors.tobytes()


def _decode_ours(path: StrPath, data: bytes) -> FlowFile:
    return _from_own_range(path, _read_png(path, data))


def _encode_ours(_path: StrPath, flow: NDArray[np.float64], valid: NDArray[np.bool_] | None) -> bytes:
    known = _known(flow, valid)
    vectors = flow[known] if known.any() else np.zeros((1, 2))
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    steps = (np.where(known[..., None], flow, low) - low) / np.where(high > low, high - low, 1) * _STEPS
    ends = dict(zip(_ENDS, (repr(float(end)) for end in (*low, *high)), strict=True))
    return _png(np.rint(steps), known, ends)


def _decode_png(path: StrPath, data: bytes) -> FlowFile:
    picture = _read_png(path, data)
    if _ENDS[0] in picture.text:  # ours under another name: as a KITTI file it would be wrong and look right
        return _from_own_range(path, picture)
    if picture.pixels.dtype == np.uint16:
        vectors = (picture.pixels[..., :0:-1] - np.float64(_KITTI_ZERO)) / _KITTI_SCALE
        return _flow_file(vectors, picture.pixels[..., 0] > 0)
    low, high = _report_range(Path(path))
    return _flow_file(low + picture.pixels[..., :2] / 255 * (high - low))  # blue is `u`: the report reads with OpenCV


def _encode_kitti(path: StrPath, flow: NDArray[np.float64], valid: NDArray[np.bool_] | None) -> bytes:
    known = _known(flow, valid)
    steps = np.rint(np.where(known[..., None], flow, 0) * _KITTI_SCALE + _KITTI_ZERO)
    if steps.min() < 0 or steps.max() > _STEPS:
        raise InputError(f"{path}: the flow leaves -512 to 511.98 px, which is all that KITTI's holds; write .flow.png")
    return _png(steps, known, {})


def _known(flow: NDArray[Any], valid: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    known = (np.abs(flow) <= _LARGEST).all(axis=2)  # NaN gives False
    return np.asarray(known if valid is None else known & valid)


def _flow_file(flow: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> FlowFile:
    flow = flow.astype(np.float32)
    valid = _known(flow, valid)
    return FlowFile(np.where(valid[..., None], flow, np.float32(0)), valid)


def _from_own_range(path: StrPath, picture: _Picture) -> FlowFile:
    try:
        low, high = np.array([_finite(picture.text[end]) for end in _ENDS]).reshape(2, 2)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: {', '.join(_ENDS)} were expected as numbers in its PNG text") from error
    if picture.pixels.dtype != np.uint16:
        raise InputError(f"{path}: an 8-bit PNG; a .flow.png has 16 bits")
    return _flow_file(low + picture.pixels[..., :0:-1] / _STEPS * (high - low), picture.pixels[..., 0] > 0)


def _finite(text: str) -> float:
    value = float(text)
    if not abs(value) <= _LARGEST:
        raise ValueError(f"{text} pixels")
    return value


def _report_range(path: Path) -> tuple[float, float]:
    """Return the range of a flow file of the report, from the line `path min max` whose path has the file's name."""
    table = path.with_name("minmax.txt")
    if not table.exists():
        raise InputError(f"{path}: an 8-bit flow; {table} with its range was expected beside it")
    for line in read_bytes(table, "a list of ranges").decode("utf-8", "replace").splitlines():
        fields = line.rsplit(maxsplit=2)
        if len(fields) == 3 and Path(fields[0]).name == path.name:
            with suppress(ValueError):
                return _finite(fields[1]), _finite(fields[2])
    raise InputError(f"{table}: no line '{path.name} minimum maximum'")


def _read_png(path: StrPath, data: bytes) -> _Picture:
    if len(data) >= _HEADER_END:
        width, height = struct.unpack(">II", data[16:24])
        require_pixels(path, width, height, len(data))
    with suppress(ValueError, cv2.error):  # cv2.error: a size that OpenCV refuses
        text = [chunk[4:].decode("latin-1").partition("\0") for chunk in _chunks(data) if chunk.startswith(b"tEXt")]
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is not None and pixels.ndim == 3 and pixels.shape[2] == 3:
            return _Picture(pixels, {keyword: content for keyword, _, content in text})
    cause = " (truncated?)" if data.startswith(_PNG) and b"IEND" not in data[-16:] else ""
    raise InputError(f"{path}: does not decode{cause}; a whole RGB PNG was expected")


def _chunks(data: bytes) -> Iterator[bytes]:
    """Yield type and content of each chunk of a PNG, up to its end.

    Raises:
        ValueError: it is not a PNG, or a chunk is incomplete; OpenCV would fill the rest without an error.
    """
    chunk, at = b"", len(_PNG)
    while not chunk.startswith(b"IEND"):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        chunk = data[at + 4 : end]
        if not data.startswith(_PNG) or data[end : end + 4] != _checksum(chunk):
            raise ValueError(f"byte {at}")
        yield chunk
        at = end + 4


def _png(steps: NDArray[np.float64], known: NDArray[np.bool_], text: Mapping[str, str]) -> bytes:
    """Encode integer steps `H W 2` as red and green, and the known mask as blue; unknown pixels are black."""
    red_green = np.where(known[..., None], steps, 0)
    _, encoded = cv2.imencode(".png", np.dstack([known, red_green[..., ::-1]]).astype(np.uint16))
    data = encoded.tobytes()
    chunks = [f"tEXt{keyword}\0{content}".encode("latin-1") for keyword, content in text.items()]
    words = [struct.pack(">I", len(chunk) - 4) + chunk + _checksum(chunk) for chunk in chunks]
    return b"".join([data[:_HEADER_END], *words, data[_HEADER_END:]])


def _checksum(chunk: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(chunk))


class _Kind(NamedTuple):
    decode: Callable[[StrPath, bytes], FlowFile]
    encode: Callable[[StrPath, NDArray[np.float64], NDArray[np.bool_] | None], bytes]


_KINDS = {  # `.flow.png` before `.png`, because it also ends in `.png`
    ".flo": _Kind(_decode_flo, _encode_flo),
    ".flow.png": _Kind(_decode_ours, _encode_ours),
    ".png": _Kind(_decode_png, _encode_kitti),
}
FLOW_SUFFIXES = tuple(_KINDS)


def _kind(path: StrPath) -> _Kind:
    name = Path(path).name.lower()
    found = next((kind for suffix, kind in _KINDS.items() if name.endswith(suffix)), None)
    if found is None:
        raise InputError(f"{path}: no kind of flow file; expected one of {' '.join(_KINDS)}")
    return found
