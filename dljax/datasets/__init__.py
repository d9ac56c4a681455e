"""Data sets by name: registry, TFDS builders, readers of files and folders, splits."""
