"""`outpaint-lightning audit`: its options; the work is behind an import so that `--help` answers at once."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `audit`."""
    parser.add_argument("root", metavar="ROOT", type=Path, help="the dataset")
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON instead of one page")
    parser.add_argument(
        "--quick", action="store_true", help="check names, headers and one hash per clip; decode no frame or mask"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")


def run(args: argparse.Namespace) -> int:
    """Run the audit and print its report; return 1 if there are findings, else 0."""
    from outpaint_lightning.audit.report import as_json, as_text
    from outpaint_lightning.audit.run import audit
    from outpaint_lightning.processes.pool import cores

    report = audit(args.root, quick=args.quick, workers=cores() if args.workers is None else args.workers)
    text = as_json(report) if args.json else as_text(report)
    print(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))  # file names are arbitrary bytes
    return 1 if report.findings else 0
