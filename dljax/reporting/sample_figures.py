"""Figures and texts of samples: what each network is given, predicts and generates."""

import pathlib
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dljax.rendering import (
    CodePlane,
    Images,
    PixelMaps,
    Predictions,
    Renderings,
    Texts,
    TokenAlignment,
    of_kind,
)
from dljax.reporting.figures import COLOURS, INK, plt
from dljax.studies.study_spec import StudySpec
from dljax.trials import samples as sample_files

MAX_VARIANTS = 12
MAX_EXAMPLES = 10  # of images; 3 of clips
MAX_TEXTS = 6
MAX_ALIGNMENTS = 3
FRAMES = 4  # of a clip, evenly spaced
GAP = 0.4  # the grey between the images of a code plane

Samples = Mapping[str, Renderings]  # by variant


def read(directory: pathlib.Path, spec: StudySpec) -> Samples:
    """{variant: renderings of its first seed} of the finished trials.

    Raises:
      UserError: a file is damaged.
    """
    samples: dict[str, Renderings] = {}
    for entry in spec.trials:
        variants, path = entry.variants, directory / entry.name / "samples.npz"
        if path.is_file() and any(variant not in samples for variant in variants):
            runs = sample_files.read(path)
            for i, variant in enumerate(variants):
                # Runs are in order of their variants; the first seed's is shown.
                samples.setdefault(variant, runs[i * len(runs) // len(variants)])
    return samples


def shown_variants(samples: Samples) -> Samples:
    """The first MAX_VARIANTS of them."""
    return dict(list(samples.items())[:MAX_VARIANTS])


def has_spectrograms(samples: Samples) -> bool:
    """Whether any of the images are of sound."""
    return any(
        getattr(record, "spectrogram", False)
        for renderings in samples.values()
        for record in renderings
    )


def draw_predictions(samples: Samples):
    """Test images as each network is given them, with its predictions; None without."""
    records = {
        variant: record
        for variant, renderings in samples.items()
        for record in of_kind(renderings, Predictions)
    }
    records = dict(list(records.items())[:MAX_VARIANTS])
    if not records:
        return None
    figure, axes = _grid(list(records), [record.pixels for record in records.values()])
    for row, record in zip(axes, records.values(), strict=True):
        for j, axis in enumerate(row):
            _draw_image(axis, record.pixels[j], spectrogram=record.spectrogram)
            predicted, label = record.predicted[j], record.labels[j]
            axis.set_title(
                label if predicted == label else f"{predicted} ≠ {label}",
                fontsize=8,
                color=INK if predicted == label else COLOURS[1],
                pad=2,
            )
    return figure


class _Row(NamedTuple):
    """A row of a figure: images (n, h, w, c), or signed maps (n, h, w) of them."""

    values: np.ndarray
    signed: bool
    spectrogram: bool


def draw_pixel_maps(samples: Samples):
    """Maps of the test images: a row of the images, and under it a row a map, once
    where all networks have the same one; None without.
    """
    records = {
        variant: record
        for variant, renderings in samples.items()
        for record in of_kind(renderings, PixelMaps)
    }
    maps = {
        variant: dict(zip(record.titles, record.maps, strict=True))
        for variant, record in records.items()
    }
    rows: dict[str, _Row] = {}
    for variant in shown_variants(samples):
        if variant not in records:
            continue
        record = records[variant]
        rows.setdefault("image", _Row(record.pixels, False, record.spectrogram))
        for title, values in maps[variant].items():
            others = [maps.get(other, {}) for other in samples if other != variant]
            common = others and all(
                title in other and np.array_equal(other[title], values)
                for other in others
            )
            name = title if common else f"{variant}/{title}"
            rows[name] = _Row(values, True, record.spectrogram)
    if not rows:
        return None
    figure, axes = _grid(list(rows), [row.values for row in rows.values()])
    for line, row in zip(axes, rows.values(), strict=True):
        for values, axis in zip(row.values, line, strict=False):
            if row.signed:
                limit = np.abs(values).max() or 1.0
                image = np.rot90(values) if row.spectrogram else values
                axis.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
            else:
                _draw_image(axis, values, spectrogram=row.spectrogram)
    return figure


def draw_images(samples: Samples):
    """Real images once, and under them a row for each kind of images of each network,
    with the classes they were generated for; None without.
    """
    rows: dict[str, Images] = {}
    for variant, renderings in shown_variants(samples).items():
        for record in of_kind(renderings, Images):
            real = record.role == "real"
            rows.setdefault(
                record.title if real else f"{variant}\n{record.title}", record
            )
    if not rows:
        return None
    figure, axes = _grid(list(rows), [record.pixels for record in rows.values()])
    for row, record in zip(axes, rows.values(), strict=True):
        for axis, pixels in zip(row, record.pixels, strict=False):
            _draw_image(axis, pixels, spectrogram=record.spectrogram)
        for axis, name in zip(row, record.target_classes, strict=False):
            axis.set_title(name, fontsize=8, pad=2)
    return figure


def draw_code_planes(samples: Samples):
    """The code plane of each network; None without."""
    planes = {
        variant: record
        for variant, renderings in samples.items()
        for record in of_kind(renderings, CodePlane)
    }
    planes = dict(list(planes.items())[:MAX_VARIANTS])
    if not planes:
        return None
    columns = min(3, len(planes))
    rows = -(-len(planes) // columns)
    figure, axes = plt().subplots(
        rows, columns, figsize=(3 * columns, 3.2 * rows), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, record) in zip(axes.flat, planes.items(), strict=False):
        _draw_image(axis, tile(record.pixels), spectrogram=record.spectrogram)
        axis.set_title(name, fontsize=9)
    return figure


def tile(pixels: np.ndarray) -> np.ndarray:
    """Images (rows, columns, h, w, c) as one image, with grey lines between them."""
    edges = [(0, 0), (0, 0), (0, 1), (0, 1), (0, 0)]
    pixels = np.pad(pixels, edges, constant_values=GAP)
    return np.concatenate(np.concatenate(pixels, 1), 1)


def draw_alignments(samples: Samples):
    """The token alignment of the first network that has one, of a few test examples;
    None without.
    """
    alignments = [
        record
        for renderings in samples.values()
        for record in of_kind(renderings, TokenAlignment)
    ]
    if not alignments:
        return None
    record = alignments[0]
    count = min(MAX_ALIGNMENTS, len(record.weights))
    figure, axes = plt().subplots(1, count, figsize=(9, 3.4), squeeze=False)
    for i, axis in enumerate(axes[0]):
        source = _without_padding(record.source_tokens[i])
        target = record.target_tokens[i]
        end = target.index("") if "" in target else len(target)
        target = target[: max(end, 1)]
        weights = record.weights[i, : len(target), : len(source)]
        axis.imshow(weights, cmap="Greens", vmin=0, vmax=1, aspect="auto")
        axis.set_xticks(range(len(source)), source, fontsize=6, rotation=90)
        axis.set_yticks(range(len(target)), target, fontsize=6)
        axis.grid(False)
    return figure


def _without_padding(tokens: Sequence[str]) -> Sequence[str]:
    """At least one token."""
    end = max((i + 1 for i, token in enumerate(tokens) if token), default=1)
    return tokens[:end]


def list_texts(samples: Samples) -> list[dict[str, dict[str, str]]]:
    """The texts of a few examples: those of the data, and each network's.

    Returns:
      [{"real": {title: text}, "generated": {variant: text}}], empty without texts.
    """
    texts = {
        variant: of_kind(renderings, Texts)
        for variant, renderings in shown_variants(samples).items()
    }
    texts = {variant: records for variant, records in texts.items() if records}
    if not texts:
        return []
    real = [r for r in next(iter(texts.values())) if r.role != "generated"]
    generated = {
        variant: record
        for variant, records in texts.items()
        for record in records
        if record.role == "generated"
    }
    lengths = [len(r.texts) for records in texts.values() for r in records]
    return [
        {
            "real": {record.title: record.texts[i] for record in real},
            "generated": {name: record.texts[i] for name, record in generated.items()},
        }
        for i in range(min(MAX_TEXTS, *lengths))
    ]


def _flatten(pixels: np.ndarray) -> np.ndarray:
    """An image (h, w) or (h, w, 3); of a clip a few frames side by side."""
    if pixels.ndim == 4:
        chosen = np.linspace(0, len(pixels) - 1, FRAMES).round().astype(int)
        pixels = np.concatenate(list(pixels[chosen]), axis=1)
    return pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels


def _draw_image(axis: Any, pixels: np.ndarray, *, spectrogram: bool) -> None:
    """An image or clip; of a spectrogram time to the right and low bands below."""
    image = _flatten(pixels)
    image = np.rot90(image) if spectrogram else image
    axis.imshow(image, cmap="gray", vmin=0, vmax=1)


def _grid(names: Sequence[str], images: Sequence[np.ndarray]):
    """A figure of a row a name, and its axes; images[0] has a row's length."""
    count = min(MAX_EXAMPLES if images[0].ndim == 4 else 3, *map(len, images))
    figure, axes = plt().subplots(
        len(names), count, figsize=(9, 1.15 * len(names)), squeeze=False
    )
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.grid(False)
        axis.spines[["left", "bottom"]].set_visible(False)
    for name, row in zip(names, axes, strict=True):
        lines = (textwrap.fill(s.replace("/", " "), 20) for s in name.split("\n"))
        row[0].set_ylabel(
            "\n".join(lines), fontsize=8, rotation=0, ha="right", va="center"
        )
    return figure, axes
