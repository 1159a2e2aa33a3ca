"""`outpaint-lightning seal`: options, and the work behind an import so that `--help` answers at once."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `seal`."""
    parser.add_argument("ckpt_path", metavar="CKPT", help="checkpoint or run folder")
    parser.add_argument(
        "--data",
        nargs="+",
        default=[],
        metavar="ROOT",
        help="datasets with authentic clips, and forged ones, that the net was not trained on",
    )
    parser.add_argument(
        "--split", nargs="+", default=["val"], metavar="SPLIT", help="splits of them to use (default: val)"
    )
    parser.add_argument(
        "--levels",
        default="verdict",
        metavar="FILE",
        help="YAML of codecs, beside the clips as they are, at which the promise is to hold (default: %(default)s)",
    )
    parser.add_argument(
        "--frames", type=int, default=48, metavar="N", help="frames of each clip that are judged (default: %(default)s)"
    )
    parser.add_argument(
        "--run", metavar="DIR", help="run that trained and tested these weights (default: that of the checkpoint)"
    )
    parser.add_argument(
        "--benchmark", metavar="FILE", help="benchmark.json of these weights, which then counts as their test"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Seal the checkpoint; return the exit code."""
    from outpaint_lightning.checkpoints.files import find_checkpoint

    find_checkpoint(args.ckpt_path)  # before torch is imported, which takes seconds

    from outpaint_lightning.seal.run import seal

    seal(
        args.ckpt_path,
        args.data,
        split=args.split,
        levels=args.levels,
        frames=args.frames,
        device=args.device,
        run=args.run,
        benchmark=args.benchmark,
    )
    return 0
