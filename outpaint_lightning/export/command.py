"""`outpaint-lightning export`: options, and the work behind an import so that `--help` answers at once."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    parser.add_argument("ckpt_path", metavar="CKPT", help="checkpoint, run folder, or name of weights that ship")
    parser.add_argument("--out", required=True, metavar="DIR", help="the file is written here")
    parser.add_argument("--format", default="onnx", metavar="NAME", help="onnx, pt2 or safetensors (default: onnx)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file of an earlier export")


def run(args: argparse.Namespace) -> int:
    """Export the net; return the exit code."""
    from outpaint_lightning.checkpoints.files import find_checkpoint

    find_checkpoint(args.ckpt_path)  # before torch is imported, which takes seconds

    from outpaint_lightning.export.run import export

    export(args.ckpt_path, args.out, args.format, overwrite=args.overwrite)
    return 0
