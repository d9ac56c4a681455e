"""Images as sequences of tokens: each pixel's value, row by row."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from dljax.contract import Source
from dljax.data import Table
from dljax.data.source import resident
from dljax.errors import Refusal


class Pixels(NamedTuple):
    """A source of images as tokens; how many tokens there are, and of one image.

    Its batches are {"y": int32 (b, length), the values of pixels, "x": the same a pixel
    earlier, which begins with the last token, "begin": int32 (b, 1), that token alone,
    "half": int32 (b, 1 + length // 2), x up to half of the image}.
    """

    source: Source
    tokens: int
    length: int


def pixels(table: Table) -> Pixels:
    """Makes a source of a table of images of one channel.

    Every value that a pixel can have is a token, so that nothing is lost.

    Raises:
      Refusal: the table has no images, or they are in colour.
    """
    images = table.arrays.get("image", np.zeros((0, 1, 1, 0)))
    if images.shape[-1] != 1:
        raise Refusal(
            f"--dataset={table.name}: has no grey images, and this takes them"
        )
    height, width = images.shape[1:3]
    length, begin = height * width, table.largest + 1
    source = resident(table)

    def gather(arrays: Any, rows: Any) -> dict[str, Any]:
        y = jnp.take(arrays["pixels"], rows, axis=0).astype(jnp.int32)
        x = jnp.pad(y[:, :-1], ((0, 0), (1, 0)), constant_values=begin)
        return {"x": x, "y": y, "begin": x[:, :1], "half": x[:, : 1 + length // 2]}

    def picture(tokens: Any) -> np.ndarray:
        values = np.minimum(np.asarray(tokens, np.float32) / table.largest, 1)
        return values.reshape(-1, height, width, 1)

    def say(sample: Mapping[str, Any]) -> dict[str, np.ndarray]:
        begun = sample["half"][:, 1:]
        whole = np.concatenate([begun, sample["completion"]], 1)
        return {
            "real": picture(sample["y"]),
            "upper half given": picture(whole),
            "made": picture(sample["prediction"]),
        }

    return Pixels(
        source._replace(
            arrays={"pixels": images.reshape(-1, length)},
            gather=gather,
            fingerprint=f"{source.fingerprint}-pixels",
            classes=(),
            say=say,
        ),
        begin + 1,
        length,
    )
