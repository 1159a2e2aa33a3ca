"""Small video files that the tests share. Their frames carry their number, so that any coding leaves it readable."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from outpaint_lightning.io import VideoFile
from outpaint_lightning.types import InputError

BITS = 8


def numbered(number, height=48, width=64, noise=0):
    """A grey frame, brighter downwards, with the bits of `number` as blocks along its top, the lowest at the left.

    Noise of so many levels below them makes frames large in the file.
    """
    grain = np.random.default_rng(number).integers(0, noise + 1, (height, width))
    frame = (np.linspace(60, 180, height)[:, None] + grain).astype(np.uint8)[..., None].repeat(3, axis=2)
    for bit in range(BITS):
        frame[: height // 3, bit * width // BITS : (bit + 1) * width // BITS] = 235 if number >> bit & 1 else 20
    return frame


def number_of(frame):
    """Read the number back."""
    height, width = frame.shape[:2]
    blocks = [frame[height // 6, (2 * bit + 1) * width // (2 * BITS), 1] > 128 for bit in range(BITS)]
    return sum(1 << bit for bit, is_set in enumerate(blocks) if is_set)


def encode(path, frames, *, codec="libx264", gop=12, b_frames=None, times_ms=None, options=None, muxer=None, form=None):
    """Write `frames` with PyAV itself, at 25 frames a second or at the given milliseconds."""
    with av.open(str(path), "w", format=form, options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = gop
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        if times_ms:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = times_ms[index] if times_ms else index
            picture.time_base = Fraction(1, 1000) if times_ms else Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def scattered(count):
    """The numbers below `count` in an order that jumps."""
    return np.random.default_rng(0).permutation(count).tolist()


def packets_of(path):
    """The packets of a file that hold something, in its order."""
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def remux(source: Path, target: Path, change, muxer=None):
    """Copy the packets of a file, each as `change` returns it; None leaves it out."""
    with av.open(str(source)) as reading, av.open(str(target), "w", options=muxer or {}) as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        for number, packet in enumerate(packet for packet in reading.demux(video=0) if packet.size):
            if (changed := change(number, packet)) is not None:
                changed.stream = stream
                writing.mux(changed)
    return target


def with_data(packet, data):
    """A packet with the times of another and data of its own."""
    changed = av.Packet(data)
    changed.pts, changed.dts, changed.time_base, changed.duration = (
        packet.pts,
        packet.dts,
        packet.time_base,
        packet.duration,
    )
    changed.is_keyframe = packet.is_keyframe
    return changed


def frame_or_none(clip, index):
    """A frame, or None where it is refused."""
    try:
        return clip.read([index])[0]
    except InputError:
        return None


def numbers_read(path, order, fresh=False):
    """What each frame of a file says it is, read alone in this order: with one open clip, or with a fresh one each.

    None stands for a frame that is refused.
    """
    clip = VideoFile(path)
    found = {}
    for index in order:
        frame = frame_or_none(VideoFile(path) if fresh else clip, index)
        found[index] = None if frame is None else number_of(frame)
    return [found[index] for index in sorted(found)]


def decoded(path):
    """The numbers of the frames that FFmpeg's decoder gives from a file's start, by PyAV alone."""
    with av.open(str(path)) as container:
        return [number_of(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
