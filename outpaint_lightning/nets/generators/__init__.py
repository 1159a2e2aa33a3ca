"""Nets that invent what is missing in a clip, and fills of clips that learned nothing."""
