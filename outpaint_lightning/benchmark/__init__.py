"""`benchmark`: measure how well a localizer works after common video codecs, as one score and one page.

>>> report = outpaint_lightning.benchmark("clips", "bench")  # doctest: +SKIP
>>> report["score"]  # doctest: +SKIP

`run` forges the clips and combines the parts. `judging` lets a net process the clips under each condition. `report`
computes numbers from the answers. `page` writes the page.

This module imports only what makes the package callable, so that `benchmark --help` answers at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
