"""Processes: a pool of workers, child processes that end with their parent, ranks of one training, devices."""
