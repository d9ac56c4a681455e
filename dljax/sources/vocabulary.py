"""Vocabularies of words, characters or byte pairs: text as token ids."""

import collections
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dljax.errors import import_extra

PAD, UNKNOWN, BEGIN, END = range(4)
SPECIAL = ("<pad>", "<unknown>", "<begin>", "<end>")
TOKENIZERS = ("word", "character", "bpe")
WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


class Vocabulary(NamedTuple):
    """A fitted vocabulary.

    Attributes:
      size: the number of tokens, special tokens included.
      encode: text -> ids of its tokens.
      decode: ids -> text, up to the first END and without special tokens.
    """

    size: int
    encode: Callable[[str], list[int]]
    decode: Callable[[Iterable[int]], str]


def words(text: str) -> list[str]:
    """Splits a text into lower-case words and punctuation marks."""
    return WORD.findall(text.lower())


def fit_vocabulary(
    tokenizer: str, texts: Sequence[str], *, min_count: int = 1, vocab_size: int = 4000
) -> Vocabulary:
    """Fits a vocabulary to texts.

    Args:
      tokenizer: "word" (see `words`; decodes to lower case with spaces between tokens),
        "character", or "bpe", byte-pair encoding (Sennrich et al. 2016).
      texts: the training texts.
      min_count: words and characters with fewer occurrences are UNKNOWN; ignored by
        "bpe".
      vocab_size: the maximal number of tokens of "bpe"; ignored by the others.

    Raises:
      UserError: the package that "bpe" needs is not installed.
    """
    if tokenizer == "bpe":
        return _fit_byte_pairs(texts, vocab_size)
    tokenize: Callable[[str], list[str]] = words if tokenizer == "word" else list
    separator = " " if tokenizer == "word" else ""
    counts = collections.Counter(token for text in texts for token in tokenize(text))
    frequent = sorted((-n, token) for token, n in counts.items() if n >= min_count)
    tokens = [*SPECIAL, *(token for _, token in frequent)]
    id_of = {token: i for i, token in enumerate(tokens)}

    def encode(text):
        return [id_of.get(token, UNKNOWN) for token in tokenize(text)]

    def decode(ids):
        return separator.join(tokens[i] for i in _before_end(ids))

    return Vocabulary(len(tokens), encode, decode)


def _before_end(ids: Iterable[int]) -> list[int]:
    """The ids before the first END, without special tokens."""
    ids = [int(i) for i in ids]
    end = ids.index(END) if END in ids else len(ids)
    return [i for i in ids[:end] if i >= len(SPECIAL)]


def _fit_byte_pairs(texts: Sequence[str], vocab_size: int) -> Vocabulary:
    tokenizers = import_extra("tokenizers", extra="text", purpose="--tokenizer=bpe")
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=SPECIAL[UNKNOWN]))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    bpe.decoder = tokenizers.decoders.Metaspace()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(SPECIAL), show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    return Vocabulary(
        bpe.get_vocab_size(),
        lambda text: bpe.encode(text).ids,
        lambda ids: bpe.decode(_before_end(ids)),
    )


def pad_tokens(sequences: Sequence[Sequence[int]], max_len: int) -> np.ndarray:
    """Pads n sequences of ids with PAD, or cuts them, to int32 (n, max_len)."""
    rows = np.full((len(sequences), max_len), PAD, np.int32)
    for row, tokens in zip(rows, sequences, strict=True):
        row[: min(len(tokens), max_len)] = tokens[:max_len]
    return rows


def token_texts(vocabulary: Vocabulary, ids: Iterable[int]) -> tuple[str, ...]:
    """The text of each token: "" for padding, "?" for UNKNOWN."""
    return tuple("?" if i == UNKNOWN else vocabulary.decode([i]) for i in ids)
