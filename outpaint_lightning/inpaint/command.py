"""`outpaint-lightning inpaint`: its options. The work is imported only when it runs, so `--help` is fast."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `inpaint`."""
    parser.add_argument("video", metavar="VIDEO", help="a video file or a folder of frames")
    parser.add_argument(
        "--masks",
        required=True,
        metavar="M",
        help="what to replace: a folder of PNGs or a video, one mask a frame, or one PNG for all",
    )
    completion = parser.add_mutually_exclusive_group(required=True)
    completion.add_argument(
        "--ckpt_path", metavar="CKPT", help="checkpoint or run folder of a net that completes flow, or of a generator"
    )
    completion.add_argument("--fill", metavar="NAME", help="without a checkpoint: harmonic, nearest, edge_cut, ...")
    parser.add_argument("--out", required=True, metavar="DIR", help="a folder of the video's name is written here")
    parser.add_argument("--steps", type=int, metavar="N", help="updates of the refiner (default: the checkpoint's)")
    parser.add_argument(
        "--dilate", type=int, default=0, metavar="PX", help="grow the masks by so many pixels (default: %(default)s)"
    )
    parser.add_argument(
        "--window", type=int, default=40, metavar="N", help="frames in memory at once (default: %(default)s)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace the folder of an earlier result")


def run(args: argparse.Namespace) -> int:
    """Inpaint the video; return the exit code."""
    from outpaint_lightning.checkpoints.files import find_checkpoint
    from outpaint_lightning.io import open_clip, require_free

    if args.ckpt_path is not None:  # all this before torch is imported, which takes seconds
        find_checkpoint(args.ckpt_path)
    require_free(Path(args.out) / open_clip(args.video).name, args.overwrite)

    from outpaint_lightning.inpaint.run import inpaint

    inpaint(
        args.video,
        args.masks,
        args.out,
        ckpt_path=args.ckpt_path,
        fill=args.fill,
        steps=args.steps,
        dilate=args.dilate,
        window=args.window,
        device=args.device,
        overwrite=args.overwrite,
    )
    return 0
