"""Sources of labelled sentences as sequences of tokens.

Vocabularies are fitted on training data only. If the data set is split into folds, each
fold has its own vocabulary.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.splits import Split, split_by_seed
from dljax.errors import UserError
from dljax.rendering import InputTokens, Renderings, Texts, class_names
from dljax.sources.resident import order
from dljax.sources.vocabulary import (
    PAD,
    Vocabulary,
    fit_vocabulary,
    pad_tokens,
    token_texts,
)
from dljax.types import Source


class SentenceDetails(NamedTuple):
    """The `Source.details` of `labelled_sentences`.

    Attributes:
      vocabulary_size: the size of the largest vocabulary of all folds.
    """

    vocabulary_size: int


def sentence_inputs(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Selects the network inputs of a batch of sentences: {"x", "mask"}."""
    return {name: batch[name] for name in ("x", "mask")}


def labelled_sentences(
    dataset: ArrayDataset,
    *,
    tokenizer: str = "word",
    min_count: int = 1,
    vocab_size: int = 4000,
    max_len: int = 0,
    shuffled: bool = False,
) -> Source:
    """Returns a source of labelled sentences.

    Args:
      dataset: labelled text (see `ArrayDataset`).
      tokenizer, min_count, vocab_size: see `fit_vocabulary`.
      max_len: the number of tokens to which sentences are cut; 0: no cut.
      shuffled: ablation: the tokens of each sentence are in a fixed random order.

    Returns:
      a source with `SentenceDetails`, whose batches have

      - `x`: int32 (b, t).
      - `mask`: float32 (b, t), 0 at padding.
      - `label`: int32 (b,).
      - `row`: int32 (b,). With n texts, row fold * n + i is text i in the vocabulary of
        that fold.

    Raises:
      UserError: the data set has no labelled text; see also `fit_vocabulary`.
    """
    if not {"text", "label"} <= dataset.arrays.keys():
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={dataset.name}: has no labelled text; give a data set of "
            "labelled text, such as lexicon",
        )
    texts = [text.decode() for text in dataset.arrays["text"]]
    n, folds = len(texts), 1 if "test" in dataset.parts else dataset.folds
    split_rows = split_by_seed(dataset)
    vocabularies = [
        fit_vocabulary(
            tokenizer,
            [texts[i] for i in split_rows(fold)["train"]],
            min_count=min_count,
            vocab_size=vocab_size,
        )
        for fold in range(folds)
    ]
    tokens = [[v.encode(text) for text in texts] for v in vocabularies]
    max_tokens = max(1, *(len(sentence) for fold in tokens for sentence in fold))
    max_len = min(max_len or max_tokens, max_tokens)
    if shuffled:
        tokens = _shuffle([[sentence[:max_len] for sentence in f] for f in tokens])

    def gather(arrays, rows):
        x = jnp.take(arrays["x"], rows, axis=0)
        return {
            "x": x,
            "mask": (x != PAD).astype(jnp.float32),
            "label": jnp.take(arrays["label"], rows % n, axis=0),
            "row": rows,
        }

    parts = split_rows(0)
    fingerprint = f"{dataset.fingerprint}-{tokenizer}{min_count}.{vocab_size}.{max_len}"
    return Source(
        name=dataset.name,
        version=dataset.version,
        fingerprint=fingerprint + ("-shuffled" if shuffled else ""),
        arrays={
            "x": np.concatenate([pad_tokens(fold, max_len) for fold in tokens]),
            "label": dataset.arrays["label"],
        },
        split=_split_of_folds(split_rows, folds, n),
        order=order,
        gather=gather,
        classes=dataset.classes,
        test_train_ratio=len(parts["test"]) / len(parts["train"]) if folds > 1 else 0.0,
        render=_renderer(texts, vocabularies, dataset.classes),
        details=SentenceDetails(max(v.size for v in vocabularies)),
    )


def _shuffle(tokens: Sequence[Sequence[Sequence[int]]]) -> list[list[list[int]]]:
    rng = np.random.default_rng(0)
    return [
        [[sentence[i] for i in rng.permutation(len(sentence))] for sentence in fold]
        for fold in tokens
    ]


def _split_of_folds(split_rows: Split, folds: int, n: int) -> Split:
    """Adds to a seed's rows the offset of its fold, of n texts each."""

    def split(seed: int) -> dict[str, np.ndarray]:
        return {k: v + seed % folds * n for k, v in split_rows(seed).items()}

    return split


def _renderer(
    texts: Sequence[str], vocabularies: Sequence[Vocabulary], classes: tuple[str, ...]
) -> Any:
    n = len(texts)

    def render(samples: Mapping[str, Any]) -> Renderings:
        rows = samples["row"]
        examples = zip(rows, samples["x"], strict=True)
        return (
            Texts(
                title="sentence", role="real", texts=tuple(texts[i % n] for i in rows)
            ),
            Texts(
                title="label",
                role="real",
                texts=class_names(samples["label"], classes),
            ),
            Texts(
                title="prediction",
                role="generated",
                texts=class_names(samples["prediction"], classes),
            ),
            InputTokens(
                tokens=tuple(token_texts(vocabularies[i // n], x) for i, x in examples)
            ),
        )

    return render
