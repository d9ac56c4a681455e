"""Windows of running text, for models that predict the next token.

A vocabulary is fitted on the training part only.
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
    """vocabulary: fitted on the training part."""

    vocabulary: Vocabulary


def lm_windows(
    dataset: ArrayDataset,
    *,
    tokenizer: str = "character",
    vocab_size: int = 1000,
    context: int = 64,
    joined: bool = False,
) -> Source:
    """A source of windows of running text; its details are `WindowDetails`.

    Its batches are {"x": int32 (b, context), "y": the same a token later, "y_mask":
    float32 (b, context), 0 behind the end of a part, "row": int32 (b,), the index of a
    window's first token}.

    An epoch is each training token once, in windows whose phase is drawn for the epoch.
    Windows of other parts are fixed; each of their tokens but the first counts once.

    Args:
      tokenizer, vocab_size: see `fit_vocabulary`.
      context: tokens of a window.
      joined: the test part is the validation part and the test part, as one text; for
        published numbers on the last tenth of a text.

    Raises:
      UserError: the data set has no running text, or a part is shorter than two
        windows; see `fit_vocabulary` too.
    """
    texts = _texts_of_parts(dataset)
    if joined:
        texts["test"] = texts["valid"] + texts["test"]
    vocabulary = fit_vocabulary(tokenizer, [texts["train"]], vocab_size=vocab_size)
    tokens = {k: np.array(vocabulary.encode(text)) for k, text in texts.items()}
    for part, numbers in tokens.items():
        if len(numbers) < 2 * context + 1:
            raise UserError(
                "too-few-examples",
                f"--dataset={dataset.name}: {part} has {len(numbers)} tokens, which is "
                f"less than two windows of {context}",
            )
    all_tokens = np.concatenate(list(tokens.values())).astype(np.int32)
    part_ends = np.cumsum([len(numbers) for numbers in tokens.values()])
    rows = {
        part: np.arange(end - len(numbers), end - 1, context)
        for (part, numbers), end in zip(tokens.items(), part_ends, strict=True)
    }
    # A phase moves a window by less than a context: the last ones have no room.
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
            f"--dataset={dataset.name}: is no running text, and this takes it; as "
            "python_reference is, or text_file, your own",
        )
    return {
        part: b"".join(dataset.arrays["text"][rows]).decode()
        for part, rows in dataset.parts.items()
    }


def _prompt_encoder(
    vocabulary: Vocabulary, tokenizer: str
) -> Callable[[Sequence[str]], dict[str, Any]]:
    def encode_prompts(prompts: Sequence[str]) -> dict[str, Any]:
        numbers = [vocabulary.encode(text or "\n") for text in prompts]
        if not all(numbers):
            raise UserError(
                "empty-prompt", "--prompt: give at least a word to go on from"
            )
        by_character = tokenizer == "character"
        for token in "".join(prompts) if by_character else " ".join(prompts).split():
            if UNKNOWN in vocabulary.encode(token):
                raise UserError(
                    "unknown-token",
                    f"--prompt: {token} is not in the text that it learned",
                )
        return {"x": np.array(numbers)}

    return encode_prompts


def _renderer(
    vocabulary: Vocabulary, all_tokens: np.ndarray, context: int
) -> Callable[..., Renderings]:
    def decode(title: str, role: Role, sequences: Iterable[Any]) -> Texts:
        texts = tuple(vocabulary.decode(numbers) for numbers in sequences)
        return Texts(title=title, role=role, texts=texts)

    def render(samples: Mapping[str, Any]) -> Renderings:
        prediction = samples["prediction"]
        records = (
            decode("context", "real", samples["x"]),
            decode("continuation", "generated", prediction),
        )
        if "row" not in samples:  # of a prompt
            return records
        window_ends = samples["row"] + context
        real = [all_tokens[end : end + prediction.shape[1]] for end in window_ends]
        return (*records, decode("real continuation", "real", real))

    return render
