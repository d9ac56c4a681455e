"""Sources of sentences and their translations, as sequences of tokens.

Both vocabularies are fitted on training data only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.splits import split_by_seed
from dljax.errors import UserError
from dljax.rendering import InputTokens, Renderings, Texts, TokenAlignment
from dljax.sources.resident import order
from dljax.sources.vocabulary import (
    BEGIN,
    END,
    PAD,
    UNKNOWN,
    Vocabulary,
    fit_vocabulary,
    pad_tokens,
    token_texts,
)
from dljax.types import Source


class Translations(NamedTuple):
    """The texts of the same examples.

    Attributes:
      sources: the source sentences.
      references: the target sentences, never cut.
      translations: a network's translations.
    """

    sources: tuple[str, ...]
    references: tuple[str, ...]
    translations: tuple[str, ...]


class TranslationDetails(NamedTuple):
    """The vocabularies of both languages, and the conversion of samples to text.

    Attributes:
      source_vocabulary: fitted on the training sources.
      target_vocabulary: fitted on the training targets.
      lowercase: whether the target vocabulary decodes to lower case only.
      translate: {name: array (n, ...)} of samples with "row" and "prediction" ->
        Translations.
    """

    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    lowercase: bool
    translate: Callable[[Mapping[str, Any]], Translations]


def translation_pairs(
    dataset: ArrayDataset,
    *,
    tokenizer: str = "word",
    min_count: int = 1,
    vocab_size: int = 4000,
    max_len: int = 0,
    blank: bool = False,
) -> Source:
    """Returns a source of sentences and their translations.

    Args:
      dataset: translations (see `ArrayDataset`).
      tokenizer, min_count, vocab_size: see `fit_vocabulary`.
      max_len: the number of tokens to which sentences of both languages are cut; 0: no
        cut. References for evaluation are never cut.
      blank: ablation: every source is the same single token.

    Returns:
      a source with `TranslationDetails`, whose batches have

      - `x`: int32 (b, s), the source.
      - `mask`: float32 (b, s), 0 at padding.
      - `y`: int32 (b, t), the target and END.
      - `decoder_inputs`: int32 (b, t), BEGIN and the target.
      - `y_mask`: float32 (b, t), 0 at padding.
      - `row`: int32 (b,), the index of the pair.

    Raises:
      UserError: the data set has no translations; see also `fit_vocabulary`.
    """
    if "source" not in dataset.arrays:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={dataset.name}: has no translations; give a data set of "
            "translations, such as names",
        )
    split = split_by_seed(dataset)
    train = split(0)["train"]
    texts = {
        side: [text.decode() for text in dataset.arrays[side]]
        for side in ("source", "target")
    }
    vocabularies = {
        side: fit_vocabulary(
            tokenizer,
            [sentences[i] for i in train],
            min_count=min_count,
            vocab_size=vocab_size,
        )
        for side, sentences in texts.items()
    }
    tokens = {k: [vocabularies[k].encode(text) for text in v] for k, v in texts.items()}
    if blank:
        tokens["source"] = [[UNKNOWN]] * len(tokens["source"])
    max_tokens = max(len(sentence) for side in tokens.values() for sentence in side)
    max_len = min(max_len or max_tokens, max_tokens)
    targets = [[*sentence[:max_len], END] for sentence in tokens["target"]]

    def encode_prompts(prompts: Sequence[str]) -> dict[str, Any]:
        if not all(prompts):
            raise UserError(
                "empty-prompt", "--prompt: is empty; give a sentence to translate"
            )
        x = pad_tokens(
            [vocabularies["source"].encode(text) for text in prompts], max_len
        )
        mask = (x != PAD).astype(np.float32)
        begin = np.full((len(x), 1), BEGIN, np.int32)
        return {"x": x, "mask": mask, "decoder_inputs": begin}

    details = TranslationDetails(
        vocabularies["source"],
        vocabularies["target"],
        lowercase=tokenizer == "word",
        translate=_translator(texts["source"], texts["target"], vocabularies["target"]),
    )
    fingerprint = f"{dataset.fingerprint}-{tokenizer}{min_count}.{vocab_size}.{max_len}"
    return Source(
        name=dataset.name,
        version=dataset.version,
        fingerprint=fingerprint + ("-blank" if blank else ""),
        arrays={
            "x": pad_tokens(tokens["source"], max_len),
            "y": pad_tokens(targets, max_len + 1),
        },
        split=split,
        order=order,
        gather=_gather,
        render=_renderer(details),
        encode_prompts=encode_prompts,
        details=details,
    )


def _gather(arrays, rows):
    x, y = (jnp.take(arrays[name], rows, axis=0) for name in "xy")
    begin = jnp.full_like(y[:, :1], BEGIN)
    return {
        "x": x,
        "y": y,
        "decoder_inputs": jnp.concatenate([begin, y[:, :-1]], 1),
        "mask": (x != PAD).astype(jnp.float32),
        "y_mask": (y != PAD).astype(jnp.float32),
        "row": rows,
    }


def _translator(
    sources: Sequence[str], references: Sequence[str], target: Vocabulary
) -> Callable[[Mapping[str, Any]], Translations]:
    def translate(samples: Mapping[str, Any]) -> Translations:
        rows = samples["row"]
        return Translations(
            tuple(sources[i] for i in rows),
            tuple(references[i] for i in rows),
            tuple(target.decode(ids) for ids in samples["prediction"]),
        )

    return translate


def _renderer(details: TranslationDetails) -> Callable[..., Renderings]:
    target = details.target_vocabulary

    def render(samples: Mapping[str, Any]) -> Renderings:
        """Renders translations, source tokens, and the attention between them."""
        ids = samples["prediction"]
        decoded = tuple(target.decode(i) for i in ids)
        generated = Texts(title="translation", role="generated", texts=decoded)
        if "row" not in samples:  # samples of prompts
            return (generated,)
        texts = details.translate(samples)
        tokens = tuple(token_texts(details.source_vocabulary, x) for x in samples["x"])
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
            target_tokens=tuple(token_texts(target, i) for i in ids),
            weights=samples["attention"],
        )
        return (*records, alignment)

    return render
