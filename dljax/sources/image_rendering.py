"""Renderings of images: network inputs, predictions and generated images."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dljax.datasets import spectrogram
from dljax.metrics.generative_metrics import nearest_neighbors
from dljax.rendering import (
    Audio,
    CodePlane,
    Images,
    PixelMaps,
    Predictions,
    Renderings,
    Role,
    class_names,
)
from dljax.sources.transforms import all_images
from dljax.types import Source


def show_images(
    source: Source, *outputs: str, inputs: Sequence[str] = (), code_plane: bool = False
) -> Source:
    """Gives a source a `render` that shows images of samples beside the real images.

    Args:
      source: a source of images.
      outputs: names of samples that are generated images (n, h, w, c). For "generated",
        the nearest training images by pixels are added (of all images if the source
        has folds), which shows memorisation.
      inputs: names of samples that are input images of the network (n, h, w, c).
      code_plane: samples have "code_plane", images (k^2, h, w, c) of a square grid of
        codes, row by row.
    """

    @functools.cache
    def real_images():
        images = all_images(source)
        return images if source.test_train_ratio else images[source.split(0)["train"]]

    def render(samples):
        records = render_images(source, "real", "real", samples["image"])
        for name in inputs:
            records += render_images(source, name, "input", samples[name])
        for name in outputs:
            images = np.clip(samples[name], 0, 1)
            if name != "generated":
                records += render_images(source, name, "generated", images)
                continue
            targets = class_names(samples.get("target_class", ()), source.classes)
            records += render_images(source, name, "generated", images, targets)
            nearest = real_images()[nearest_neighbors(images, real_images())]
            records += render_images(source, "nearest real", "nearest", nearest)
        if code_plane:
            images = np.clip(samples["code_plane"], 0, 1)
            side = math.isqrt(len(images))
            grid = images.reshape(side, side, *images.shape[1:])
            records += (CodePlane(pixels=grid, spectrogram=is_sound(source)),)
        return records

    return source._replace(render=render)


def is_sound(source: Source) -> bool:
    """Whether the images of a source are spectrograms of sounds."""
    return "voice" in source.arrays


def render_images(
    source: Source,
    title: str,
    role: Role,
    pixels: np.ndarray,
    target_classes: tuple[str, ...] = (),
) -> Renderings:
    """Returns a record of images (n, h, w, c) in [0, 1]; for spectrograms, sounds too.

    Args:
      title: the title of the images in the report.
      target_classes: the class that each image was generated for, if any.
    """
    images = Images(
        title=title,
        role=role,
        pixels=pixels,
        target_classes=target_classes,
        spectrogram=is_sound(source),
    )
    if not is_sound(source):
        return (images,)
    audio = Audio(
        title=title,
        role=role,
        waveforms=spectrogram.griffin_lim(pixels),
        sample_rate=spectrogram.SAMPLE_RATE,
        target_classes=target_classes,
    )
    return images, audio


def render_samples(source: Source, samples: Mapping[str, np.ndarray]) -> Renderings:
    """Renders samples {name: array (n, ...)}: by the source's `render`, as predictions,
    and as pixel maps.
    """
    return (
        *(source.render(samples) if source.render else ()),
        *render_predictions(source, samples),
        *render_pixel_maps(samples, spectrogram=is_sound(source)),
    )


def render_predictions(source: Source, samples: Mapping[str, Any]) -> Renderings:
    """Renders images or clips with their predicted classes, samples["prediction"]."""
    if "prediction" not in samples or not _is_image(samples.get("image")):
        return ()
    return (
        Predictions(
            pixels=np.asarray(samples["image"]),
            predicted=class_names(samples["prediction"], source.classes),
            labels=class_names(samples["label"], source.classes),
            spectrogram=is_sound(source),
        ),
    )


def render_pixel_maps(
    samples: Mapping[str, Any], *, spectrogram: bool = False
) -> Renderings:
    """Renders all arrays of samples of the images' size, (n, h, w), as maps of them."""
    images = samples.get("image")
    if images is None or not _is_image(images):
        return ()
    size = images.shape[:3]
    titles = tuple(sorted(k for k, v in samples.items() if v.shape == size))
    if not titles:
        return ()
    return (
        PixelMaps(
            pixels=np.asarray(images),
            titles=titles,
            maps=np.stack([samples[title] for title in titles]),
            spectrogram=spectrogram,
        ),
    )


def _is_image(array: Any) -> bool:
    """Whether an array is images, (n, h, w, 1 or 3), or clips, with frames after n."""
    return array is not None and array.ndim in (4, 5) and array.shape[-1] in (1, 3)
