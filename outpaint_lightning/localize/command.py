"""`outpaint-lightning localize`: options, and the work behind an import so that `--help` answers at once."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

from outpaint_lightning.checkpoints.shipped import DEFAULT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `localize`."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="video files, folders of frames or images")
    parser.add_argument(
        "--ckpt_path",
        default=DEFAULT,
        metavar="CKPT",
        help="checkpoint, run folder, ONNX file of `export`, or name of weights that ship (%(default)s: the localizer; "
        "for images, the region detector)",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="one folder is written here for each input")
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="lowest probability that counts as forged (default: the checkpoint's)",
    )
    parser.add_argument(
        "--batch-size", type=int, default=1, metavar="N", help="windows or images judged at once (default: %(default)s)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument(
        "--save", nargs="+", default=[], metavar="WHAT", help="further files: probability (of every pixel), coco"
    )
    parser.add_argument(
        "--recheck", action="store_true", help="judge each input again, re-encoded and rescaled, and doubt what changes"
    )
    parser.add_argument("--profile", action="store_true", help="print what share of the time each part took")
    parser.add_argument("--json", action="store_true", help="print the summaries as JSON, and nothing else, on stdout")
    parser.add_argument("--overwrite", action="store_true", help="replace the folders of earlier results")


def run(args: argparse.Namespace) -> int:
    """Localize every input; return the exit code."""
    from outpaint_lightning.checkpoints.files import find_checkpoint
    from outpaint_lightning.io import open_clip, require_free
    from outpaint_lightning.processes.memory import keep_freed_memory

    find_checkpoint(args.ckpt_path)  # all this before torch is imported, which takes seconds
    for path in args.inputs:
        require_free(Path(args.out) / open_clip(path).name, args.overwrite)
    keep_freed_memory()

    from outpaint_lightning.localize.run import localize

    with redirect_stdout(sys.stderr) if args.json else nullcontext():
        summaries = localize(
            args.inputs,
            ckpt_path=args.ckpt_path,
            out=args.out,
            threshold=args.threshold,
            batch_size=args.batch_size,
            device=args.device,
            overwrite=args.overwrite,
            save=args.save,
            recheck=args.recheck,
            profile=args.profile,
        )
    if args.json:
        print(json.dumps(summaries, indent=2))
    return 0
