"""Which photos go together: those whose features are alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.data.blending.sources import PhotoSource

BATCH = 64  # photos that are embedded at once


@torch.no_grad()
def embeddings(source: PhotoSource, features: nn.Module) -> Tensor:
    """Return the features of all photos' central squares, `N F`.

    Args:
        source: of photos.
        features: called with `N 1 3 H W` in [0, 1], returns `N F`, as `SeededFeatures(2)` does.
    """
    found = []
    for start in range(0, len(source), BATCH):
        numbers = range(start, min(start + BATCH, len(source)))
        found.append(features(torch.stack([source.crop(index, parts=1) for index in numbers])[:, None]))
    return torch.cat(found)


def nearest_photos(found: Tensor, sources: Sequence[str], count: int) -> Tensor:
    """Return for each photo the others that are nearest to it by the cosine of their features, `N count`.

    The mean over all photos is subtracted first: features that are all positive have hardly an angle between them. The
    public code compares all pairs by LPIPS instead, 25 million passes of a net for its 5040 photos; this is one product
    of matrices.

    Args:
        found: features `N F`.
        sources: of each photo, where it comes from; photos of one source do not go together.
            Two at least.
        count: at most; fewer where a photo has fewer others.
    """
    angles = F.normalize(found - found.mean(0), dim=1)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(sources))}
    own = torch.tensor([numbers[name] for name in sources])
    same = own[:, None] == own
    others = int((~same).sum(1).min())
    return (angles @ angles.T).masked_fill(same, -torch.inf).topk(min(count, others)).indices
