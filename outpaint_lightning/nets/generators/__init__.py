"""Generators, which paint the missing part of a clip, and fills of clips that need no training."""
