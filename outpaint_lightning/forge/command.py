"""`outpaint-lightning forge`: its options; the work is behind an import so that `--help` answers at once."""

from __future__ import annotations

import argparse
from pathlib import Path

from outpaint_lightning.forge import MAX_FRAMES

PARTS = {
    "mask": "where: border box band brush blob polygon object rain bar clouds remove-pixels",
    "fill": "what: replicate reflect telea navier-stokes harmonic biharmonic patchmatch push-pull median mosaic "
    "propagation copy-move splice net; or what is there, made anew: resample low-pass block-average denoise "
    "renoise recompress flicker temporal-smooth autoencoder regenerate",
    "seam": "how it meets the rest: hard feather poisson colour noise",
    "chain": "how a clip and its forgeries are stored: none resize jpeg h264 hevc vp9 av1 h264-twice",
}
"""The parts of a recipe, and the known names of each kind."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `forge`."""
    parser.add_argument(
        "source",
        metavar="SRC",
        type=Path,
        help="folder of frame folders, video files or photos, or a dataset of clean clips",
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="folder of the dataset to write")
    parser.add_argument("--manifest", metavar="FILE", type=Path, help="CSV: clip[,split,scene,camera,source,...]")
    parser.add_argument(
        "--recipe",
        default="default",
        metavar="FILE",
        help="YAML of masks, fills, seams and chains, or the name of one in configs/forge (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, help="same seed, same bytes (default: the recipe's)")
    parser.add_argument("--per-clip", type=int, metavar="N", help="forgeries of each clip (default: the recipe's)")
    for kind, names in PARTS.items():
        parser.add_argument(f"--{kind}", nargs="+", metavar="NAME", help=names)
    parser.add_argument(
        "--masks", metavar="DIR", type=Path, help="object masks for the mask `object`: DIR/<clip>/00000.png"
    )
    parser.add_argument(
        "--max-frames",
        type=int,
        default=MAX_FRAMES,
        metavar="N",
        help="use the first N frames of longer clips, which are held in memory as a whole (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    parser.add_argument("--overwrite", action="store_true", help="replace the dataset in OUT")


def run(args: argparse.Namespace) -> int:
    """Forge and print the summary; return the exit code."""
    from outpaint_lightning.forge.recipe import Recipe
    from outpaint_lightning.forge.run import forge
    from outpaint_lightning.forge.sheet import summary
    from outpaint_lightning.processes.pool import cores

    recipe = Recipe.read(
        args.recipe,
        masks=args.mask,
        fills=args.fill,
        seams=args.seam,
        chains=args.chain,
        per_clip=args.per_clip,
        seed=args.seed,
    )
    records = forge(
        args.source,
        args.out,
        recipe,
        manifest=args.manifest,
        objects=args.masks,
        max_frames=args.max_frames,
        workers=cores() if args.workers is None else args.workers,
        overwrite=args.overwrite,
    )
    print(summary(records))
    if any(record["forger"] for record in records):
        print(f"\nlook at {args.out}/contact_sheet.png")
    return 0
