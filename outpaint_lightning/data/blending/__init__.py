"""Panoramas with a hidden middle, and pairs of photos that look alike, for blending."""
