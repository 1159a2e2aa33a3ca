"""Layers that several nets are built of."""
