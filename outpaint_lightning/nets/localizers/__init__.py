"""Nets that score the pixels of a window's first frame."""
