"""YAML files: `find` locates them by name, `read` reads them within limits, `build` makes the classes that they name.

Experiments, recipes of `forge`, corruptions and sweeps share these modules. Nothing is imported here, and they import
nothing beyond PyYAML: a missing file is reported before torch is imported.
"""
