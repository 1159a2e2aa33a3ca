"""`outpaint-lightning forge`: options, and the work behind an import so that `--help` answers at once."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `forge`."""
    parser.add_argument("source", metavar="SRC", type=Path, help="folder of clips: folders of frames or video files")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder of the dataset to write")
    parser.add_argument("--manifest", metavar="FILE", type=Path, help="CSV: clip[,split,scene,camera,source,...]")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same bytes (default: %(default)s)")
    parser.add_argument(
        "--per-clip", type=int, default=4, metavar="N", help="forgeries of each clip (default: %(default)s)"
    )
    parser.add_argument("--mask", nargs="+", default=["border", "box"], metavar="NAME", help="where (border box)")
    parser.add_argument(
        "--fill", nargs="+", default=["reflect", "telea", "mosaic"], metavar="NAME", help="what (reflect telea mosaic)"
    )
    parser.add_argument(
        "--seam", nargs="+", default=["hard", "feather"], metavar="NAME", help="how it meets the rest (hard feather)"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    parser.add_argument("--overwrite", action="store_true", help="replace the dataset in OUT")


def run(args: argparse.Namespace) -> int:
    """Forge and print the summary; return the exit code."""
    from outpaint_lightning.forge.run import cores, forge, summary

    rows = forge(
        args.source,
        args.out,
        manifest=args.manifest,
        seed=args.seed,
        per_clip=args.per_clip,
        masks=args.mask,
        fills=args.fill,
        seams=args.seam,
        workers=cores() if args.workers is None else args.workers,
        overwrite=args.overwrite,
    )
    print(summary(rows))
    return 0
