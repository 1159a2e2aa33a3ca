"""`inpaint`: fill masked regions of a video."""
