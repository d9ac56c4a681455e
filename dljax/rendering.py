"""What a report shows of samples: one record a kind of rendering.

`Source.render(samples)` makes them of one run's samples, `trials.samples` stores them,
and reports and `dljax sample` read nothing else. Each record is of n examples, in the
same order; `Rendering` is any of them.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeVar

import numpy as np

# real: examples of the data set, the same for all variants. input: what a network is
# given. generated: what a network makes. nearest: the real examples nearest to these.
Role = Literal["real", "input", "generated", "nearest"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Images, or clips.

    pixels: (n, h, w, c) or (n, frames, h, w, c) in [0, 1], of 1 or 3 channels.
    target_classes: the class that each was generated for, or empty.
    spectrogram: whether they are of sound, as (n, frames, bands, 1).
    """

    title: str
    role: Role
    pixels: np.ndarray
    target_classes: tuple[str, ...] = ()
    spectrogram: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Images or clips, as in `Images`, and their predicted and true classes."""

    pixels: np.ndarray
    predicted: tuple[str, ...]
    labels: tuple[str, ...]
    spectrogram: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PixelMaps:
    """Images, as in `Images`, and maps (k, n, h, w) of them, such as attributions.

    titles: one a map.
    """

    pixels: np.ndarray
    titles: tuple[str, ...]
    maps: np.ndarray
    spectrogram: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CodePlane:
    """Decoded images (rows, columns, h, w, c) over a grid of two code dimensions."""

    pixels: np.ndarray
    spectrogram: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """Texts, one an example."""

    title: str
    role: Role
    texts: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class InputTokens:
    """The tokens that a network reads, as text: padding is empty."""

    tokens: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TokenAlignment:
    """The attention (n, target, source) of generated tokens to input tokens; padding is
    empty.
    """

    source_tokens: tuple[tuple[str, ...], ...]
    target_tokens: tuple[tuple[str, ...], ...]
    weights: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Audio:
    """Sounds: int16 (n, samples) at `sample_rate` Hz.

    target_classes: the class that each was generated for, or empty.
    """

    title: str
    role: Role
    waveforms: np.ndarray
    sample_rate: int
    target_classes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PianoRolls:
    """Music (n, steps, 88), one key a column, lowest first: 1 where a key sounds, or
    its probability.
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
    """The renderings of one kind, in their order."""
    return [record for record in renderings if isinstance(record, kind)]


def class_names(labels: Iterable[Any], classes: Sequence[str]) -> tuple[str, ...]:
    """The name of each label; its number where it has none."""
    return tuple(
        classes[label] if label < len(classes) else str(label)
        for label in map(int, labels)
    )
