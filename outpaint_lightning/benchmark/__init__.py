"""`benchmark`: how well a localizer does under the codecs that video goes through, in one number and one page.

>>> report = outpaint_lightning.benchmark("clips", "bench")  # doctest: +SKIP
>>> report["score"]  # doctest: +SKIP

`run` forges and puts the parts together, `judging` lets a net judge the clips under each condition, `report` makes
numbers of what it answered, `page` the page.

Nothing is imported here but what makes the package callable: `benchmark --help` must answer at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
