"""What YAML files say: `find` them by name, `read` them within limits, `build` the classes that they name.

Experiments, recipes of `forge`, corruptions and sweeps share these three. Nothing is imported here, and none of the
three imports more than PyYAML: a file that is missing is reported before torch is imported.
"""
