"""Nets that predict whether an image is forged, and the box of the forged region."""
