"""`export`: write a net for other programs, as ONNX, as a program of `torch.export`, or as weights with a card.

>>> outpaint_lightning.export("runs/localizer/small", "exported")  # doctest: +SKIP

Nothing is imported here but what makes the package callable: `export --help` must answer at once.
"""

from outpaint_lightning.verbs import make_callable

make_callable(__name__)
