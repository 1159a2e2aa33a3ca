"""Photos with layouts, for contextual outpainting: scenes rendered by a rule, and folders of index images."""
