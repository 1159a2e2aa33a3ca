"""Audit of a dataset: does it leak, does it lie, can it be read, and which shortcuts does it offer."""
