"""`outpaint-lightning demo`: options, and the work behind an import so that `--help` answers at once."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `demo`."""
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("runs/demo"), help="folder to write (default: %(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier demo left in DIR")


def run(args: argparse.Namespace) -> int:
    """Do everything once; return 0 if the net beat every floor on clips it never saw."""
    # Threads that wait by spinning make each step many times slower as soon as anything else wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from outpaint_lightning.demo.run import demo

    return demo(args.out, overwrite=args.overwrite)
