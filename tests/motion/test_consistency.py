"""The forward-backward test at its threshold, for numpy and for torch."""

import numpy as np
import pytest
import torch

from outpaint_lightning.motion.consistency import agrees


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_the_gap_may_grow_with_the_flow(make):
    """|f + b|^2 < 0.01 (|f|^2 + |b|^2) + 0.5: at 0 px the limit is 0.5, at twice 10 px it is 2.5, and equal fails.

    Catches `<=`, lengths that are not squared, and a slope or a slack of another size.
    """
    gap = make(np.array([0.49, 0.5, 2.49, 2.51, 0.0, np.nan]))
    lengths = make(np.array([0.0, 0.0, 200.0, 200.0, np.nan, 0.0]))
    assert agrees(gap, lengths).tolist() == [True, False, True, False, False, False]
