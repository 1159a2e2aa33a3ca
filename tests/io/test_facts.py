import hashlib

import numpy as np
import pytest
from support import texture

from outpaint_lightning.io import VideoWriter, facts_of, open_clip, write_image


def test_facts_of_a_video(tmp_path):
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 48, 64, 12.5, options={"g": "4", "bf": "0", "sc_threshold": "0"}) as writer:
        for t in range(10):
            writer.write(texture(1, 48, 80)[:, t : t + 64])
    facts = facts_of(open_clip(path))
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (facts.bytes, facts.files, facts.codec, facts.audio) == (path.stat().st_size, 1, "h264", "")
    assert (facts.frames, facts.width, facts.height) == (10, 64, 48)
    assert (facts.fps, facts.seconds) == pytest.approx((12.5, 0.8))
    assert facts.keyframe_distance == 4
    assert facts.is_video
    assert "mp4" in facts.container
    assert "Lavf" in facts.encoder
    assert 0.1 < facts.bits_per_pixel < facts.bytes * 8 / (10 * 48 * 64)  # the pictures alone, without the container


def test_facts_of_images(tmp_path):
    """Two folders of the same frames have one hash; another order of the frames another."""
    frames = [texture(seed, 16, 24) for seed in (1, 2)]
    for folder, order in (("a", (0, 1)), ("b", (0, 1)), ("c", (1, 0))):
        for number, index in enumerate(order):
            write_image(tmp_path / folder / f"{number}.png", frames[index])
    a, b, c = (facts_of(open_clip(tmp_path / folder)) for folder in "abc")
    assert a.sha256 == b.sha256 != c.sha256
    assert (a.files, a.codec, a.container, a.is_video) == (2, "png", "folder of images", False)
    assert a.bits_per_pixel == pytest.approx(a.bytes * 8 / (2 * 16 * 24))
    one = facts_of(open_clip(tmp_path / "a" / "0.png"))
    assert one.sha256 == hashlib.sha256((tmp_path / "a" / "0.png").read_bytes()).hexdigest()
    assert (one.container, one.is_video, one.keyframe_distance) == ("image", False, None)
    assert np.isfinite(one.bits_per_pixel)
