"""Folders of random images, in the formats of image data sets."""

import numpy as np
from PIL import Image


def image_files(root, *, classes=("cat", "dog"), per_class=10, shape=(6, 6), seed=0):
    """Writes random PNG and JPEG files, one folder per class; returns their paths."""
    rng, paths = np.random.default_rng(seed), []
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            path = root / name / f"{i:02d}.{('png', 'jpg', 'JPEG')[i % 3]}"
            Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(path)
            paths.append(path)
    return paths


def frame_files(folder, n=300):
    """Writes small random frames in the format of colloid_video; returns (n, h, w)."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (n, 66, 130), np.uint8)
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"bulk_water_{i:03d}.png")
    return frames
