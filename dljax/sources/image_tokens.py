"""Images as sequences of tokens: the values of the pixels, row by row.

Sounds are mel spectrograms: the values of the bands, frame by frame.
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
    """The vocabulary of image tokens, and the conversion back to images.

    Attributes:
      num_tokens: the size of the vocabulary, begin tokens included.
      length: the number of tokens of one image.
      images: the source of the images.
      to_images: {name: array (n, ...)} of samples -> {"generated": images (n, h, w, 1)
        in [0, 1]}, decoded from "prediction"; if the samples have the batch's "y", also
        "image", "label" and "target_class" (the label).
    """

    num_tokens: int
    length: int
    images: Source
    to_images: Callable[[Mapping[str, Any]], dict[str, Any]]


def image_tokens(
    dataset: ArrayDataset,
    *,
    levels: int = 0,
    pool_width: int = 1,
    class_conditional: bool = False,
) -> Source:
    """Returns a source of grey images, or sounds, as sequences of tokens.

    Args:
      levels: the number of levels to quantise pixels to; 0: all values of a pixel.
      pool_width: the number of neighbouring pixels in a row, or bands in a frame, that
        one token averages.
      class_conditional: whether each class has its own begin token.

    Returns:
      a source with `TokenDetails`, whose batches have

      - `y`: int32 (b, length), the quantised pixels.
      - `x`: int32 (b, length), a begin token followed by y without its last token.
      - `begin`: int32 (b, 1), the begin token.
      - `half`: int32 (b, 1 + length // 2), the beginning of x: a prompt.
      - `label`: int32 (b,).

    Raises:
      UserError: the images have no labels, or more than one channel.
    """
    images = dataset.arrays.get("image", np.zeros((0, 1, 1, 0)))
    if images.shape[-1] != 1 or "label" not in dataset.arrays:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={dataset.name}: has no grey images with labels; give another "
            "data set, such as digits",
        )
    height, width = images.shape[1], images.shape[2] // pool_width
    length, max_token = height * width, levels - 1 if levels else dataset.max_value
    values = images[:, :, : width * pool_width].reshape(-1, length, pool_width).mean(-1)
    values = np.round(values * (max_token / dataset.max_value)).astype(np.uint8)
    source = resident(dataset)

    def gather(arrays: Any, rows: Any) -> dict[str, Any]:
        y = jnp.take(arrays["pixels"], rows, axis=0).astype(jnp.int32)
        label = jnp.take(arrays["label"], rows, axis=0)
        begin = max_token + 1 + class_conditional * label[:, None]
        x = jnp.concatenate([begin, y[:, :-1]], 1)
        half = x[:, : 1 + length // 2]
        return {"x": x, "y": y, "begin": begin, "half": half, "label": label}

    def decode(tokens: Any) -> np.ndarray:
        """Tokens (n, length) -> images (n, h, w, 1) in [0, 1]."""
        values = np.minimum(np.asarray(tokens, np.float32) / max_token, 1)
        return values.reshape(-1, height, width, 1).repeat(pool_width, 2)

    def encode_prompts(texts: Sequence[str]) -> dict[str, np.ndarray]:
        if any(texts) and not class_conditional:
            raise UserError(
                "not-conditional",
                "--prompt: the network is not conditioned on classes; omit --prompt",
            )
        if unknown := set(texts) - {*dataset.classes, ""}:
            classes = ", ".join(dataset.classes)
            raise UserError(
                "unknown-class",
                f"--prompt={min(unknown)}: is not a class; give one of {classes}",
            )
        labels = [
            dataset.classes.index(text) if text and class_conditional else 0
            for text in texts
        ]
        return {"x": max_token + 1 + np.array(labels, np.int32)[:, None]}

    num_begin_tokens = len(dataset.classes) if class_conditional else 1
    others = {k: v for k, v in dataset.arrays.items() if k in ("label", "voice")}
    return source._replace(
        arrays={"pixels": values, **others},
        gather=gather,
        fingerprint=f"{source.fingerprint}-pixels{levels}.{pool_width}"
        + ("-by_class" if class_conditional else ""),
        classes=(),
        render=_renderer(source, decode, class_conditional),
        encode_prompts=encode_prompts,
        details=TokenDetails(
            max_token + 1 + num_begin_tokens, length, source, _to_images(decode)
        ),
    )


def _to_images(decode: Callable[[Any], np.ndarray]) -> Callable[..., dict[str, Any]]:
    def to_images(samples: Mapping[str, Any]) -> dict[str, Any]:
        generated = {"generated": decode(samples["prediction"])}
        if "y" not in samples:
            return generated
        label = samples["label"]
        return {
            **generated,
            "image": decode(samples["y"]),
            "label": label,
            "target_class": label,
        }

    return to_images


def _renderer(
    images: Source, decode: Callable[[Any], np.ndarray], class_conditional: bool
) -> Callable[..., Renderings]:
    def render(samples: Mapping[str, Any]) -> Renderings:
        records: Renderings = ()
        if "completion" in samples:
            parts = [samples["half"][:, 1:], samples["completion"]]
            completed = decode(np.concatenate(parts, 1))
            records = (
                *render_images(images, "real", "real", decode(samples["y"])),
                *render_images(images, "completed", "generated", completed),
            )
        labels = samples.get("label", ()) if class_conditional else ()
        return (
            *records,
            *render_images(
                images,
                "generated",
                "generated",
                decode(samples["prediction"]),
                class_names(labels, images.classes),
            ),
        )

    return render
