"""Feed readers with files that are nearly right, and call everything but `InputError` a finding.

A mutator over small seed files: media are binary and nested, and what breaks readers is a valid file with a few wrong
bytes, which a generator of arbitrary values does not come near. Mutants follow from their number, so a finding can be
made again. They are read in child processes: a crash, a hang or much memory is a finding too, and the mutant is kept.

    FUZZ=50000 pytest tests/fuzz                     # so many mutants a reader; `make fuzz`
    FUZZ_FROM=50000 FUZZ=100000 pytest tests/fuzz    # the next ones
"""

from __future__ import annotations

import faulthandler
import os
import random
import resource
import signal
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from outpaint_lightning.types import InputError

PART = 500  # mutants that one child reads
SECONDS = 60  # that one mutant may take
MEGABYTES = 700  # that a child may take beside what it inherits

_NUMBERS = (
    *(0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 254, 255, 256),
    *(4095, 32767, 65535, 2**24, 2**31 - 1, 2**32 - 1),
)


def count(default: int) -> int:
    """How many mutants are read: `default` in CI, or the environment's `FUZZ`."""
    return int(os.environ.get("FUZZ", default))


def mutant(seeds: Mapping[str, bytes], number: int) -> tuple[str, bytes]:
    """The name and the bytes of mutant `number`; the first ones are the seeds themselves."""
    names = sorted(seeds)
    if number < len(names):
        return names[number], seeds[names[number]]
    rng = random.Random(number)
    name = rng.choice(names)
    data = bytearray(seeds[name])
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8, 13))):
        rng.choice(MUTATIONS)(rng, data, seeds)
    return name, bytes(data)


def _place(rng: random.Random, data: bytearray) -> int:
    """A place in the data: half of them near its beginning, where headers are."""
    return rng.randrange(max(1, len(data) if rng.random() < 0.5 else min(len(data), 64)))


def flip(rng: random.Random, data: bytearray, _seeds: Mapping[str, bytes]) -> None:
    if data:
        data[_place(rng, data)] ^= 1 << rng.randrange(8)


def put_number(rng: random.Random, data: bytearray, _seeds: Mapping[str, bytes]) -> None:
    at, size, order = _place(rng, data), rng.choice((1, 2, 4)), rng.choice(("big", "little"))
    value = rng.choice(_NUMBERS) if rng.random() < 0.7 else rng.randrange(2**32)
    data[at : at + size] = (value % 256**size).to_bytes(size, order)


def cut_out(rng: random.Random, data: bytearray, _seeds: Mapping[str, bytes]) -> None:
    at = _place(rng, data)
    del data[at : at + rng.choice((1, 2, 4, 16, 64, 1024))]


def double(rng: random.Random, data: bytearray, _seeds: Mapping[str, bytes]) -> None:
    at = _place(rng, data)
    data[at:at] = data[at : at + rng.choice((1, 4, 16, 64, 256))] * rng.choice((1, 1, 1, 100))


def truncate(rng: random.Random, data: bytearray, _seeds: Mapping[str, bytes]) -> None:
    del data[rng.randrange(len(data) + 1) :]


def blank(rng: random.Random, data: bytearray, _seeds: Mapping[str, bytes]) -> None:
    at, size = _place(rng, data), rng.choice((1, 4, 16, 64, 512))
    data[at : at + size] = rng.choice((b"\0", b"\xff", b" ", b'"', b",", b"[")) * len(data[at : at + size])


def splice(rng: random.Random, data: bytearray, seeds: Mapping[str, bytes]) -> None:
    other = seeds[rng.choice(sorted(seeds))]
    at, begin = _place(rng, data), rng.randrange(len(other) + 1)
    data[at:at] = other[begin : begin + rng.choice((4, 32, 256, 2048))]


MUTATIONS = (flip, flip, put_number, put_number, put_number, cut_out, double, truncate, blank, splice)


def fuzz(read: Callable[[Path], object], seeds: Mapping[str, bytes], folder: Path, default: int) -> None:
    """Read mutants of the seeds, and fail with the first finding; the mutant is left in `folder` or in `FUZZ_KEEP`."""
    total = max(count(default), len(seeds))
    for begin in range(int(os.environ.get("FUZZ_FROM", "0")), total, PART):
        report = folder / "finding.txt"
        child = os.fork()
        if not child:
            _child(read, seeds, folder, range(begin, min(begin + PART, total)), report)
        _, status, used = os.wait4(child, 0)
        if status:
            _fail(seeds, folder, report, status, used.ru_maxrss)


def _child(
    read: Callable[[Path], object], seeds: Mapping[str, bytes], folder: Path, numbers: range, report: Path
) -> None:
    most = _kilobytes() + 1024 * MEGABYTES
    with report.open("w") as told:
        faulthandler.enable(told)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        for number in numbers:
            told.seek(0)
            told.truncate()
            told.write(f"mutant {number}\n")
            told.flush()
            name, data = mutant(seeds, number)
            (folder / name).write_bytes(data)
            signal.alarm(SECONDS)
            try:
                read(folder / name)
            except InputError as error:
                if "\n" in str(error):
                    told.write(f"more than one line: {error}")
                    told.flush()
                    os._exit(1)
            except BaseException:
                traceback.print_exc(file=told)
                told.flush()
                os._exit(1)
            if _kilobytes() > most:
                told.write("too much memory")
                told.flush()
                os._exit(1)
    os._exit(0)


def _kilobytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _fail(seeds: Mapping[str, bytes], folder: Path, report: Path, status: int, kilobytes: int) -> None:
    told = report.read_text()
    number = int(told.split()[1])
    name, data = mutant(seeds, number)
    kept = Path(os.environ.get("FUZZ_KEEP", folder)) / f"{number}_{name}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(data)
    ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
    pytest.fail(f"{kept} ({ended}, {kilobytes // 1024} MB):\n{told}", pytrace=False)
