"""`outpaint-lightning compare`: its options; the work is behind an import so that `--help` answers at once."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `compare`."""
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="run folders, folders of runs or sweeps; the first is the baseline"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="index.html and compare.csv are written here")
    parser.add_argument("--overwrite", action="store_true", help="replace those of an earlier comparison")


def run(args: argparse.Namespace) -> int:
    """Compare the runs; return the exit code."""
    from outpaint_lightning.compare.run import compare

    print("\n".join(compare(args.runs, args.out, overwrite=args.overwrite)))
    return 0
