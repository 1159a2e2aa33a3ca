"""Stands in for `outpaint-lightning fit` in the tests of sweeps: the same files, no training.

Options: `--x` is what the metric depends on, `--mode` what goes wrong, `--epochs`, `--pause` seconds an epoch,
`--hold` a file that is waited for before the first.
"""

import json
import os
import sys
import time
from pathlib import Path

options = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[1:] if word.startswith("--"))
folder = Path(options["trainer.default_root_dir"])
metrics = json.loads(options["trainer.callbacks.metrics"])
mode, epochs = options.get("mode", "ok"), int(options.get("epochs", 3))
(folder / "pid").write_text(str(os.getpid()))
(folder / "environment.json").write_text(json.dumps(dict(os.environ)))
(folder / "words.json").write_text(json.dumps(sys.argv[1:]))
reporter = {"class_path": "outpaint_lightning.callbacks.TrialReporter", "init_args": {"metrics": metrics}}
(folder / "config.fit.yaml").write_text(
    json.dumps({"trainer": {"default_root_dir": str(folder), "callbacks": [reporter]}, "overwrite": True})
)
if mode == "bad":
    print("usage: ...\noutpaint-lightning: error: data.root: nowhere: no such folder")
    sys.exit(2)
if mode == "diverged":
    (folder / "result.json").write_text(json.dumps({"state": "failed", "error": "Diverged: loss is nan at step 7"}))
    print("outpaint-lightning: error: loss is nan at step 7")
    sys.exit(2)
if mode == "child":  # as a further rank, which outlives the first if nobody sees to it
    child = os.fork()
    if not child:
        time.sleep(600)
    (folder / "child").write_text(str(child))
while "hold" in options and not Path(options["hold"]).exists():
    time.sleep(0.05)
state = "complete"
for epoch in range(epochs):
    time.sleep(float(options.get("pause", 0)))
    if mode == "crash" and epoch == 1:
        (folder / "error.1.json").write_text(json.dumps({"error": "ValueError: the cause", "time": 1.0}))
        (folder / "error.0.json").write_text(json.dumps({"error": "RuntimeError: Connection closed", "time": 2.0}))
        sys.exit(1)
    if mode == "hang":
        time.sleep(600)
    value = 1 - (float(options["x"]) - 0.3) ** 2 + 0.1 * (epoch == 1)  # best in the second epoch
    values = [float("nan")] if mode == "nan" else [value, float(options["x"])]
    with (folder / "reports.jsonl").open("a") as file:
        report = {"epoch": epoch, "step": epoch, "metrics": dict(zip(metrics, values, strict=False))}
        file.write(json.dumps(report) + "\n")
    if (folder / "STOP").exists():
        state = "pruned"
        break
if mode != "silent":
    (folder / "result.json").write_text(json.dumps({"state": state, "error": None}))
