"""Sources of images that networks make such of: black and white ones, and what the
report shows of them.
"""

import functools
import math

import numpy as np

from dljax.datasets import spectrogram
from dljax.metrics import generative_metrics
from dljax.sources.transforms import all_images
from dljax.types import Source

GAP = 0.4  # the grey between pictures of a plane


def showing(source: Source, *names: str) -> Source:
    """The same; under real images the report shows those that samples have by these
    names, and under "generated" ones the nearest by their pixels, among training
    images, or among all where seeds have folds. Spectrograms are heard, too.
    """

    @functools.cache
    def real():
        images = all_images(source)
        return images if source.test_train_ratio else images[source.split(0)["train"]]

    def say(sample):
        shown = {"real": sample["image"]}
        for name in names:
            shown[name] = np.clip(sample[name], 0, 1)
            if name == "code_plane":  # its pictures stay where they are, as one
                side = math.isqrt(len(shown[name]))
                edges = [(0, 0), (0, 1), (0, 1), (0, 0)]
                tiles = np.pad(shown[name], edges, constant_values=GAP)
                tiles = tiles.reshape(side, side, *tiles.shape[1:])
                shown[name] = np.concatenate(np.concatenate(tiles, 1), 1)[None]
            if name == "generated":
                nearest = generative_metrics.nearest(shown[name], real())
                shown["nearest real"] = real()[nearest]
        if "voice" in source.arrays:
            heard = {f"{k} sound": spectrogram.heard(its) for k, its in shown.items()}
            shown |= heard
        return shown

    return source._replace(say=say)
