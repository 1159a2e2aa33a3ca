"""fit, validate, test and predict: LightningCLI over YAML files, with a run folder per experiment.

`command` is the command line, `inputs` checks the files that it names before torch is imported, `run` is LightningCLI,
`folder` guards and fills the run folder, `errors` turns errors of the libraries into one line.

Nothing is imported here.
"""
