"""Panoramas with a hidden middle, and pairs of similar photos, for blending."""
