"""Vocabularies: a text as the numbers of its words, characters or pieces."""

import collections
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from dljax.errors import package

PAD, UNKNOWN, BEGIN, END = range(4)
SPECIAL = ("<pad>", "<unknown>", "<begin>", "<end>")
KINDS = ("word", "character", "bpe")
WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


class Vocabulary(NamedTuple):
    """size: how many pieces, the special ones too. encode: a text -> their numbers.
    decode: numbers -> a text, up to the first END, without special pieces.
    """

    size: int
    encode: Callable[[str], list[int]]
    decode: Callable[[Iterable[int]], str]


def words(text: str) -> list[str]:
    """Words and marks of punctuation, in lower case."""
    return WORD.findall(text.lower())


def vocabulary(
    kind: str, texts: Sequence[str], *, least: int = 1, size: int = 4000
) -> Vocabulary:
    """Fits a vocabulary.

    Args:
      kind: "word" (`words`, so what it decodes has none but lower case and spaces
        between), "character", or "bpe": byte-pair encoding, which merges what is often
        side by side (Sennrich et al. 2016).
      texts: of the training data.
      least: words and characters that are there less often are unknown.
      size: pieces of byte-pair encoding, at most.

    Raises:
      UserError: byte-pair encoding, and its library is not installed.
    """
    if kind == "bpe":
        return _pairs_of_bytes(texts, size)
    cut: Callable[[str], list[str]] = words if kind == "word" else list
    joint = " " if kind == "word" else ""
    counts = collections.Counter(piece for text in texts for piece in cut(text))
    often = sorted((-n, piece) for piece, n in counts.items() if n >= least)
    pieces = [*SPECIAL, *(piece for _, piece in often)]
    number = {piece: i for i, piece in enumerate(pieces)}

    def encode(text):
        return [number.get(piece, UNKNOWN) for piece in cut(text)]

    def decode(numbers):
        return joint.join(pieces[i] for i in _said(numbers))

    return Vocabulary(len(pieces), encode, decode)


def _said(numbers: Iterable[int]) -> list[int]:
    numbers = [int(i) for i in numbers]
    end = numbers.index(END) if END in numbers else len(numbers)
    return [i for i in numbers[:end] if i >= len(SPECIAL)]


def _pairs_of_bytes(texts: Sequence[str], size: int) -> Vocabulary:
    tokenizers = package("tokenizers", extra="text", what="byte-pair encoding")
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=SPECIAL[UNKNOWN]))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.decoder = tokenizers.decoders.Metaspace()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(SPECIAL), show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return Vocabulary(
        made.get_vocab_size(),
        lambda text: made.encode(text).ids,
        lambda numbers: made.decode(_said(numbers)),
    )
