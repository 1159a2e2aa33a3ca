"""fit, validate, test and predict: LightningCLI over YAML files, with a run folder of its own.

Nothing is imported here: a file that is missing is reported before torch is imported.
"""
