"""`outpaint-lightning weights`: the nets that ship."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `weights`."""
    parser.add_argument("--json", action="store_true", help="print the whole cards as JSON")


def run(args: argparse.Namespace) -> int:
    """List the weights that ship; return the exit code."""
    from outpaint_lightning.weights.run import as_text, weights

    cards = weights()
    print(json.dumps(cards, indent=2) if args.json else "\n".join(as_text(cards)))
    return 0
