"""Find forged regions in anyone's videos and images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from outpaint_lightning.checkpoints.card import read_card
from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.io import Clip, open_clip, require_free
from outpaint_lightning.io.output import require_spared, sole_writer
from outpaint_lightning.localize.clips import localize_clip
from outpaint_lightning.localize.examined import Examined
from outpaint_lightning.localize.images import find_regions
from outpaint_lightning.localize.knowledge import card_lines
from outpaint_lightning.localize.options import SAVED, Options
from outpaint_lightning.processes.device import choose_device
from outpaint_lightning.tasks import LocalizationTask, RegionTask
from outpaint_lightning.types import InputError, did_you_mean

Analysis = Callable[[Any, Clip, Path, Options], Examined]
"""Analyses a clip into a folder, given the task, the clip, the folder and the options."""
ANALYSES: dict[type, Analysis] = {LocalizationTask: localize_clip, RegionTask: find_regions}


def localize(
    inputs: Sequence[str | Path],
    ckpt_path: str | Path,
    out: str | Path,
    *,
    threshold: float | None = None,
    batch_size: int = 1,
    device: str = "auto",
    overwrite: bool = False,
    save: Iterable[str] = (),
    recheck: bool = False,
) -> list[dict[str, Any]]:
    """Analyse video files or frame folders, and write one folder `<out>/<name>` for each.

    >>> summaries = outpaint_lightning.localize(["suspect.mp4"], "runs/localizer/small", "found")  # doctest: +SKIP
    >>> summaries[0]["forged_fraction"]  # doctest: +SKIP
    0.21

    A folder holds `masks/00000.png` (255 = forged), `masks.mp4`, `overlay.mp4` (same size and frame rate as the input),
    `frames.csv` (`frame,time,forged_fraction,score`) and `summary.json`. A file that breaks off is analysed as far as
    it decodes, and named afterwards. The checkpoint of a `RegionTask` judges images, see `find_regions`.

    A net that carries its state over windows that look back (`net.carry`, a negative `data.stride`) carries it along
    the whole clip, at the cost of one pair a frame; see `judging.Stream`.

    Args:
        inputs: video files, folders of frames or images; their names (without suffix) must differ.
        ckpt_path: checkpoint or run folder.
        out: folder to write into.
        threshold: forged from this probability on, in (0, 1); None takes the checkpoint's.
        batch_size: windows or images judged at once; 1 where the state is carried along the clip.
        device: a torch device, or `auto`.
        overwrite: replace the folders of earlier results.
        save: further files to write, of `options.SAVED`.
        recheck: judge each input once more re-encoded and once rescaled; where the answer is another one, the verdict
            is *unsure*. Takes three times as long.

    Returns:
        The summary of each input.

    Raises:
        InputError: an input or the checkpoint cannot be used, or another command writes one of the folders. All inputs
            are opened, and all folders are kept, before the first input is analysed.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"--threshold is {threshold}: expected a number between 0 and 1")
    if batch_size < 1:
        raise InputError(f"--batch-size is {batch_size}: expected at least 1")
    wanted = frozenset(save)
    for name in wanted.difference(SAVED):
        raise InputError(f"--save {name}: expected {' or '.join(SAVED)}{did_you_mean(name, SAVED)}")
    clips = _open(inputs)
    checkpoint = find_checkpoint(ckpt_path)
    with sole_writer(Path(out), *(clip.name for clip in clips)):
        folders = [Path(out) / clip.name for clip in clips]
        for folder in folders:
            require_free(folder, overwrite)
            require_spared(folder, [*(clip.path for clip in clips), checkpoint])
        task: Any = load_task(checkpoint)
        analyse = _analysis(task, checkpoint)
        if threshold is not None:
            task.threshold = threshold
        task.to(choose_device(device))
        options = Options(checkpoint, read_card(checkpoint), batch_size, wanted, recheck)
        print("\n".join(f"checkpoint {line}" for line in card_lines(options.card)))
        examined = _analyse_all(
            lambda clip, folder: analyse(task, clip, folder, options), zip(clips, folders, strict=True)
        )
        return [each.summary for each in examined]


def _open(inputs: Sequence[str | Path]) -> list[Clip]:
    clips = [open_clip(path) for path in inputs]
    names = [clip.name for clip in clips]
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise InputError(f"two inputs are called {twice[0]!r}: give them to separate runs with different --out")
    return clips


def _analysis(task: Any, checkpoint: Path) -> Analysis:
    """Return what analyses clips with such a task."""
    analyse = next((analysis for kind, analysis in ANALYSES.items() if isinstance(task, kind)), None)
    if analyse is None:
        known = " or ".join(f"a {kind.__name__}" for kind in ANALYSES)
        raise InputError(f"{checkpoint}: holds a {type(task).__name__}; expected {known}")
    return analyse


def _analyse_all(analyse: Callable[[Clip, Path], Examined], pairs: Iterable[tuple[Clip, Path]]) -> list[Examined]:
    """Analyse clips into their folders, print a line for each, and return what was found.

    Raises:
        InputError: some clips cannot be read, or broke off; all others are analysed before.
    """
    results, broken = [], []
    for clip, folder in pairs:
        try:
            examined = analyse(clip, folder)
        except InputError as problem:
            broken.append(str(problem))
            continue
        print(examined.line)
        results.append(examined)
        broken += filter(None, [examined.summary["error"]])
    if broken:
        raise InputError("; ".join(dict.fromkeys(broken)))
    return results
