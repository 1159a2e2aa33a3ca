"""`outpaint-lightning benchmark`: its options. The work is imported late, so that `--help` answers at once."""

from __future__ import annotations

import argparse

from outpaint_lightning.checkpoints.shipped import DEFAULT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `benchmark`."""
    parser.add_argument(
        "clips",
        metavar="CLIPS",
        help="clean clips, which are forged; or a dataset that has forgeries, which are judged",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="benchmark.json and index.html are written here")
    parser.add_argument("--manifest", metavar="CSV", help="scene, camera and source of the clean clips")
    parser.add_argument(
        "--ckpt_path", default=DEFAULT, metavar="CKPT", help="checkpoint, run folder or shipped weights (%(default)s)"
    )
    parser.add_argument(
        "--only",
        nargs="*",
        metavar="CODEC",
        help="only these codecs, beside the clips as they are: h264 hevc vp9 av1 jpeg half twice; no score then",
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that forge and encode (1)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier result")


def run(args: argparse.Namespace) -> int:
    """Run the benchmark and print its table; return the exit code."""
    from outpaint_lightning.checkpoints.files import find_checkpoint

    find_checkpoint(args.ckpt_path)  # before torch is imported, which takes seconds

    from outpaint_lightning.benchmark.report import as_text
    from outpaint_lightning.benchmark.run import PAGE, benchmark

    report = benchmark(
        args.clips,
        args.out,
        manifest=args.manifest,
        ckpt_path=args.ckpt_path,
        only=args.only,
        workers=args.workers,
        device=args.device,
        overwrite=args.overwrite,
    )
    print("\n".join([*as_text(report), f"{args.out}/{PAGE}"]))
    return 0
