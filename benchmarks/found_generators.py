"""Which localizers find what generators painted: trained on each kind of fill and on all, tested on each.

    python benchmarks/found_generators.py OUT --scenes cto=RUN/checkpoints/last.ckpt --landscapes wrib=RUN2/...
        [--snapshots RUN/checkpoints/snapshot_01.ckpt ...] [--critic RUN] [options of fit]

Renders scenes with things and landscapes, and forges each photo with classical fills and with each generator in the
same places: `--scenes` paint all but the thing, `--landscapes` paint an upright band. Then a small U-Net is trained for
the same number of steps on the classical fills of both, on the first generator of each, and on all of these. Each is
tested on every fill; no training sees the other generators.

With `--critic`, the context-aware discriminator of that training is tested as a localizer, as it is, after training on
forgeries of its own generator (the first of `--scenes`), and after training on those of `--snapshots` too; beside it
the same net from random weights. The shipped localizer is tested as well. All runs are in OUT, where the same command
goes on if it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml
from experiments import forge_once, grid, keep, link, score, start

from outpaint_lightning.cli import main as command
from outpaint_lightning.data.blending.landscapes import Landscape
from outpaint_lightning.data.context.sources import SceneContexts
from outpaint_lightning.io import ClipEntry, read_dataset, write_image, write_mask
from outpaint_lightning.io.manifest import SPLITS, read_table, write_manifest
from outpaint_lightning.types import InputError

SCENES, LANDSCAPES = "scenes", "landscapes"
COUNTS = {SCENES: {"train": 120, "val": 10, "test": 24}, LANDSCAPES: {"train": 80, "val": 8, "test": 16}}
SEED = 19  # of photos that no generator was trained on
SIDE = 32  # height and width of a scene, for which cto_small is trained, and of the localizers' crops
HEIGHT, WIDTH = 64, 160  # of a landscape; wrib_small is trained for this height
CLASSICAL = ("telea", "harmonic", "reflect")
MASKS = {SCENES: "background", LANDSCAPES: "band"}
UNET = ("--model.net.width", "8", "--model.net.depth", "3", "--model.net.frames", "1")
Columns = Mapping[tuple[str, str], Sequence[str]]
"""The fills of each column, by the kind of its photos and its title."""
CRITIC = {"dim": 2, "width": 16, "layers": 2, "head": "mask"}
"""The context-aware discriminator of cto_small."""


@dataclass(frozen=True)
class Training:
    """What a localizer is trained on, and the options of its net."""

    name: str
    uses: Callable[[ClipEntry], bool]
    options: tuple[str, ...] = UNET
    configs: tuple[str, ...] = ()


def maker_of(forger: str) -> str:
    """Return the fill of a forger such as `background/telea/hard`; empty for an authentic clip."""
    return forger.split("/")[1] if forger else ""


def render(out: Path) -> dict[str, Path]:
    """Write the photos, the masks of the scenes' things and a list of each kind; return the lists."""
    lists = {kind: out / f"{kind}.csv" for kind in COUNTS}
    for kind, path in lists.items():
        if path.exists():
            continue
        names = []
        for number, split in enumerate(SPLITS):
            count = COUNTS[kind][split]
            names += [(f"{kind}_{split}{index:03d}", split) for index in range(count)]
            scenes = SceneContexts((SEED, number), "", count, (SIDE, SIDE)) if kind == SCENES else None
            for index, (name, _) in enumerate(names[-count:]):
                if scenes is None:
                    landscape = Landscape.sample(np.random.default_rng((SEED, number, index)))
                    write_image(_made(out / kind) / f"{name}.png", landscape.draw(HEIGHT, WIDTH))
                else:
                    picture = scenes.picture(index)
                    write_image(_made(out / kind) / f"{name}.png", picture.frame)
                    write_mask(_made(out / "objects") / f"{name}.png", picture.objects > 0)
        write_manifest(path, [ClipEntry(n, split, kind, "", n, "", out / kind, None) for n, split in names])
    return lists


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def forge(out: Path, kind: str, listed: Path, generators: Mapping[str, str]) -> list[ClipEntry]:
    """Forge the photos of a kind with every fill; return the clips, whose forgers name the generator."""
    names = {str(Path(path).resolve()): name for name, path in generators.items()}
    fills = [*CLASSICAL, *({"class_path": "net", "init_args": {"ckpt_path": path}} for path in names)]
    recipe = {"masks": [MASKS[kind]], "fills": fills, "seams": ["hard"], "chains": ["none"], "per_clip": len(fills)}
    path = out / f"{kind}.yaml"
    path.write_text(yaml.safe_dump(recipe))
    options = ["--recipe", str(path), "--masks", str(out / "objects")] if kind == SCENES else ["--recipe", str(path)]
    root = out / "data" / kind
    forge_once(out / kind, root, listed, options)

    def named(entry: ClipEntry) -> ClipEntry:
        if maker_of(entry.forger) != "net":
            return entry
        record = json.loads((root / "records" / f"{entry.clip}.json").read_text())
        return replace(entry, forger=f"{MASKS[kind]}/{names[record['fill']['params']['ckpt_path']]}/hard")

    return [named(entry) for entry in read_dataset(root)]


def trainings(
    scenes: Sequence[str], landscapes: Sequence[str], snapshots: Sequence[str], critic: Path | None, out: Path
) -> list[Training]:
    """Return the rows of the table: a U-Net for each kind of fill and one for all, then the critic."""

    def using(*makers: str, kinds: Sequence[str] = (SCENES, LANDSCAPES)) -> Callable[[ClipEntry], bool]:
        return lambda entry: entry.scene in kinds and maker_of(entry.forger) in ("", *makers)

    rows = [Training("classical fills", using(*CLASSICAL))]
    rows += [Training(name, using(name, kinds=[SCENES])) for name in scenes]
    rows += [Training(name, using(name, kinds=[LANDSCAPES])) for name in landscapes]
    rows.append(Training("all of them", using(*CLASSICAL, *scenes, *landscapes)))
    if critic is not None:
        own = scenes[0]
        none = (
            *("--model.optimizer.lr", "0", "--model.lr_scheduler", "null"),
            *("--trainer.max_steps", "1", "--trainer.val_check_interval", "1"),
        )
        left, random = _critic_config(out / "critic.yaml", critic), _critic_config(out / "random.yaml", None)
        alone, replay = using(own, kinds=[SCENES]), using(own, *snapshots, kinds=[SCENES])
        rows += [
            Training("critic, as training left it", alone, none, (left,)),
            Training(f"critic, then {own}", alone, (), (left,)),
            Training(f"critic, then {own} and snapshots", replay, (), (left,)),
            Training(f"its layers from random weights, {own} and snapshots", replay, (), (random,)),
        ]
    return rows


def _critic_config(path: Path, weights: Path | None) -> str:
    """Write an overlay with the critic as net; return its path."""
    critic = {"class_path": "outpaint_lightning.nets.PatchDiscriminator", "init_args": CRITIC}
    options = {"critic": critic, "weights": None if weights is None else str(weights.resolve()), "part": "context"}
    net = {"class_path": "outpaint_lightning.nets.CriticLocalizer", "init_args": options}
    path.write_text(yaml.safe_dump({"model": {"init_args": {"net": net}}}))
    return str(path)


def train(folder: Path, words: Sequence[str]) -> None:
    """Train a net and test its last checkpoint, unless that is done.

    Raises:
        SystemExit: a command failed.
    """
    if (folder / "test" / "summary.json").exists():
        return
    words = [*words, "--trainer.default_root_dir", str(folder), "--overwrite"]
    if command(["fit", *words]) or command(["test", *words, "--ckpt_path", "last"]):
        raise SystemExit(1)


def test_shipped(folder: Path, root: Path) -> None:
    """Test the shipped localizer on a dataset, unless that is done.

    Raises:
        SystemExit: the command failed.
    """
    words = ["test", "--config", "localizer/shipped", "--data.root", str(root), "--data.workers", "0"]
    words += ["--trainer.default_root_dir", str(folder), "--ckpt_path", "localizer"]
    if not (folder / "test" / "summary.json").exists() and command(words):
        raise SystemExit(1)


def f1(row: Mapping[str, str]) -> float:
    """Return the F1 of a forged photo."""
    return float(row["f1"])


def informedness(row: Mapping[str, str]) -> float:
    """Return the share of forged pixels that are marked minus that of the authentic ones: 0 for any constant answer."""
    return float(row["recall"]) - float(row["pixel_fpr"])


def floor(row: Mapping[str, str]) -> float:
    """Return the F1 of marking every pixel."""
    return float(row["floor_all_forged"])


def false_positives(row: Mapping[str, str]) -> float:
    """Return the share of a photo's authentic pixels that are marked."""
    return float(row["pixel_fpr"])


def means(
    rows: Sequence[Mapping[str, str]], columns: Columns, value: Callable[[Mapping[str, str]], float]
) -> list[str]:
    """Return the cells of a line: the mean of a value over the photos of each column."""
    return [
        score(statistics.mean(value(row) for row in rows if row["scene"] == kind and maker_of(row["forger"]) in makers))
        for (kind, _), makers in columns.items()
    ]


def main() -> int:
    """Render, forge, train, test and print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("out", type=Path)
    for kind in COUNTS:
        parser.add_argument(f"--{kind}", nargs="+", default=[], metavar="NAME=CKPT", help="generators")
    parser.add_argument("--snapshots", nargs="+", default=[], type=Path, help="earlier states of the first of --scenes")
    parser.add_argument("--critic", type=Path, help="run folder or checkpoint of contextual outpainting")
    parser.add_argument("--steps", type=int, default=250, help="of each training (default: %(default)s)")
    args, fit = parser.parse_known_args()
    keep(args.out)
    lists = render(args.out)
    generators = {kind: dict(_named(spec) for spec in getattr(args, kind)) for kind in COUNTS}
    snapshots = {path.stem: str(path) for path in args.snapshots}
    fills = {SCENES: {**generators[SCENES], **snapshots}, LANDSCAPES: generators[LANDSCAPES]}
    entries = [entry for kind in COUNTS for entry in forge(args.out, kind, lists[kind], fills[kind])]

    length = str(args.steps)
    options = [
        *("--trainer.max_epochs", "-1", "--trainer.max_steps", length, "--trainer.check_val_every_n_epoch", "null"),
        *("--trainer.val_check_interval", length, "--trainer.enable_progress_bar", "false", "--data.val_every", "1"),
        *("--data.crop", f"[{SIDE}, {SIDE}]", "--data.batch_size", "8", "--data.workers", "0"),
        *(
            "--model.threshold",
            "validation",
            "--model.pixel_fpr_limit",
            "0.05",
            *(word for word in fit if word != "--"),
        ),
    ]
    folders = {}
    seen = {kind: [*generators[kind]][:1] for kind in COUNTS}
    rows = trainings(seen[SCENES], seen[LANDSCAPES], [*snapshots], args.critic, args.out)
    for number, row in enumerate(rows):
        folders[row.name], root = args.out / f"run_{number}", args.out / f"root_{number}"
        link([entry for entry in entries if entry.split == "test" or row.uses(entry)], root)
        configs = [word for config in ("localizer/unet", *row.configs) for word in ("--config", config)]
        train(folders[row.name], [*configs, "--data.root", str(root), *options, *row.options])
    folders["the shipped localizer"] = args.out / "shipped"
    test_shipped(folders["the shipped localizer"], args.out / "root_0")

    columns = {
        (kind, name): makers
        for kind, others in fills.items()
        for name, makers in {"classical": CLASSICAL, **{name: (name,) for name in others}}.items()
    }
    authentic = {(kind, "authentic"): ("",) for kind in COUNTS}
    tables = {name: read_table(folder / "test" / "per_video.csv") for name, folder in folders.items()}
    header = ["trained on", *(f"{kind}: {title}" for kind, title in [*columns, *authentic])]
    titles = {"F1": f1, "Share of forged pixels marked, minus that of authentic pixels": informedness}
    for title, value in titles.items():
        lines = [
            [name, *means(table, columns, value), *means(table, authentic, false_positives)]
            for name, table in tables.items()
        ]
        print(title)
        print("\n".join(grid(header, lines)))
    print("F1 of marking every pixel:", *means(next(iter(tables.values())), columns, floor))
    return 0


def _named(spec: str) -> tuple[str, str]:
    name, found, path = spec.partition("=")
    if not found:
        raise InputError(f"{spec}: expected NAME=CKPT, the checkpoint of a generator and a name for it")
    return name, path


if __name__ == "__main__":
    start(main)
