"""Renderings: the records of samples that reports and `dljax sample` show.

`Source.render` turns one run's samples into renderings, and `trials.samples` stores
them. There is one class per kind; `Rendering` is their union. All records of a run have
the same n examples in the same order.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeVar

import numpy as np

# real: examples of the data set, equal for all variants. input: inputs of a network.
# generated: outputs of a network. nearest: the real examples nearest to generated ones.
Role = Literal["real", "input", "generated", "nearest"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Images or clips.

    Attributes:
      title: the title in the report.
      role: see `Role`.
      pixels: (n, h, w, c) or (n, frames, h, w, c) in [0, 1], with 1 or 3 channels.
      target_classes: the class that each image was generated for; empty if there is
        none.
      spectrogram: whether the images are spectrograms (n, frames, bands, 1).
    """

    title: str
    role: Role
    pixels: np.ndarray
    target_classes: tuple[str, ...] = ()
    spectrogram: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Images or clips with their predicted and true classes.

    Attributes:
      pixels, spectrogram: see `Images`.
      predicted: the name of the predicted class of each image.
      labels: the name of the true class of each image.
    """

    pixels: np.ndarray
    predicted: tuple[str, ...]
    labels: tuple[str, ...]
    spectrogram: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PixelMaps:
    """Images and k maps of each, such as attributions.

    Attributes:
      pixels, spectrogram: see `Images`.
      titles: the titles of the k maps.
      maps: (k, n, h, w).
    """

    pixels: np.ndarray
    titles: tuple[str, ...]
    maps: np.ndarray
    spectrogram: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CodePlane:
    """Images decoded from a grid of two-dimensional codes.

    Attributes:
      pixels: (rows, columns, h, w, c) in [0, 1].
      spectrogram: see `Images`.
    """

    pixels: np.ndarray
    spectrogram: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """Texts, one per example.

    Attributes:
      title: the title in the report.
      role: see `Role`.
      texts: n texts.
    """

    title: str
    role: Role
    texts: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class InputTokens:
    """The input tokens of each example.

    Attributes:
      tokens: n sequences of texts of tokens; "" is padding.
    """

    tokens: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TokenAlignment:
    """The attention of generated tokens to input tokens.

    Attributes:
      source_tokens: n sequences of s texts of tokens; "" is padding.
      target_tokens: n sequences of t texts of tokens; "" is padding.
      weights: (n, t, s).
    """

    source_tokens: tuple[tuple[str, ...], ...]
    target_tokens: tuple[tuple[str, ...], ...]
    weights: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Audio:
    """Sounds.

    Attributes:
      title: the title in the report.
      role: see `Role`.
      waveforms: int16 (n, samples).
      sample_rate: in Hz.
      target_classes: see `Images`.
    """

    title: str
    role: Role
    waveforms: np.ndarray
    sample_rate: int
    target_classes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PianoRolls:
    """Music.

    Attributes:
      role: see `Role`.
      rolls: (n, steps, 88): 1 where a key sounds, else 0; or its probability. Keys are
        ordered from the lowest.
    """

    role: Role
    rolls: np.ndarray


Rendering = (
    Images
    | Predictions
    | PixelMaps
    | CodePlane
    | Texts
    | InputTokens
    | TokenAlignment
    | Audio
    | PianoRolls
)
Renderings = tuple[Rendering, ...]
Kind = TypeVar("Kind", bound=Rendering)


def of_kind(renderings: Iterable[Rendering], kind: type[Kind]) -> list[Kind]:
    """Selects the renderings of one kind, in order."""
    return [record for record in renderings if isinstance(record, kind)]


def class_names(labels: Iterable[Any], classes: Sequence[str]) -> tuple[str, ...]:
    """Returns the name of each integer label, or its number if it has no name."""
    return tuple(
        classes[label] if label < len(classes) else str(label)
        for label in map(int, labels)
    )
