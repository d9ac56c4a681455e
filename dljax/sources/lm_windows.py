"""Running text: windows of it, in which each token is to be told from those before.

A vocabulary is fitted on the training part only.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import UserError
from dljax.rendering import Renderings, Role, Texts
from dljax.sources.vocabulary import UNKNOWN, Vocabulary, vocabulary
from dljax.types import Source


class WindowDetails(NamedTuple):
    """vocabulary: fitted on the training part."""

    vocabulary: Vocabulary


def lm_windows(
    table: ArrayDataset,
    *,
    kind: str = "character",
    size: int = 1000,
    context: int = 64,
    joined: bool = False,
) -> Source:
    """A source of windows of running text; its details are `WindowDetails`.

    Its batches are {"x": int32 (b, context), "y": the same a token later, "y_mask":
    float32 (b, context), 0 behind the end of a part, "row": int32 (b,), the place of a
    window's first token}.

    An epoch is each training token once, in windows whose phase is drawn anew; windows
    of other parts are fixed, and each of their tokens but the first counts once.

    Args:
      kind, size: see `vocabulary`.
      context: tokens that a window has.
      joined: the test is of the validation part too, as one text; for published numbers
        that are of the last tenth of a text.

    Raises:
      UserError: the table has no running text, or a part is shorter than two windows;
      see
        `vocabulary` too.
    """
    if table.arrays.keys() != {"text"}:
        raise UserError(
            f"--dataset={table.name}: is no running text, and this takes it; as "
            "python_reference is, or text_file, your own"
        )
    texts = {
        part: b"".join(table.arrays["text"][rows]).decode()
        for part, rows in table.parts.items()
    }
    if joined:
        texts["test"] = texts["valid"] + texts["test"]
    fitted = vocabulary(kind, [texts["train"]], size=size)
    tokens = {part: np.array(fitted.encode(text)) for part, text in texts.items()}
    if short := [part for part, its in tokens.items() if len(its) < 2 * context + 1]:
        raise UserError(
            f"--dataset={table.name}: {short[0]} has {len(tokens[short[0]])} tokens, "
            f"which is less than two windows of {context}"
        )
    lengths = [len(its) for its in tokens.values()]
    ends = np.cumsum(lengths)
    rows = {
        part: np.arange(end - length, end - 1, context)
        for part, end, length in zip(tokens, ends, lengths, strict=True)
    }
    # A phase moves a window by less than a context: the last ones have no room.
    rows["train"] = rows["train"][: (len(tokens["train"]) - 1) // context - 1]

    def order(key: jax.Array, rows: jax.Array) -> jax.Array:
        moved, phase = jax.random.split(key)
        by = jax.random.randint(phase, (), 0, context, jnp.int32)
        return jax.random.permutation(moved, rows) + by

    def gather(arrays: Any, rows: jax.Array) -> dict[str, jax.Array]:
        places = rows[:, None] + jnp.arange(context + 1)[None]
        window = jnp.take(arrays["tokens"], places, mode="clip")
        end = jnp.asarray(ends)[jnp.searchsorted(jnp.asarray(ends), rows, side="right")]
        mask = (places[:, 1:] < end[:, None]).astype(jnp.float32)
        return {"x": window[:, :-1], "y": window[:, 1:], "y_mask": mask, "row": rows}

    every = np.concatenate(list(tokens.values())).astype(np.int32)

    def encode_prompts(texts: Sequence[str]) -> dict[str, Any]:
        numbers = [fitted.encode(text or "\n") for text in texts]
        if not all(numbers):
            raise UserError("--prompt: give at least a word to go on from")
        for piece in "".join(texts) if kind == "character" else " ".join(texts).split():
            if UNKNOWN in fitted.encode(piece):
                raise UserError(f"--prompt: {piece} is not in the text that it learned")
        return {"x": np.array(numbers)}

    def texts_of(title: str, role: Role, tokens: Iterable[Any]) -> Texts:
        decoded = tuple(fitted.decode(numbers) for numbers in tokens)
        return Texts(title=title, role=role, texts=decoded)

    def render(samples: Mapping[str, Any]) -> Renderings:
        prediction = samples["prediction"]
        records = (
            texts_of("context", "real", samples["x"]),
            texts_of("continuation", "generated", prediction),
        )
        if "row" not in samples:  # of a prompt
            return records
        ends = samples["row"] + context
        real = [every[end : end + prediction.shape[1]] for end in ends]
        return (*records, texts_of("real continuation", "real", real))

    return Source(
        name=table.name,
        version=table.version,
        fingerprint=f"{table.fingerprint}-{kind}{size}.{context}"
        + ("-joined" if joined else ""),
        arrays={"tokens": every},
        split=lambda seed: rows,
        order=order,
        gather=gather,
        render=render,
        encode_prompts=encode_prompts,
        details=WindowDetails(fitted),
    )
