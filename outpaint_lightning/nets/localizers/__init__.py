"""Nets that give class scores per pixel of the first frame of a window."""
