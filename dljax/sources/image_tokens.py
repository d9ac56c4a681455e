"""Images as sequences of tokens: each pixel's value, row by row.

Of sound these are mel spectrograms, frame by frame.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import UserError
from dljax.rendering import Renderings, class_names
from dljax.sources.image_rendering import render_images
from dljax.sources.resident import resident
from dljax.types import Source


class TokenDetails(NamedTuple):
    """How images are tokens.

    num_tokens: of the vocabulary. length: tokens of one image. images: the source of
    the images themselves. to_images(samples) -> images in [0, 1] (n, h, w, 1):
    "generated" of "prediction", and beside real examples "image", "label" and
    "target_class", the label.
    """

    num_tokens: int
    length: int
    images: Source
    to_images: Callable[[Mapping[str, Any]], dict[str, Any]]


def image_tokens(
    table: ArrayDataset, *, levels: int = 0, across: int = 1, by_class: bool = False
) -> Source:
    """A source of images of one channel, or of sound, as tokens; its details are
    `TokenDetails`.

    Its batches are {"y": int32 (b, length), the values of pixels, "x": the same a pixel
    earlier, which begins with a token of its own, "begin": int32 (b, 1), that token
    alone, "half": int32 (b, 1 + length // 2), x up to half of the image, "label"}.

    Args:
      levels: values are rounded to so many; 0: every one that a pixel can have is a
        token, so that nothing is lost.
      across: the mean of so many pixels of a row, or bands of a frame, is one.
      by_class: each class begins with another token.

    Raises:
      UserError: the table has no images of classes, or they are in colour.
    """
    images = table.arrays.get("image", np.zeros((0, 1, 1, 0)))
    if images.shape[-1] != 1 or "label" not in table.arrays:
        raise UserError(
            f"--dataset={table.name}: has no grey images of classes, and this takes "
            "them"
        )
    height, width = images.shape[1], images.shape[2] // across
    length, highest = height * width, levels - 1 if levels else table.max_value
    values = images[:, :, : width * across].reshape(-1, length, across).mean(-1)
    values = np.round(values * (highest / table.max_value)).astype(np.uint8)
    source = resident(table)

    def gather(arrays: Any, rows: Any) -> dict[str, Any]:
        y = jnp.take(arrays["pixels"], rows, axis=0).astype(jnp.int32)
        label = jnp.take(arrays["label"], rows, axis=0)
        begin = highest + 1 + by_class * label[:, None]
        x = jnp.concatenate([begin, y[:, :-1]], 1)
        half = x[:, : 1 + length // 2]
        return {"x": x, "y": y, "begin": begin, "half": half, "label": label}

    def picture(tokens: Any) -> np.ndarray:
        values = np.minimum(np.asarray(tokens, np.float32) / highest, 1)
        return values.reshape(-1, height, width, 1).repeat(across, 2)

    def to_images(sample: Mapping[str, Any]) -> dict[str, Any]:
        made = {"generated": picture(sample["prediction"])}
        if "y" not in sample:
            return made
        label = sample["label"]
        return {
            **made,
            "image": picture(sample["y"]),
            "label": label,
            "target_class": label,
        }

    def encode_prompts(texts: Sequence[str]) -> dict[str, np.ndarray]:
        if any(texts) and not by_class:
            raise UserError("--prompt: its images are of no class that is asked for")
        if unknown := set(texts) - {*table.classes, ""}:
            raise UserError(
                f"--prompt={min(unknown)}: must be one of {', '.join(table.classes)}"
            )
        labels = [table.classes.index(t) if t and by_class else 0 for t in texts]
        return {"x": highest + 1 + np.array(labels, np.int32)[:, None]}

    def render(samples: Mapping[str, Any]) -> Renderings:
        records: Renderings = ()
        if "completion" in samples:
            parts = [samples["half"][:, 1:], samples["completion"]]
            completed = picture(np.concatenate(parts, 1))
            records = (
                *render_images(source, "real", "real", picture(samples["y"])),
                *render_images(source, "completed", "generated", completed),
            )
        labels = samples.get("label", ()) if by_class else ()
        return (
            *records,
            *render_images(
                source,
                "generated",
                "generated",
                picture(samples["prediction"]),
                class_names(labels, table.classes),
            ),
        )

    kept = {k: v for k, v in table.arrays.items() if k in ("label", "voice")}
    num_tokens = highest + 1 + (len(table.classes) if by_class else 1)
    return source._replace(
        arrays={"pixels": values, **kept},
        gather=gather,
        fingerprint=f"{source.fingerprint}-pixels{levels}.{across}"
        + ("-by_class" if by_class else ""),
        classes=(),
        render=render,
        encode_prompts=encode_prompts,
        details=TokenDetails(num_tokens, length, source, to_images),
    )
