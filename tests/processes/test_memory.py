"""Memory that is freed stays with the process."""

import subprocess
import sys

import pytest

CODE = """
import numpy as np, resource
from outpaint_lightning.processes.memory import keep_freed_memory
{keep}
for _ in range(3): np.ones(1 << 22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8): np.ones(1 << 22)  # 32 MiB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_memory_is_not_fetched_anew():
    """Kills a call that glibc ignores, such as one with another number of the setting."""
    faults = [
        int(subprocess.run([sys.executable, "-c", CODE.format(keep=keep)], capture_output=True, check=True).stdout)
        for keep in ("", "keep_freed_memory()")
    ]
    assert faults[1] < faults[0] / 10
