"""Imports run one way, as LAYERS says."""

import ast

from support import REPOSITORY

PACKAGE = REPOSITORY / "outpaint_lightning"
LAYERS = (
    {"types", "geometry", "verbs"},
    {"io", "processes", "pages", "settings"},
    {"pictures", "motion", "checkpoints"},
    {"results"},
    {"forge", "augment", "nets"},
    {"losses", "metrics"},
    {"audit"},
    {"data", "callbacks", "loggers"},
    {"tasks"},  # each names the callbacks that write its results
    {"localize", "inpaint", "compare", "benchmark", "weights"},
    {"experiment", "export", "seal"},
    {"sweep"},  # checks and runs experiments
    {"cli"},
    {"demo", "__main__"},
    {"__init__"},  # names the verbs for type checkers
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def imports():
    """Yield (importing part, imported part) for every import of the package inside itself."""
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = (
                    [node.module]
                    if node.module != "outpaint_lightning"
                    else [f"outpaint_lightning.{alias.name}" for alias in node.names]
                )
            for name in names:
                if name.startswith("outpaint_lightning.") and name.split(".")[1] != "__version__":
                    yield part, name.split(".")[1], path


def test_imports_run_one_way():
    seen = 0
    for part, imported, path in imports():
        seen += 1
        assert imported in RANK, f"{path}: {imported} has no place in the order"
        assert part == imported or RANK[imported] < RANK[part], f"{path}: {part} imports {imported}"
    assert seen > 50


def test_nets_know_no_lightning():
    for path in (PACKAGE / "nets").rglob("*.py"):
        assert "lightning.pytorch" not in path.read_text()
