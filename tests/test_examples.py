"""The examples in docstrings run."""

import doctest
import importlib
import pkgutil
import warnings

import pytest
import torch

import outpaint_lightning

MODULES = [
    module.name
    for module in pkgutil.walk_packages(outpaint_lightning.__path__, "outpaint_lightning.")
    if not module.ispkg and not module.name.endswith("__main__")
]


def examples():
    """Return the docstrings of classes and functions that hold an example, each with the names of its module."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = []
    for name in MODULES:
        module = importlib.import_module(name)
        found += [test for test in finder.find(module, name) if test.examples]
    return found


@pytest.mark.parametrize("test", examples(), ids=lambda test: test.name.removeprefix("outpaint_lightning."))
def test_example_runs(test):
    torch.manual_seed(0)
    lines = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # small frames may fold
        doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF, verbose=False).run(test, out=lines.append)
    assert not lines, "".join(lines)


def test_public_classes_have_examples():
    assert len(examples()) >= 40
