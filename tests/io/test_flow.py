import shutil
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image
from torchvision.io import ImageReadMode, decode_image

from outpaint_lightning.io import FLOW_SUFFIXES, read_flow, write_flow
from outpaint_lightning.types import InputError

# torchvision names a successor that we do not install; until it goes, its reader is the only other one of 16-bit RGB
by_torchvision = pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")

FLOWS = {
    "odd": np.random.default_rng(0).uniform([-20, -3], [20, 1], (5, 7, 2)),
    "fast": np.random.default_rng(1).uniform(-80, 80, (31, 4, 2)),
    "one pixel": np.array([[[-3.75, 0.3]]]),
    "constant": np.full((3, 2, 2), 1 / 3),
    "one constant component": np.dstack([np.full((2, 3), 7.1), np.arange(6.0).reshape(2, 3)]),
    "still": np.zeros((1, 5, 2)),
}
INFINITE = np.array([[[1, 2], [np.nan, 3]], [[4, np.inf], [2e9, 0]], [[-2, 6], [0.5, -0.5]]])
FINITE = np.array([[True, False], [False, False], [True, True]])


def half_a_step(suffix, flow):
    """The largest error of rounding, in pixels, for each component."""
    ranges = np.ptp(flow.reshape(-1, 2), axis=0)
    step = {".flo": np.zeros(2), ".flow.png": ranges / 65535, ".png": np.full(2, 1 / 64)}[suffix]
    return step / 2 + np.spacing(np.float32(np.abs(flow).max()))  # and that of float32


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", FLOW_SUFFIXES)
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_comes_back_within_half_a_step(tmp_path, suffix, name):
    """Catches truncation (errs by a step), one range for both components, swapped axes, and 0/0 where all is one."""
    flow = FLOWS[name].astype(np.float32)
    path = tmp_path / "new" / f"00000{suffix}"
    write_flow(path, flow)
    back = read_flow(path)
    assert (back.flow.dtype, back.flow.shape) == (np.float32, flow.shape)
    assert (np.abs(back.flow - flow) <= half_a_step(suffix, flow)).all()
    assert back.valid.dtype == bool
    assert back.valid.shape == flow.shape[:2]
    assert back.valid.all()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("suffix", FLOW_SUFFIXES)
def test_vectors_that_are_not_valid_are_zero_and_touch_no_other(tmp_path, suffix):
    """Catches a range taken over hidden or infinite vectors, which would coarsen or spoil all others."""
    flow, valid = FLOWS["odd"].astype(np.float32), np.ones((5, 7), bool)
    kept = half_a_step(suffix, flow)
    flow[2, 3], flow[0, 0], flow[4, 1, 0] = 1e6, np.nan, -np.inf
    valid[2, 3] = valid[0, 0] = False
    write_flow(tmp_path / f"a{suffix}", flow, valid)
    back = read_flow(tmp_path / f"a{suffix}")
    valid[4, 1] = False  # whatever its caller says
    assert np.array_equal(back.valid, valid)
    assert (back.flow[~valid] == 0).all()
    assert (np.abs(back.flow - flow)[valid] <= kept).all()


@pytest.mark.parametrize("suffix", FLOW_SUFFIXES)
def test_a_flow_may_be_unknown_everywhere(tmp_path, suffix):
    write_flow(tmp_path / f"a{suffix}", np.full((2, 3, 2), np.nan), np.zeros((2, 3), bool))
    back = read_flow(tmp_path / f"a{suffix}")
    assert not back.valid.any()
    assert np.array_equal(back.flow, np.zeros((2, 3, 2)))


@pytest.mark.parametrize("suffix", [".flow.png", ".png"])
def test_a_png_says_by_itself_where_the_flow_is_infinite(tmp_path, suffix):
    write_flow(tmp_path / f"a{suffix}", INFINITE)
    back = read_flow(tmp_path / f"a{suffix}")
    assert np.array_equal(back.valid, FINITE)
    assert np.abs(back.flow - INFINITE)[FINITE].max() <= 1 / 128


def test_a_flo_is_not_written_with_vectors_that_nobody_said_are_unknown(tmp_path):
    path = tmp_path / "a.flo"
    path.write_text("old")
    with pytest.raises(InputError, match=f"^{path}: 3 vectors are not finite or too long; say where"):
        write_flow(path, INFINITE)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_of_a_flo(tmp_path):
    """By hand: magic, width before height, `u` before `v`, row by row; catches big endian and planes."""
    flow = np.array([[[1, -2]], [[0.5, 0]], [[0, 3]]], np.float32)  # 3 high, 1 wide
    expected = b"PIEH" + bytes.fromhex("01000000 03000000 0000803f 000000c0 0000003f 00000000 00000000 00004040")
    assert struct.unpack("<f", expected[:4]) == (202021.25,)
    path = tmp_path / "a.flo"
    write_flow(path, flow)
    assert path.read_bytes() == expected
    path.write_bytes(expected)
    assert np.array_equal(read_flow(path).flow, flow)


def test_unknown_vectors_of_a_flo_are_written_as_the_benchmark_does(tmp_path):
    write_flow(tmp_path / "a.flo", np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[False, True]]))
    assert np.frombuffer((tmp_path / "a.flo").read_bytes()[12:], "<f4").tolist() == [np.float32(1e10)] * 2 + [3, 4]


def test_a_flo_of_half_precision_is_told_by_its_size(tmp_path):
    """As ProPainter writes it. Catches float16 read as float32, and its infinity taken for 65504 or valid."""
    header = b"PIEH" + struct.pack("<ii", 2, 1)
    path = tmp_path / "a.flo"
    path.write_bytes(header + np.array([1.5, -2.25, np.inf, 0], "<f2").tobytes())
    flow, valid = read_flow(path)
    assert flow.dtype == np.float32
    assert flow.tolist() == [[[1.5, -2.25], [0, 0]]]
    assert valid.tolist() == [[True, False]]


def test_opencv_reads_our_flo_and_we_read_its(tmp_path):
    flow = FLOWS["odd"].astype(np.float32)
    ours, theirs = tmp_path / "ours.flo", tmp_path / "theirs.flo"
    write_flow(ours, flow)
    assert np.array_equal(cv2.readOpticalFlow(str(ours)), flow)
    cv2.writeOpticalFlow(str(theirs), flow)
    assert np.array_equal(read_flow(theirs).flow, flow)


@by_torchvision
def test_the_numbers_in_a_kitti_file(tmp_path):
    """Red is `u`, blue where it is known, 64 steps a pixel; read by torchvision, and rounded, not truncated."""
    flow = np.array([[[0, 1], [-512, 0.0078], [511.984375, 0.008], [5, 6]]])
    valid = np.array([[True, True, True, False]])
    write_flow(tmp_path / "a.png", flow, valid)
    red, green, blue = decode_image(str(tmp_path / "a.png"), ImageReadMode.UNCHANGED).int().tolist()
    assert red == [[32768, 0, 65535, 0]]
    assert green == [[32832, 32768, 32769, 0]]  # 0.0078 and 0.008 px lie on the two sides of half a step
    assert blue == [[1, 1, 1, 0]]


def test_a_kitti_file_of_another_writer(tmp_path):
    """OpenCV's order is blue, green, red. Vectors that are not valid read as 0, not as -512."""
    pixels = np.array([[[1, 32768 - 64, 32768 + 32], [0, 0, 0], [65535, 32768, 32769]]], np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    flow, valid = read_flow(tmp_path / "a.png")
    assert flow.tolist() == [[[0.5, -1], [0, 0], [1 / 64, 0]]]
    assert valid.tolist() == [[True, False, True]]


@pytest.mark.parametrize("vector", [(-512.01, 0), (0, 512)])
def test_a_flow_too_long_for_kitti_is_refused_and_not_clipped(tmp_path, vector):
    flow = np.zeros((2, 2, 2))
    flow[1, 1] = vector
    with pytest.raises(InputError, match=r"a.png: the flow leaves -512 to 511.98 px.* write .flow.png$"):
        write_flow(tmp_path / "a.png", flow)
    assert not list(tmp_path.iterdir())
    write_flow(tmp_path / "a.png", flow, flow[..., 0] + flow[..., 1] == 0)


@by_torchvision
def test_a_flow_png_holds_its_own_range(tmp_path):
    """By Pillow and torchvision: `u` is red, from its least value (0) to its largest (65535), `v` green by its own."""
    path = tmp_path / "a.flow.png"
    write_flow(path, np.array([[[-1, 10], [0, 10.25], [3, 11]]], np.float32))
    with Image.open(path) as image:
        assert {key: float(text) for key, text in image.text.items()} == {
            **{"flow_min_u": -1, "flow_max_u": 3},
            **{"flow_min_v": 10, "flow_max_v": 11},
        }
    red, green, blue = decode_image(str(path), ImageReadMode.UNCHANGED).int().tolist()
    assert red == [[0, 16384, 65535]]  # 65535 / 4 = 16383.75
    assert green == [[0, 16384, 65535]]
    assert blue == [[1, 1, 1]]


def test_a_flow_png_under_another_name_is_not_taken_for_a_kitti_file(tmp_path):
    write_flow(tmp_path / "a.flow.png", FLOWS["odd"])
    shutil.copy(tmp_path / "a.flow.png", tmp_path / "a.png")
    assert np.array_equal(read_flow(tmp_path / "a.png").flow, read_flow(tmp_path / "a.flow.png").flow)


def test_a_flow_of_the_report(tmp_path):
    """8 bits over one range for both components, named by a path of another machine; backward flows end in `r`."""
    codes = np.array([[[0, 255, 9], [51, 102, 9]]], np.uint8)
    for name in ("00007.png", "00007r.png"):
        cv2.imwrite(str(tmp_path / name), codes)  # `u` first: blue
    (tmp_path / "minmax.txt").write_text("/data/a b/00007r.png -1 1.5\n/data/a b/00007.png -4.0 6.0 \n")
    flow, valid = read_flow(tmp_path / "00007.png")
    np.testing.assert_allclose(flow, [[[-4, 6], [-2, 0]]], atol=1e-6)
    np.testing.assert_allclose(read_flow(tmp_path / "00007r.png").flow, [[[-1, 1.5], [-0.5, 0]]], atol=1e-6)
    assert valid.all()


def flo(width, height, payload):
    return b"PIEH" + struct.pack("<ii", width, height) + bytes(payload)


def png(pixels):
    return cv2.imencode(".png", pixels)[1].tobytes()


EIGHT, SIXTEEN = (np.zeros((2, 3, 3), kind) for kind in (np.uint8, np.uint16))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.flo", b"", "no .flo file"),
        ("a.flo", b"PIEH\1\0\0", "no .flo file"),
        ("a.flo", b"HEIP" + flo(1, 1, 8)[4:], "no .flo file"),
        ("a.flo", flo(2, 1, 15), "15 bytes after the header; 2x1 vectors need 16 as float32 or 8 as float16"),
        ("a.flo", flo(2, 1, 17), "17 bytes"),
        ("a.flo", flo(-2, -1, 16), "16 bytes"),
        ("a.flo", flo(0, 1, 0), "0 bytes"),
        ("a.png", b"", "does not decode"),
        ("a.png", b"x" * 60, "does not decode"),
        ("a.png", png(SIXTEEN)[:-12], "does not decode"),
        ("a.png", png(SIXTEEN)[:45] + b"\7" + png(SIXTEEN)[46:], "does not decode"),
        ("a.png", png(SIXTEEN[..., 0]), "a whole RGB PNG was expected"),
        ("a.flow.png", png(SIXTEEN), "flow_min_u, flow_min_v, flow_max_u, flow_max_v were expected"),
        ("00001.png", png(EIGHT), "an 8-bit flow; .*minmax.txt with its range was expected beside it"),
    ],
)
def test_what_is_no_flow_is_named(tmp_path, name, data, message):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"^{path}: .*{message}"):
        read_flow(path)


@pytest.mark.parametrize("table", ["", "00002.png 0 1\n", "00001.png 0\n", "00001.png least most\n"])
def test_a_range_that_is_not_in_the_table_is_asked_for(tmp_path, table):
    (tmp_path / "00001.png").write_bytes(png(EIGHT))
    (tmp_path / "minmax.txt").write_text(table)
    with pytest.raises(InputError, match=r"minmax.txt: no line '00001.png minimum maximum'$"):
        read_flow(tmp_path / "00001.png")


@pytest.mark.parametrize("sealed", [True, False])
def test_a_range_that_is_no_number_is_refused(tmp_path, sealed):
    """With a checksum that fits the text, and with the old one: the file is then damaged."""
    path = tmp_path / "a.flow.png"
    write_flow(path, FLOWS["still"])
    chunk, broken = b"tEXtflow_min_u\x000.0", b"tEXtflow_min_u\x000,0"
    old = chunk + struct.pack(">I", zlib.crc32(chunk))
    assert old in path.read_bytes()
    path.write_bytes(
        path.read_bytes().replace(old, broken + (struct.pack(">I", zlib.crc32(broken)) if sealed else old[-4:]))
    )
    with pytest.raises(InputError, match="were expected as numbers in its PNG text" if sealed else "does not decode"):
        read_flow(path)


def test_a_flow_png_that_was_saved_with_8_bits_is_refused(tmp_path):
    """Its range is still there; read as 16 bits, all of it would lie at the lower end."""
    path = tmp_path / "a.flow.png"
    write_flow(path, FLOWS["odd"])
    text = path.read_bytes()[33:].split(b"IDAT")[0][:-4]  # the chunks between the header and the pixels
    path.write_bytes(png(EIGHT)[:33] + text + png(EIGHT)[33:])
    with pytest.raises(InputError, match=r"a.flow.png: an 8-bit PNG; a .flow.png has 16 bits$"):
        read_flow(path)


def test_a_path_that_cannot_be_a_flow_is_named(tmp_path):
    with pytest.raises(InputError, match=r"missing.flo: cannot be read \(No such file or directory\)"):
        read_flow(tmp_path / "missing.flo")
    for use in (read_flow, lambda path: write_flow(path, FLOWS["odd"])):
        with pytest.raises(InputError, match=r"a.jpg: no kind of flow file; expected one of .flo .flow.png .png$"):
            use(tmp_path / "a.jpg")
    for shape in ((2, 5, 7), (5, 7), (0, 7, 2)):
        with pytest.raises(InputError, match=r"a.flo: a flow of shape .* height, width and 2 were expected"):
            write_flow(tmp_path / "a.flo", np.zeros(shape))
