"""What Sphinx needs to render docs/ to site/ (`make docs`): a site of plain files that loads nothing from a network."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from outpaint_lightning import __version__

project = "outpaint_lightning"
release = __version__
html_title = f"{project} {release}"
html_theme = "furo"
html_copy_source = False
html_show_copyright = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["**/scripts/*"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
toc_object_entries = False  # the navigation holds pages; hundreds of classes in it would slow down every page

default_role = "code"  # docstrings write `name`, as Markdown does
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "groupwise"
napoleon_use_ivar = True  # attributes are a list of their class, not entries that clash with documented fields


def setup(app: Sphinx) -> None:
    """Register the renderer of formulas: MathML, which every browser shows without a script or a font."""
    app.connect("autodoc-process-docstring", tables_as_text)
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own, which scrolls where the window is narrower."""
    formula = convert(node.astext(), display="block")
    translator.body.append(f'<div style="overflow-x: auto; overflow-y: hidden">{formula}</div>')
    raise nodes.SkipNode


def tables_as_text(*event: Any) -> None:
    """Show a Markdown table of a docstring as it is typed: reStructuredText would take its bars for something else."""
    lines: list[str] = event[-1]
    table = [number for number, line in enumerate(lines) if line.startswith("|")]
    for number in table:
        lines[number] = f"   {lines[number]}"
    for number in reversed(table):
        if number - 1 not in table:
            lines[number:number] = [".. code-block:: text", ""]
