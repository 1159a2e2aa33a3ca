"""Processes: a pool of workers, the end of children with their parent, ranks of one training, devices."""
