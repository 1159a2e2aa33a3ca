"""Render clips, forge them, train, test and localize, in minutes, on a CPU.

Every number comes from the commands that a user would type. This module renders the clips, prints each command before
it runs it, and reads the files that the commands leave.
"""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outpaint_lightning.checkpoints.shipped import DEFAULT
from outpaint_lightning.cli import main
from outpaint_lightning.data.synthetic import CAMERAS, PHOTOS, Photo, render, sample_scene
from outpaint_lightning.io import (
    ClipEntry,
    VideoWriter,
    frame_files,
    open_clip,
    read_dataset,
    read_mask,
    require_free,
    write_image,
    write_manifest,
)
from outpaint_lightning.io.manifest import SPLITS
from outpaint_lightning.io.output import sole_writer
from outpaint_lightning.pictures import FORGED, overlay, strip

Run = Callable[[list[str]], int]

HELD_OUT = {  # photographs that only one split shows
    "val": ("coins.png", "rocket.jpg"),
    "test": ("chelsea.png", "grass.png", "hubble_deep_field.jpg", "motorcycle_left.png"),
}
SUSPECT = "suspect.mp4"
NETS = {"found": "trained here", "found_shipped": "shipped net"}
"""Folder for what a net finds, and what the net is called."""
WRITTEN = ("clips", "forged", "run", SUSPECT, *NETS, "strip.png")  # in the folder given
STRIP_ROWS = 4


@dataclass(frozen=True)
class Scale:
    """How much the demo does.

    Attributes:
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        frames: of a clip.
        scenes: how many to render for train, val and test.
        forge: options of `forge` beside its folders.
        fit: options of `fit` beside the config and the folders.
    """

    height: int = 144
    width: int = 192
    frames: int = 8
    scenes: tuple[int, int, int] = (64, 6, 12)
    forge: tuple[str, ...] = ("--recipe", "outpainting", "--per-clip", "3", "--fill", "telea", "--seam", "hard")
    fit: tuple[str, ...] = (
        *("--trainer.max_epochs", "4"),
        *("--trainer.limit_train_batches", "150"),
        *("--data.batch_size", "4"),
        *("--data.val_every", "4"),
        *("--data.workers", "1"),
        *("--model.net.updates", "4"),
        *("--model.optimizer.lr", "1.0e-3"),
    )


def demo(out: str | Path, *, overwrite: bool = False, run: Run = main, scale: Scale | None = None) -> int:
    """Do everything once, on clips rendered here, and print how well it went.

    >>> outpaint_lightning.demo("runs/demo")  # doctest: +SKIP
    0

    Args:
        out: folder to write into.
        overwrite: replace what an earlier demo left there.
        run: called with the words of a command, returns its exit code; the command line itself unless given.
        scale: how much to do; None is what two CPU cores do in minutes.

    Returns:
        0 when the F1 on clips never seen exceeds every floor, 1 when it does not, or the exit code of a command that
        failed.

    Raises:
        InputError: `out` is not empty and may not be overwritten, another demo writes there, or a photograph of
            scikit-image is missing.
    """
    start = time.monotonic()
    out, scale = Path(out), scale or Scale()
    require_free(out, overwrite)
    with sole_writer(out):
        for name in WRITTEN:
            shutil.rmtree(path) if (path := out / name).is_dir() else path.unlink(missing_ok=True)
        print(f"rendering {sum(scale.scenes)} clips of {scale.frames} frames, {scale.width}x{scale.height}", flush=True)
        render_clips(out / "clips", scale)
        if code := _train(out, scale, run) or _localize(out, run):
            return code
    summary: dict[str, Any] = json.loads((out / "run/test/summary.json").read_text())
    print()
    print("\n".join(_verdict(summary)))
    suspect = _suspects(out / "forged")[0]
    for folder, net in NETS.items():
        print(f"{'F1 on ' + SUSPECT + ', ' + net:34} {_f1(out / folder / Path(SUSPECT).stem / 'masks', suspect):.3f}")
    for folder, net in NETS.items():
        print(f"{'overlay, ' + net:34} {out}/{folder}/{Path(SUSPECT).stem}/overlay.mp4")
    print(f"{'frame | each net | truth':34} {out}/strip.png")
    print(f"{'minutes, all in all':34} {(time.monotonic() - start) / 60:.1f}")
    return 0 if _exceeds(summary) else 1


def _train(out: Path, scale: Scale, run: Run) -> int:
    """Forge the clips, train on them and test; return the exit code of the command that failed, else 0."""
    experiment = ["--config", "localizer/small", "--data.root", str(out / "forged")]
    experiment += ["--trainer.default_root_dir", str(out / "run")]
    experiment += ["--trainer.devices", "1"]  # on several, Lightning would start this whole demo again for each
    clips = str(out / "clips")
    commands = (
        ["forge", clips, str(out / "forged"), "--manifest", f"{clips}/manifest.csv", *scale.forge],
        ["fit", *experiment, *scale.fit],
        ["test", *experiment],
    )
    return next((code for words in commands if (code := _run(words, run))), 0)


def _localize(out: Path, run: Run) -> int:
    """Find the forged regions in held-out clips with each of `NETS`; return the exit code of what failed, else 0.

    One of the clips is given as a video file.
    """
    suspects = _suspects(out / "forged")
    film = out / SUSPECT
    _write_video(suspects[0], film)
    print(f"\n{film} is the held-out clip {suspects[0].clip}, forged by {suspects[0].forger}")
    inputs = [str(film), *(str(entry.frames) for entry in suspects)]
    commands = (["localize", *inputs, "--ckpt_path", ckpt, "--out", str(out / folder)]
                for folder, ckpt in zip(NETS, (str(out / "run"), DEFAULT), strict=True))  # fmt: skip
    code = next((code for words in commands if (code := _run(words, run))), 0)
    if not code:
        _write_strip(suspects, out)
    return code


def render_clips(folder: Path, scale: Scale) -> None:
    """Render scenes to folders of PNG frames and `manifest.csv`; no scene and no photograph is in two splits."""
    entries: list[ClipEntry] = []
    for split, count in zip(SPLITS, scale.scenes, strict=True):
        photos = HELD_OUT.get(split) or [name for name in PHOTOS if not any(name in held for held in HELD_OUT.values())]
        for number in range(count):
            camera = CAMERAS[number % len(CAMERAS)]
            seed = len(entries)
            scene = sample_scene(seed, scale.height, scale.width, scale.frames, camera, photos=photos)
            entry = ClipEntry(
                clip=f"scene{seed:03d}",
                split=split,
                scene="photo" if isinstance(scene.layers[0].texture, Photo) else "pattern",
                camera=camera,
                source=f"scene{seed:03d}",
                forger="",
                frames=folder / f"scene{seed:03d}",
                masks=None,
            )
            for index, frame in enumerate(render(scene)):
                write_image(entry.frames / f"{index:05d}.png", frame)
            entries.append(entry)
    write_manifest(folder / "manifest.csv", entries)


def _run(words: list[str], run: Run) -> int:
    """Print a command as it would be typed and run it; return its exit code."""
    print(f"\n$ outpaint-lightning {shlex.join(words)}", flush=True)
    code = run(words)
    if code:
        print(f"\nthe demo stops here: `{words[0]}` ended with exit code {code}")
    return code


def _suspects(root: Path) -> list[ClipEntry]:
    """Return the first forgery of each of some test scenes."""
    forged = [entry for entry in read_dataset(root) if entry.split == "test" and entry.masks]
    return list({entry.source: entry for entry in reversed(forged)}.values())[::-1][:STRIP_ROWS]


def _write_video(entry: ClipEntry, path: Path) -> None:
    clip = open_clip(entry.frames)
    with VideoWriter(path, clip.height, clip.width, clip.fps) as video:
        for frame in clip:
            video.write(frame)


def _write_strip(entries: list[ClipEntry], out: Path) -> None:
    """Write `strip.png`: a row for the middle frame of each clip, with what each net found and what is true."""
    rows = []
    for entry in entries:
        assert entry.masks is not None
        clip = open_clip(entry.frames)
        middle = len(clip) // 2
        frame = clip.read([middle])[0]
        masks = (*(out / folder / entry.clip / "masks" for folder in NETS), entry.masks)
        rows.append([frame, *(overlay(frame, read_mask(folder / f"{middle:05d}.png")) for folder in masks)])
    write_image(out / "strip.png", strip(rows, ("frame", *NETS.values(), "truth"), FORGED))


def _f1(found: Path, entry: ClipEntry) -> float:
    """Return the pixel F1 of the masks in a folder over all frames of a forged clip."""
    assert entry.masks is not None
    pairs = [(read_mask(found / true.name), read_mask(true)) for true in frame_files(entry.masks)]
    hits = sum(int((marked & forged).sum()) for marked, forged in pairs)
    return 2 * hits / sum(int(marked.sum()) + int(forged.sum()) for marked, forged in pairs)


def _best_floor(summary: dict[str, Any]) -> float:
    return float(max(summary["floors"].values()))


def _exceeds(summary: dict[str, Any]) -> bool:
    return bool(summary["f1"]["mean"] > _best_floor(summary))


def _verdict(summary: dict[str, Any]) -> list[str]:
    """Return the lines that tell how the net did, from the summary of its test."""
    lines = [
        f"{'pixel F1 on ' + str(summary['f1']['videos']) + ' forged test clips':34} {summary['f1']['mean']:.3f}",
        *(f"{'  floor: ' + name:34} {value:.3f}" for name, value in summary["floors"].items()),
        f"{'gain over the best floor':34} {summary['gain']:.3f}",
        f"{'false positives, authentic pixels':34} {summary['authentic']['pixel_fpr']:.3f}",
    ]
    if not _exceeds(summary):
        lines.append("The F1 does not exceed the best floor: this net has learned nothing that helps.")
    return lines
