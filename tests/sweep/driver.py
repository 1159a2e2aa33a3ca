"""Runs `outpaint-lightning sweep` with `fake_fit.py` for its trials, in a process of its own."""

import sys
from pathlib import Path

from outpaint_lightning.cli import main
from outpaint_lightning.sweep import run

run.COMMAND = (sys.executable, str(Path(__file__).with_name("fake_fit.py")))
run.check = lambda *_: None
run.visible_gpus = list
run.write_plots = lambda *_: []
sys.exit(main(["sweep", *sys.argv[1:]]))
