"""fit, validate, test and predict: LightningCLI over YAML files, with a run folder of its own.

`command` is the command line, `inputs` looks for the files that it names before torch is imported, `run` is
LightningCLI, `folder` guards and fills the run folder, `errors` turns what the libraries raise into one line.

Nothing is imported here.
"""
