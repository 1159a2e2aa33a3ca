"""Photos with layouts, for contextual outpainting: rendered scenes with a rule, and folders of index images."""
