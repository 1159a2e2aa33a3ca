"""How often a sealed checkpoint calls authentic footage forged, for each of several codecs.

    python benchmarks/promise.py CKPT --data ROOT [--split test] [--levels verdict] [--frames 48] [--device auto]

The checkpoint must not have been trained or calibrated on this footage. One clip of each source is judged, as it is and
in each codec of `--levels`. The doubts that `localize` has about footage unlike that of the calibration are left out:
they only take *traces found* back.

The promise is kept if the share of *traces found* is at most 5 %, within the spread of so few clips and of so few
calibrated ones. The last column is the probability of this many or more if the promise holds. It is beta-binomial: the
share of others above the k-th smallest of n scores is Beta(n + 1 - k, k) distributed (Angelopoulos and Bates, A Gentle
Introduction to Conformal Prediction, 2023, section 3.2). Below 0.05 the promise is broken.
"""

from __future__ import annotations

import argparse
from collections import Counter
from fractions import Fraction
from pathlib import Path

from scipy import stats

from outpaint_lightning.checkpoints.card import read_card
from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.data.corruptions import read_curves
from outpaint_lightning.localize.calibration import FALSE_ALARMS, Calibration
from outpaint_lightning.localize.verdict import Answer, answer_to
from outpaint_lightning.processes.device import choose_device
from outpaint_lightning.seal.known import is_forged, known_clips, measured


def main() -> None:
    """Print a line for each codec."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--split", nargs="+", default=["test"])
    parser.add_argument("--levels", default="verdict")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    path = find_checkpoint(options.checkpoint)
    card = read_card(path)
    if "calibration" not in card:
        parser.error(f"{path} is not calibrated; run `outpaint-lightning seal` first")
    calibration = Calibration.read(card["calibration"])
    if calibration.found_above() is None:
        parser.error(f"{path} is calibrated on {calibration.authentic} authentic videos, too few for a promise")
    task = load_task(path).to(choose_device(options.device))
    clips = [entry for entry in known_clips(options.data, options.split) if not is_forged(entry)]
    found = measured(task, clips, read_curves(options.levels), options.frames)
    known = calibration.authentic
    above = int((known + 1) * Fraction(str(FALSE_ALARMS)))  # as `conformal_quantile` ranks: n + 1 - k
    print(f"calibrated on {calibration.authentic} authentic videos, traces found above {calibration.found_above()}")
    print(f"{'codec':20} {'clips':>5} {Answer.FOUND:>15} {Answer.UNSURE:>10} {Answer.NONE:>18} {'p':>7}")
    for level in found.levels:
        answers = Counter(answer_to(score, calibration) for score in level.authentic)
        count, alarms = len(level.authentic), answers[Answer.FOUND]
        chance = stats.betabinom.sf(alarms - 1, count, above, known + 1 - above)
        shown = (
            f"{answers[answer]} ({answers[answer] / count:.0%})"
            for answer in (Answer.FOUND, Answer.UNSURE, Answer.NONE)
        )
        print("{:20} {:5} {:>15} {:>10} {:>18} {:7.3f}".format(level.name, count, *shown, chance))


if __name__ == "__main__":
    main()
