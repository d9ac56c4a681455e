"""Text as sequences of numbers: sources of sentences, and of pairs of them.

A vocabulary is fitted on training data only. Where seeds are folds of one data set,
each fold has a vocabulary of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.splits import split_by_seed
from dljax.errors import UserError
from dljax.rendering import (
    InputTokens,
    Renderings,
    Texts,
    TokenAlignment,
    class_names,
)
from dljax.sources.resident import order
from dljax.sources.vocabulary import BEGIN, END, PAD, UNKNOWN, Vocabulary, vocabulary
from dljax.types import Source


def padded(numbers: Sequence[Sequence[int]], longest: int) -> np.ndarray:
    """int32 (n, longest), padded with PAD; what is longer loses its end."""
    rows = np.full((len(numbers), longest), PAD, np.int32)
    for row, its in zip(rows, numbers, strict=True):
        row[: min(len(its), longest)] = its[:longest]
    return rows


def _texts(table: ArrayDataset, name: str) -> list[str]:
    return [text.decode() for text in table.arrays[name]]


def words_of(batch: Mapping[str, Any]) -> dict[str, Any]:
    """What a net takes of a batch of sentences."""
    return {name: batch[name] for name in ("x", "mask")}


class SentenceDetails(NamedTuple):
    """vocabulary_size: of the largest vocabulary among the folds."""

    vocabulary_size: int


def _pieces(vocabulary: Vocabulary, numbers: Any) -> tuple[str, ...]:
    """The text of each token; padding is empty, an unknown token "?"."""
    return tuple("?" if i == UNKNOWN else vocabulary.decode([i]) for i in numbers)


def _mixed(pieces: Sequence[int], rng: np.random.Generator) -> list[int]:
    return [pieces[i] for i in rng.permutation(len(pieces))]


def sentences(
    table: ArrayDataset,
    *,
    kind: str = "word",
    least: int = 1,
    size: int = 4000,
    longest: int = 0,
    shuffled: bool = False,
) -> Source:
    """A source of labelled text: {"x": int32 (b, t), "mask": float32 (b, t), 0 at
    padding, "label": int32 (b,)}; its details are `SentenceDetails`.

    Args:
      kind, least, size: see `vocabulary`; it is fitted on each fold's training data.
      longest: pieces of a sentence, the rest is cut off; 0: as the longest has.
      shuffled: the pieces of every sentence in an order that says nothing.

    Raises:
      UserError: the table has no labelled text; see `vocabulary` too.
    """
    if not {"text", "label"} <= table.arrays.keys():
        raise UserError(
            f"--dataset={table.name}: has no sentences with labels, and this takes them"
        )
    texts, folds = _texts(table, "text"), 1 if "test" in table.parts else table.folds
    split_rows, blocks, known = split_by_seed(table), [], []
    for fold in range(folds):
        train = split_rows(fold)["train"]
        fitted = vocabulary(kind, [texts[i] for i in train], least=least, size=size)
        blocks.append([fitted.encode(text) for text in texts])
        known.append(fitted)
    most = max(1, *(len(its) for block in blocks for its in block))
    most = min(longest or most, most)
    rng = np.random.default_rng(0)
    if shuffled:
        blocks = [[_mixed(its[:most], rng) for its in block] for block in blocks]
    n = len(texts)

    def split(seed: int) -> Mapping[str, np.ndarray]:
        return {k: v + seed % folds * n for k, v in split_rows(seed).items()}

    def gather(arrays, rows):
        x = jnp.take(arrays["x"], rows, axis=0)
        return {
            "x": x,
            "mask": (x != PAD).astype(jnp.float32),
            "label": jnp.take(arrays["label"], rows % n, axis=0),
            "row": rows,
        }

    def render(samples):
        rows = samples["row"]
        numbers = zip(rows, samples["x"], strict=True)
        return (
            Texts(
                title="sentence", role="real", texts=tuple(texts[i % n] for i in rows)
            ),
            Texts(
                title="label",
                role="real",
                texts=class_names(samples["label"], table.classes),
            ),
            Texts(
                title="prediction",
                role="generated",
                texts=class_names(samples["prediction"], table.classes),
            ),
            InputTokens(
                tokens=tuple(_pieces(known[i // n], tokens) for i, tokens in numbers)
            ),
        )

    parts = split_rows(0)
    fingerprint = f"{table.fingerprint}-{kind}{least}.{size}.{most}"
    return Source(
        name=table.name,
        version=table.version,
        fingerprint=fingerprint + ("-shuffled" if shuffled else ""),
        arrays={
            "x": np.concatenate([padded(block, most) for block in blocks]),
            "label": table.arrays["label"],
        },
        split=split,
        order=order,
        gather=gather,
        classes=table.classes,
        test_train_ratio=len(parts["test"]) / len(parts["train"]) if folds > 1 else 0.0,
        render=render,
        details=SentenceDetails(max(of.size for of in known)),
    )


class Translations(NamedTuple):
    """Texts of the same examples: a translation is what a network makes of a source."""

    sources: tuple[str, ...]
    references: tuple[str, ...]
    translations: tuple[str, ...]


class TranslationDetails(NamedTuple):
    """The vocabularies of both languages, and how samples are read as text.

    lowercase: whether the target vocabulary decodes to lower case only.
    translate(samples) -> Translations.
    """

    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    lowercase: bool
    translate: Callable[[Mapping[str, Any]], Translations]


def translation_pairs(
    table: ArrayDataset,
    *,
    kind: str = "word",
    least: int = 1,
    size: int = 4000,
    longest: int = 0,
    blank: bool = False,
) -> Source:
    """A source of text with translations; its details are `TranslationDetails`.

    Its batches are {"x": int32 (b, s), "mask": (b, s), "y": int32 (b, t), which ends
    with END, "decoder_inputs": int32 (b, t), y shifted by one, which begins with BEGIN,
    "y_mask": (b, t), "row": int32 (b,)}; masks are float32, 0 at padding.

    Args: as `sentences`. `longest` is that of both sides, and nothing is cut off the
      references that translations are judged by. `blank`: all that is to be translated
      is replaced by one and the same piece, so that nothing can be known of it.

    Raises:
      UserError: the table has no translations; see `vocabulary` too.
    """
    if "source" not in table.arrays:
        raise UserError(
            f"--dataset={table.name}: has no translations, and this takes them"
        )
    split = split_by_seed(table)
    train = split(0)["train"]
    sides, fitted = {}, {}
    for name in ("source", "target"):
        texts = _texts(table, name)
        of = vocabulary(kind, [texts[i] for i in train], least=least, size=size)
        numbers = [of.encode(text) for text in texts]
        sides[name], fitted[name] = numbers, of
    if blank:
        sides["source"] = [[UNKNOWN]] * len(sides["source"])
    most = max(len(its) for side in sides.values() for its in side)
    most = min(longest or most, most)
    targets = [[*its[:most], END] for its in sides["target"]]
    arrays = {"x": padded(sides["source"], most), "y": padded(targets, most + 1)}

    def gather(arrays, rows):
        x, y = (jnp.take(arrays[name], rows, axis=0) for name in "xy")
        decoder_inputs = jnp.concatenate([jnp.full_like(y[:, :1], BEGIN), y[:, :-1]], 1)
        masks = {"mask": x, "y_mask": y}
        return {
            "x": x,
            "y": y,
            "decoder_inputs": decoder_inputs,
            **{name: (side != PAD).astype(jnp.float32) for name, side in masks.items()},
            "row": rows,
        }

    sources, references = _texts(table, "source"), _texts(table, "target")

    def decode(numbers: Any) -> tuple[str, ...]:
        return tuple(fitted["target"].decode(i) for i in numbers)

    def translate(samples: Mapping[str, Any]) -> Translations:
        rows = samples["row"]
        return Translations(
            tuple(sources[i] for i in rows),
            tuple(references[i] for i in rows),
            decode(samples["prediction"]),
        )

    def encode_prompts(texts: Sequence[str]) -> dict[str, Any]:
        if not all(texts):
            raise UserError("--prompt: give what is to be translated")
        x = padded([fitted["source"].encode(text) for text in texts], most)
        mask = (x != PAD).astype(np.float32)
        begin = np.full((len(x), 1), BEGIN, np.int32)
        return {"x": x, "mask": mask, "decoder_inputs": begin}

    def render(samples: Mapping[str, Any]) -> Renderings:
        """Translations, the tokens of their sources, and the attention between them."""
        numbers = samples["prediction"]
        generated = Texts(title="translation", role="generated", texts=decode(numbers))
        if "row" not in samples:  # of prompts
            return (generated,)
        texts = translate(samples)
        tokens = tuple(_pieces(fitted["source"], i) for i in samples["x"])
        records = (
            Texts(title="source", role="real", texts=texts.sources),
            Texts(title="reference", role="real", texts=texts.references),
            generated,
            InputTokens(tokens=tokens),
        )
        if "attention" not in samples:
            return records
        alignment = TokenAlignment(
            source_tokens=tokens,
            target_tokens=tuple(_pieces(fitted["target"], i) for i in numbers),
            weights=samples["attention"],
        )
        return (*records, alignment)

    return Source(
        name=table.name,
        version=table.version,
        fingerprint=f"{table.fingerprint}-{kind}{least}.{size}.{most}"
        + ("-blank" if blank else ""),
        arrays=arrays,
        split=split,
        order=order,
        gather=gather,
        render=render,
        encode_prompts=encode_prompts,
        details=TranslationDetails(
            fitted["source"], fitted["target"], kind == "word", translate
        ),
    )
