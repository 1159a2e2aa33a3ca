"""Clips with occlusions, for generators: synthetic scenes, real clips, and arrays of frames."""
