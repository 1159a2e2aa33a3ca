"""Find forged regions in anyone's videos and images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, overload

from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.shipped import DEFAULT, REGIONS, shipped
from outpaint_lightning.io import Clip, is_image, open_clip, require_free
from outpaint_lightning.io.output import require_spared, sole_writer
from outpaint_lightning.localize.clips import localize_clip
from outpaint_lightning.localize.examined import Examined
from outpaint_lightning.localize.finding import Finding, find
from outpaint_lightning.localize.images import find_regions
from outpaint_lightning.localize.judging import quicken
from outpaint_lightning.localize.knowledge import card_lines
from outpaint_lightning.localize.opening import open_checkpoint
from outpaint_lightning.localize.options import SAVED, Options
from outpaint_lightning.localize.page import INDEX, render_index
from outpaint_lightning.localize.records import write_page
from outpaint_lightning.localize.watch import shares
from outpaint_lightning.processes.device import choose_device
from outpaint_lightning.tasks import LocalizationTask, RegionTask
from outpaint_lightning.types import InputError, did_you_mean

Analysis = Callable[[Any, Clip, Path, Options], Examined]
"""Analyses a clip into a folder, given the task, the clip, the folder and the options."""
ANALYSES: dict[type, Analysis] = {LocalizationTask: localize_clip, RegionTask: find_regions}


@overload
def localize(
    inputs: str | Path,
    ckpt_path: str | Path = DEFAULT,
    out: None = None,
    *,
    threshold: float | None = None,
    batch_size: int = 1,
    device: str = "auto",
) -> Finding: ...


@overload
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
    profile: bool = False,
) -> list[dict[str, Any]]: ...


def localize(
    inputs: str | Path | Sequence[str | Path],
    ckpt_path: str | Path = DEFAULT,
    out: str | Path | None = None,
    *,
    threshold: float | None = None,
    batch_size: int = 1,
    device: str = "auto",
    overwrite: bool = False,
    save: Iterable[str] = (),
    recheck: bool = False,
    profile: bool = False,
) -> Finding | list[dict[str, Any]]:
    """Analyse video files or frame folders, and write one folder `<out>/<name>` for each; or return one as arrays.

    >>> result = outpaint_lightning.localize("suspect.mp4", "runs/localizer/small")  # doctest: +SKIP
    >>> result.masks.shape, result.verdict.answer  # doctest: +SKIP
    ((120, 360, 640), <Answer.UNSURE: 'unsure'>)
    >>> summaries = outpaint_lightning.localize(["suspect.mp4"], "runs/localizer/small", "found")  # doctest: +SKIP
    >>> summaries[0]["forged_fraction"]  # doctest: +SKIP
    0.21

    A folder holds `masks/00000.png` (255 = forged), `masks.mp4`, `overlay.mp4` (same size and frame rate as the input),
    `frames.csv` (`frame,time,forged_fraction,score`), `summary.json`, `score.json` (the verdict) and `report.html`, the
    page that shows it all; several inputs also get `<out>/index.html`. A file that breaks off is analysed as far as it
    decodes, and named afterwards. The checkpoint of a `RegionTask` judges images, see `find_regions`.

    One path that is in no list, of a localizer, and no `out`: nothing is written, and a `Finding` is returned, with
    frames, probabilities, masks, scores and verdict. `finding.stream` yields the same frame by frame.

    A net that carries its state over windows that look back (`net.carry`, a negative `data.stride`) carries it along
    the whole clip, at the cost of one pair a frame; see `judging.Stream`.

    Args:
        inputs: video files, folders of frames or images; their names (without suffix) must differ. Or one path.
        ckpt_path: checkpoint, run folder, ONNX file of `export`, or the name of weights that ship. `default` is the
            localizer and, for image files, the region detector that ships.
        out: folder to write into; None for one path.
        threshold: forged from this probability on, in (0, 1); None takes the checkpoint's.
        batch_size: windows or images judged at once; 1 where the state is carried along the clip.
        device: a torch device, or `auto`.
        overwrite: replace the folders of earlier results.
        save: further files to write, of `options.SAVED`.
        recheck: judge each input once more re-encoded and once rescaled; where the answer is another one, the verdict
            is *unsure*. Takes three times as long.
        profile: print what share of the time each part took; `seconds_of` of the summaries has it in any case.

    Returns:
        The summary of each input; or a `Finding`.

    Raises:
        InputError: an input or the checkpoint cannot be used, or another command writes one of the folders. All inputs
            are opened, and all folders are kept, before the first input is analysed.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"--threshold is {threshold}: expected a number between 0 and 1")
    if batch_size < 1:
        raise InputError(f"--batch-size is {batch_size}: expected at least 1")
    if isinstance(inputs, str | Path):
        if out is not None:
            raise InputError(f"out is {out}: expected none for one path; give [path] to write files")
        return find(inputs, ckpt_path, threshold=threshold, batch_size=batch_size, device=device)
    if out is None:
        raise InputError("out is None: expected the folder to write into, or one path instead of a list")
    wanted = frozenset(save)
    for name in wanted.difference(SAVED):
        raise InputError(f"--save {name}: expected {' or '.join(SAVED)}{did_you_mean(name, SAVED)}")
    clips = _open(inputs)
    checkpoints = {clip.name: _checkpoint(ckpt_path, clip) for clip in clips}
    with sole_writer(Path(out), *checkpoints):
        _require_free(clips, Path(out), overwrite, checkpoints.values())
        options = partial(Options, batch_size=batch_size, save=wanted, recheck=recheck)
        analyses = {path: _prepared(path, options, threshold, device) for path in dict.fromkeys(checkpoints.values())}
        results, broken = _analysed(
            lambda clip: analyses[checkpoints[clip.name]](clip, Path(out) / clip.name), clips, profile
        )
        if len(clips) > 1 and results:
            write_page(Path(out) / INDEX, render_index(results))
    if broken:
        raise InputError("; ".join(dict.fromkeys(broken)))
    return [each.summary for each in results]


def _open(inputs: Sequence[str | Path]) -> list[Clip]:
    clips = [open_clip(path) for path in inputs]
    names = [clip.name for clip in clips]
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise InputError(f"two inputs are called {twice[0]!r}: give them to separate runs with different --out")
    return clips


def _checkpoint(ckpt_path: str | Path, clip: Clip) -> Path:
    """Return the checkpoint that judges a clip; by default, of an image, the region detector that ships."""
    own = str(ckpt_path) != DEFAULT or Path(DEFAULT).exists()
    return find_checkpoint(REGIONS if not own and is_image(clip.path) and REGIONS in shipped() else ckpt_path)


def _prepared(
    checkpoint: Path, options_of: Callable[..., Options], threshold: float | None, device: str
) -> Callable[[Clip, Path], Examined]:
    """Load a checkpoint and print the lines of its card; return a function that analyses a clip into a folder."""
    task, card = open_checkpoint(checkpoint)
    analyse = _analysis(task, checkpoint)
    if threshold is not None:
        task.threshold = threshold
    task.to(choose_device(device))
    if isinstance(task, LocalizationTask):
        quicken(task)
    options = options_of(checkpoint, card)
    print("\n".join(f"checkpoint {line}" for line in card_lines(options.card)))
    return lambda clip, folder: analyse(task, clip, folder, options)


def _require_free(clips: Sequence[Clip], out: Path, overwrite: bool, checkpoints: Iterable[Path]) -> None:
    """Raise `InputError` when something would be replaced unasked, or an input ever."""
    for folder in [out / clip.name for clip in clips]:
        require_free(folder, overwrite)
        require_spared(folder, [*(clip.path for clip in clips), *checkpoints])
    if len(clips) > 1:
        require_free(out / INDEX, overwrite)


def _analysis(task: Any, checkpoint: Path) -> Analysis:
    """Return what analyses clips with such a task."""
    analyse = next((analysis for kind, analysis in ANALYSES.items() if isinstance(task, kind)), None)
    if analyse is None:
        known = " or ".join(f"a {kind.__name__}" for kind in ANALYSES)
        raise InputError(f"{checkpoint}: holds a {type(task).__name__}; expected {known}")
    return analyse


def _analysed(
    analyse: Callable[[Clip], Examined], clips: Iterable[Clip], profile: bool
) -> tuple[list[Examined], list[str]]:
    """Analyse clips, print a line for each, and return what was found, and what could not be read to its end."""
    results, broken = [], []
    for clip in clips:
        try:
            examined = analyse(clip)
        except InputError as problem:
            broken.append(str(problem))
            continue
        print(examined.line)
        if profile:
            print(f"  {shares(examined.summary['seconds_of'])}")
        results.append(examined)
        broken += filter(None, [examined.summary["error"]])
    return results, broken
