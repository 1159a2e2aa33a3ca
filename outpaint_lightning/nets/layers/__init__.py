"""Layers that several nets use."""
