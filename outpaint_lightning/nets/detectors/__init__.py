"""Nets that say whether an image is forged, and in which box."""
