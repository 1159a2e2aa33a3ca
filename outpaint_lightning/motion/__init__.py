"""Motion between frames, estimated without a net. Nothing heavy is imported here."""
