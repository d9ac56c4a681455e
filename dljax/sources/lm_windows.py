"""Windows of running text, for language models that predict the next token.

The vocabulary is fitted on the training split only.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import UserError
from dljax.rendering import Renderings, Role, Texts
from dljax.sources.vocabulary import UNKNOWN, Vocabulary, fit_vocabulary
from dljax.types import Source


class WindowDetails(NamedTuple):
    """The `Source.details` of `lm_windows`.

    Attributes:
      vocabulary: fitted on the training split.
    """

    vocabulary: Vocabulary


def lm_windows(
    dataset: ArrayDataset,
    *,
    tokenizer: str = "character",
    vocab_size: int = 1000,
    context: int = 64,
    joined: bool = False,
) -> Source:
    """Returns a source of windows of running text.

    An epoch covers the training text with adjacent windows, whose common offset is
    drawn per epoch. The windows of the other splits are fixed; every token of a split
    but the first is predicted once.

    Args:
      dataset: running text (see `ArrayDataset`).
      tokenizer, vocab_size: see `fit_vocabulary`.
      context: the length of a window in tokens.
      joined: whether the test split is the validation text followed by the test text,
        as in published results on the last tenth of a text.

    Returns:
      a source with `WindowDetails`, whose batches have

      - `x`: int32 (b, context).
      - `y`: int32 (b, context), the next token of each token in x.
      - `y_mask`: float32 (b, context), 0 behind the end of the split.
      - `row`: int32 (b,), the index of the window's first token.

    Raises:
      UserError: the data set has no running text; a split is shorter than two windows;
        see also `fit_vocabulary`.
    """
    texts = _texts_of_parts(dataset)
    if joined:
        texts["test"] = texts["valid"] + texts["test"]
    vocabulary = fit_vocabulary(tokenizer, [texts["train"]], vocab_size=vocab_size)
    tokens = {k: np.array(vocabulary.encode(text)) for k, text in texts.items()}
    for part, ids in tokens.items():
        if len(ids) < 2 * context + 1:
            raise UserError(
                "too-few-examples",
                f"--dataset={dataset.name}: the {part} split has {len(ids)} "
                f"tokens, fewer than two windows of {context}; give a longer text",
            )
    all_tokens = np.concatenate(list(tokens.values())).astype(np.int32)
    part_ends = np.cumsum([len(ids) for ids in tokens.values()])
    rows = {
        part: np.arange(end - len(ids), end - 1, context)
        for (part, ids), end in zip(tokens.items(), part_ends, strict=True)
    }
    # An offset moves windows by up to context - 1 tokens: the last one has no room.
    rows["train"] = rows["train"][: (len(tokens["train"]) - 1) // context - 1]

    def order(key: jax.Array, rows: jax.Array) -> jax.Array:
        shuffle, phase = jax.random.split(key)
        offset = jax.random.randint(phase, (), 0, context, jnp.int32)
        return jax.random.permutation(shuffle, rows) + offset

    def gather(arrays: Any, rows: jax.Array) -> dict[str, jax.Array]:
        indices = rows[:, None] + jnp.arange(context + 1)[None]
        window = jnp.take(arrays["tokens"], indices, mode="clip")
        ends = jnp.asarray(part_ends)
        end = ends[jnp.searchsorted(ends, rows, side="right")]
        mask = (indices[:, 1:] < end[:, None]).astype(jnp.float32)
        return {"x": window[:, :-1], "y": window[:, 1:], "y_mask": mask, "row": rows}

    return Source(
        name=dataset.name,
        version=dataset.version,
        fingerprint=f"{dataset.fingerprint}-{tokenizer}{vocab_size}.{context}"
        + ("-joined" if joined else ""),
        arrays={"tokens": all_tokens},
        split=lambda seed: rows,
        order=order,
        gather=gather,
        render=_renderer(vocabulary, all_tokens, context),
        encode_prompts=_prompt_encoder(vocabulary, tokenizer),
        details=WindowDetails(vocabulary),
    )


def _texts_of_parts(dataset: ArrayDataset) -> dict[str, str]:
    if dataset.arrays.keys() != {"text"}:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={dataset.name}: is not running text; give python_reference, or "
            "text_file with a text of yours",
        )
    return {
        part: b"".join(dataset.arrays["text"][rows]).decode()
        for part, rows in dataset.parts.items()
    }


def _prompt_encoder(
    vocabulary: Vocabulary, tokenizer: str
) -> Callable[[Sequence[str]], dict[str, Any]]:
    def encode_prompts(prompts: Sequence[str]) -> dict[str, Any]:
        ids = [vocabulary.encode(text or "\n") for text in prompts]
        if not all(ids):
            raise UserError(
                "empty-prompt", "--prompt: has no token; give at least one word"
            )
        by_character = tokenizer == "character"
        for token in "".join(prompts) if by_character else " ".join(prompts).split():
            if UNKNOWN in vocabulary.encode(token):
                raise UserError(
                    "unknown-token",
                    f"--prompt: {token} is not in the vocabulary of the training text; "
                    "give a prompt without it",
                )
        return {"x": np.array(ids)}

    return encode_prompts


def _renderer(
    vocabulary: Vocabulary, all_tokens: np.ndarray, context: int
) -> Callable[..., Renderings]:
    def decode(title: str, role: Role, sequences: Iterable[Any]) -> Texts:
        texts = tuple(vocabulary.decode(ids) for ids in sequences)
        return Texts(title=title, role=role, texts=texts)

    def render(samples: Mapping[str, Any]) -> Renderings:
        prediction = samples["prediction"]
        records = (
            decode("context", "real", samples["x"]),
            decode("continuation", "generated", prediction),
        )
        if "row" not in samples:  # samples of prompts
            return records
        window_ends = samples["row"] + context
        real = [all_tokens[end : end + prediction.shape[1]] for end in window_ends]
        return (*records, decode("real continuation", "real", real))

    return render
