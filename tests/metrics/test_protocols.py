"""Every protocol against a plain numpy reference of its own, on 1,000 random videos, and its oddities by hand."""

import functools
import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from outpaint_lightning.metrics import PROTOCOLS
from outpaint_lightning.types import InputError

CASES = 300
TOGETHER = {"source": 10, "truvil": 10, "trufor": 10}  # videos judged together; the others' frames do not meet


def random_video(rng):
    """A map and a truth, often empty, full, tied or exactly at a threshold, of odd sizes."""
    t, h, w = rng.integers(1, 4), rng.integers(1, 40), rng.integers(1, 40)
    y, x = np.mgrid[:h, :w]
    rectangle = (y >= rng.integers(h)) & (x >= rng.integers(w)) & (x < w - rng.integers(w))
    truths = (
        np.zeros((t, h, w), bool),
        np.ones((t, h, w), bool),
        rng.random((t, h, w)) < rng.random(),
        np.broadcast_to(rectangle, (t, h, w)).copy(),
        np.broadcast_to(x < rng.integers(1, w + 1), (t, h, w)).copy(),
    )
    truth = truths[rng.integers(len(truths))]
    maps = (
        rng.random((t, h, w)),
        np.full((t, h, w), rng.choice([0, 0.4, 0.5, 0.6, 1])),
        rng.integers(0, 6, (t, h, w)) / 5,
        np.clip(truth * 0.5 + 0.7 * rng.random((t, h, w)), 0, 1),
        np.round(np.clip(truth * 0.3 + 0.7 * rng.random((t, h, w)), 0, 1), 1),
        1.0 - truth,
        truth * 1.0,
    )
    return maps[rng.integers(len(maps))].astype(np.float32), truth


def divide(a, b):
    return a / b if b else math.nan


def tally(prediction, truth):
    """Pixel by pixel."""
    cells = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for pair in zip(prediction.ravel().tolist(), truth.ravel().tolist(), strict=True):
        cells[pair] += 1
    return cells[True, True], cells[True, False], cells[False, True], cells[False, False]


def f_measure(precision, recall, epsilon):
    return 2 * precision * recall / (precision + recall + epsilon)


def reference_source(videos):
    result = {}
    for threshold in (0.5, 0.4):
        values, groups = [], {}
        for maps, truths, category in videos:
            tp, fp, fn, _ = tally(maps >= np.float32(threshold), truths)
            if tp + fn:
                values.append(2 * tp / (2 * tp + fp + fn))
                groups.setdefault(category, []).append(values[-1])
        result[f"f1@{threshold}"] = np.mean(values) if values else math.nan
        result[f"variance@{threshold}"] = np.var(values) if values else math.nan
        result |= {f"f1@{threshold}/{name}": np.mean(group) for name, group in groups.items()}
    return result


def reference_vidnet(videos):
    f1, iou = [], []
    for p, g in frames(videos):
        tp, fp, fn, _ = tally(p > 0.5, g)
        f1.append(f_measure(tp / (tp + fp + 1e-6), divide(tp, tp + fn), 1e-6))
        iou.append((tp + 1e-5) / (tp + fp + fn + 1e-5))
    return {"f1": sum(f1) / len(f1), "iou": sum(iou) / len(iou)}


@functools.cache
def pillow_weights(n, size=224):
    """Pillow's Resample.c: triangle filter, widened where it shrinks, weights in 22 bits of fixed point."""
    weights = np.zeros((size, n))
    scale = n / size
    reach = max(scale, 1.0)
    for i in range(size):
        center = (i + 0.5) * scale
        inside = range(max(int(center - reach + 0.5), 0), min(int(center + reach + 0.5), n))
        row = [max(1 - abs((j - center + 0.5) / reach), 0) for j in inside]
        for j, weight in zip(inside, row, strict=True):
            weights[i, j] = int(0.5 + weight / sum(row) * 2**22)
    return weights


def pillow_resize(mask):
    pixels = mask * 255.0
    for axis in (1, 0):  # rows first; exact: all products are integers below 2**53
        summed = np.moveaxis(np.tensordot(pillow_weights(mask.shape[axis]), pixels, (1, axis)), 0, axis)
        pixels = np.floor((summed + 2**21) / 2**22).clip(0, 255)
    return pixels


def reference_mumpy(videos):
    f1, iou = [], []
    for p, g in frames(videos):
        found, actual = pillow_resize(p > 0.5) / 255 > 0.5, pillow_resize(g) > 0
        tp, fp, fn = (found & actual).sum(), (found & ~actual).sum(), (~found & actual).sum()
        f1.append(f_measure(tp / (tp + fp + 1e-6), tp / np.sum(actual + 1e-6), 1e-6))
        iou.append((tp + 1e-5) / (tp + fp + fn + 1e-5))
    return {"f1": np.mean(f1), "iou": np.mean(iou)}


def pooled(batch):
    tp, fp, fn, _ = np.sum([tally(p > 0.5, g) for p, g in batch], axis=0)
    return f_measure(tp / (tp + fp + 1e-8), tp / (tp + fn + 1e-8), 1e-8), tp / (tp + fp + fn + 1e-8)


def reference_vilocal(videos):
    f1, iou = np.mean([pooled([frame]) for frame in frames(videos)], axis=0)
    return {"f1": f1, "iou": iou}


def reference_truvil(videos):
    todo, f1, iou, count = list(frames(videos)), 0.0, 0.0, 0
    while todo:
        batch, todo = todo[:16], todo[16:]
        values = pooled(batch)
        f1, iou, count = f1 + values[0] * len(batch), iou + values[1] * len(batch), count + len(batch)
    return {"f1": f1 / count, "iou": iou / count}


def reference_trufor(videos):
    best, fixed, score, label = [], [], [], []
    for p, g in frames(videos):
        ranked = np.sort(p.ravel())[::-1]
        score.append(float(np.mean(ranked[: max(1, round(p.size / 100))], dtype=np.float64)))
        label.append(bool(g.any()))
        if not g.any():
            continue
        sure_forged = ndimage.minimum_filter(g, 15)
        sure_authentic = ~ndimage.maximum_filter(g, 11)
        forged, authentic = np.sort(p[sure_forged]), np.sort(p[sure_authentic])
        candidates = []
        for threshold in np.unique(np.concatenate([forged, authentic])):
            tp = len(forged) - np.searchsorted(forged, threshold, "right")
            fp = len(authentic) - np.searchsorted(authentic, threshold, "right")
            for a, b in ((tp, fp), (len(forged) - tp, len(authentic) - fp)):
                candidates.append(2 * a / max(a + b + len(forged), 1e-32))
        best.append(max(candidates, default=math.nan))
        cells = tally(p[sure_forged | sure_authentic] > 0.5, g[sure_forged | sure_authentic])
        tp, fp, fn, tn = cells
        one_class = sum(cells) in (tp, tn)
        f1 = [2 * a / max(2 * a + b + c, 1e-32) for a, b, c in ((tp, fp, fn), (fn, tn, tp))]
        fixed.append(math.nan if one_class else max(f1))
    pairs = [(a, b) for a, x in zip(score, label, strict=True) if x for b, y in zip(score, label, strict=True) if not y]
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs)
    recalls = [
        np.mean([(s > 0.5) == c for s, x in zip(score, label, strict=True) if x == c])
        for c in (True, False)
        if c in label
    ]
    return {
        "f1_best": np.mean([x for x in best if not math.isnan(x)] or [math.nan]),
        "f1_fixed": np.mean([x for x in fixed if not math.isnan(x)] or [math.nan]),
        "image_auc": divide(wins, len(pairs)),
        "image_balanced_accuracy": np.mean(recalls),
    }


def reference_imdlbenco(videos):
    def f1(prediction, g):
        tp, fp, fn, _ = tally(prediction, g)
        return f_measure(tp / (tp + fp + 1e-8), tp / (tp + fn + 1e-8), 1e-8)

    def auc(p, g):
        if not g.any():
            return 0.0
        if g.all():
            return math.nan
        sorted_truth = g.ravel()[np.argsort(-p.ravel(), kind="stable")]
        tpr, fpr = np.cumsum(sorted_truth) / g.sum(), np.cumsum(~sorted_truth) / (~g).sum()
        return np.trapezoid(tpr, fpr)

    rows = []
    for p, g in frames(videos):
        one, two = f1(p > 0.5, g), f1(~(p > 0.5), g)
        three, four = auc(p, g), auc(np.float32(1) - p, g)
        rows.append([one, two, max(one, two), three, four, max(three, four)])
    names = ("f1", "f1_reverse", "f1_double", "auc", "auc_reverse", "auc_double")
    return dict(zip(names, np.mean(rows, axis=0), strict=True))


def frames(videos):
    for maps, truths, _ in videos:
        yield from zip(maps, truths, strict=True)


def judge(name, videos, device="cpu"):
    protocol = PROTOCOLS[name]()
    for i, (maps, truth, category) in enumerate(videos):
        protocol.update(torch.from_numpy(maps).to(device), torch.from_numpy(truth).to(device), f"{i}", category)
    return protocol.compute()


def random_datasets(name, count=CASES, seed=0):
    rng = np.random.default_rng(seed)
    videos = [(*random_video(rng), str(rng.choice(["flat/still", "outdoor/move"]))) for _ in range(count)]
    size = TOGETHER.get(name, 1)
    return [videos[i : i + size] for i in range(0, count, size)]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_equals_the_reference(name):
    undefined = 0
    datasets = random_datasets(name)
    for dataset in datasets:
        expected = globals()[f"reference_{name}"](dataset)
        assert judge(name, dataset) == pytest.approx(expected, abs=1e-6, nan_ok=True)
        undefined += math.isnan(next(iter(expected.values())))
    assert undefined < len(datasets) / 2  # NaN equals NaN: most cases must compare numbers


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", PROTOCOLS)
def test_same_on_a_gpu(name):
    for dataset in random_datasets(name, count=50, seed=1):
        assert judge(name, dataset, "cuda") == pytest.approx(judge(name, dataset), abs=1e-6, nan_ok=True)


def test_frames_may_come_in_pieces():
    rng = np.random.default_rng(2)
    maps = rng.random((20, 9, 7), np.float32)
    truth = np.broadcast_to(np.arange(7) < 3, maps.shape).copy()
    for name, protocol_class in PROTOCOLS.items():
        protocol = protocol_class()
        for part in (slice(0, 3), slice(3, 20)):
            protocol.update(torch.from_numpy(maps[part]), torch.from_numpy(truth[part]), "a")
        assert protocol.compute() == pytest.approx(judge(name, [(maps, truth, "")]), nan_ok=True)


def half(forged_columns, size=64):
    truth = np.zeros((1, size, size), bool)
    truth[..., :forged_columns] = True
    return truth


def as_map(mask):
    return mask.astype(np.float32)


def test_empty_truth_in_each_code_base():
    """The same right answer, nothing found in an authentic frame, is NaN, 0, 1 or left out."""
    dataset = [(as_map(half(0)), half(0), "")]
    assert judge("vidnet", dataset) == pytest.approx({"f1": math.nan, "iou": 1.0}, nan_ok=True)
    assert judge("mumpy", dataset) == pytest.approx({"f1": 0.0, "iou": 1.0})
    assert judge("vilocal", dataset) == judge("truvil", dataset) == {"f1": 0.0, "iou": 0.0}
    assert set(judge("imdlbenco", dataset).values()) == {0.0}
    assert math.isnan(judge("trufor", dataset)["f1_best"])
    assert math.isnan(judge("source", dataset)["f1@0.5"])


def test_one_authentic_frame_makes_vidnets_mean_undefined():
    dataset = [(as_map(half(8)), half(8), ""), (as_map(half(0)), half(0), "")]
    assert math.isnan(judge("vidnet", dataset)["f1"])
    assert judge("mumpy", dataset)["f1"] < 0.51


def test_mumpy_widens_the_truth():
    """A perfect mask is no longer perfect: the truth grows by bilinear interpolation, the prediction does not."""
    truth = half(32)
    scores = judge("mumpy", [(as_map(truth), truth, "")])
    grown = (pillow_resize(truth[0]) > 0).sum() / 224
    assert grown > 112
    assert scores["iou"] == pytest.approx(112 / grown, abs=1e-6)


def test_truvil_depends_on_the_batch():
    """One found frame and one missed: pooled F1 2/3 each; as 16 + 1 frames the missed one, alone, scores 0."""
    truth = np.concatenate([half(8)] * 17)
    maps = as_map(truth)
    maps[16] = 0
    pair = judge("truvil", [(maps[15:], truth[15:], "")])
    assert pair["f1"] == pytest.approx(2 / 3)
    assert judge("truvil", [(maps, truth, "")])["f1"] == pytest.approx(16 / 17)
    assert judge("vilocal", [(maps[15:], truth[15:], "")])["f1"] == pytest.approx(1 / 2)


def test_trufor_permutes_and_ignores_the_border():
    truth = half(32)
    assert judge("trufor", [(1 - as_map(truth), truth, "")])["f1_fixed"] == 1
    late = as_map(half(32 - 7))  # misses 7 columns of the forgery: all ignored; an 8th is not
    assert judge("trufor", [(late, truth, "")])["f1_fixed"] == 1
    assert judge("trufor", [(as_map(half(32 - 8)), truth, "")])["f1_fixed"] < 1
    assert judge("trufor", [(as_map(half(32 + 5)), truth, "")])["f1_fixed"] == 1
    assert judge("trufor", [(as_map(half(32 + 6)), truth, "")])["f1_fixed"] < 1


def test_trufor_best_threshold_is_each_images_own():
    truth = half(32)
    quiet = [(0.1 * as_map(truth), truth, ""), (0.9 + 0.1 * as_map(truth), truth, "")]
    scores = judge("trufor", quiet)
    assert scores["f1_best"] == 1
    assert scores["f1_fixed"] == pytest.approx(2 * 25 / (25 + 52))  # of 25 forged and 27 authentic columns


def test_imdlbencos_auc_of_a_constant_map_is_a_matter_of_order():
    truth = half(32)
    constant = np.full_like(as_map(truth), 0.3)
    upper = np.swapaxes(truth, 1, 2).copy()
    assert judge("imdlbenco", [(constant, upper, "")])["auc"] == 1  # forged pixels come first
    assert judge("imdlbenco", [(constant, ~upper, "")])["auc"] == 0


def test_source_takes_both_thresholds_per_video():
    truth = np.concatenate([half(8), half(16)])
    maps = 0.45 * as_map(truth)
    scores = judge("source", [(maps, truth, "flat/still"), (as_map(truth), truth, "outdoor/move")])
    assert scores == {
        "f1@0.5": 0.5,
        "variance@0.5": 0.25,
        "f1@0.5/flat/still": 0.0,
        "f1@0.5/outdoor/move": 1.0,
        "f1@0.4": 1.0,
        "variance@0.4": 0.0,
        "f1@0.4/flat/still": 1.0,
        "f1@0.4/outdoor/move": 1.0,
    }


def test_sizes_that_differ():
    """VIDNet brings the mask to the truth, ViLocal the truth to the map; the others refuse."""
    truth = np.zeros((1, 8, 8), bool)
    truth[:, :, :4] = True
    small = as_map(truth[:, ::2, ::2])
    assert judge("vilocal", [(small, truth, "")])["f1"] == pytest.approx(1)
    assert judge("vidnet", [(small, truth, "")])["iou"] == pytest.approx(1)
    thirds = np.zeros((1, 3, 3), bool)
    thirds[:, :, 0] = True
    assert judge("truvil", [(as_map(half(2, size=4)), thirds, "")])["f1"] == pytest.approx(1)  # columns 0, 0, 1, 2
    for name in ("source", "trufor", "imdlbenco"):
        with pytest.raises(InputError, match="sizes must agree"):
            judge(name, [(small, truth, "")])
    with pytest.raises(InputError, match="expected T H W"):
        PROTOCOLS["vidnet"]().update(torch.zeros(4, 4), torch.zeros(4, 4, dtype=torch.bool), "a")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_without_frames_everything_is_undefined(name):
    assert all(math.isnan(value) for value in PROTOCOLS[name]().compute().values())
