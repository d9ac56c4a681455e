"""Figures and texts of samples: inputs, predictions and generated examples."""

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
MAX_EXAMPLES = 10  # images per row; 3 for clips
MAX_TEXTS = 6
MAX_ALIGNMENTS = 3
FRAMES = 4  # per clip, evenly spaced
GAP = 0.4  # grey level of the lines between the images of a code plane

Samples = Mapping[str, Renderings]  # {variant: renderings}


def read(directory: pathlib.Path, spec: StudySpec) -> Samples:
    """Reads {variant: renderings of its first seed} from the trials that have samples.

    Raises:
      UserError: a file samples.npz is damaged.
    """
    samples: dict[str, Renderings] = {}
    for entry in spec.trials:
        variants, path = entry.variants, directory / entry.name / "samples.npz"
        if path.is_file() and any(variant not in samples for variant in variants):
            runs = sample_files.read(path)
            for i, variant in enumerate(variants):
                # Runs are sorted by variant; this is the first seed of the variant.
                samples.setdefault(variant, runs[i * len(runs) // len(variants)])
    return samples


def shown_variants(samples: Samples) -> Samples:
    """Returns the samples of the first MAX_VARIANTS variants."""
    return dict(list(samples.items())[:MAX_VARIANTS])


def has_spectrograms(samples: Samples) -> bool:
    """Whether any of the images are spectrograms."""
    return any(
        getattr(record, "spectrogram", False)
        for renderings in samples.values()
        for record in renderings
    )


def draw_predictions(samples: Samples):
    """Draws the test images as input to each network, with its predictions.

    Returns:
      the figure; None without predictions. The other functions here do the same.
    """
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
    """A row of a figure: images (n, h, w, c) or signed maps (n, h, w)."""

    values: np.ndarray
    signed: bool
    spectrogram: bool


def draw_pixel_maps(samples: Samples):
    """Draws a row of test images and one row per pixel map below it.

    A map that is equal for all networks is drawn once.
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
    """Draws the real images once, and below them one row per network and title.

    Generated images are labelled with their target class.
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
    """Draws the code plane of each network."""
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
    """Joins images (rows, columns, h, w, c) to one image with grey lines between."""
    edges = [(0, 0), (0, 0), (0, 1), (0, 1), (0, 0)]
    pixels = np.pad(pixels, edges, constant_values=GAP)
    return np.concatenate(np.concatenate(pixels, 1), 1)


def draw_alignments(samples: Samples):
    """Draws the token alignments of a few test examples by the first network that has
    them.
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
    """Removes padding at the end; keeps at least one token."""
    end = max((i + 1 for i, token in enumerate(tokens) if token), default=1)
    return tokens[:end]


def list_texts(samples: Samples) -> list[dict[str, dict[str, str]]]:
    """Lists the texts of a few examples: from the data and from each network.

    Returns:
      [{"real": {title: text}, "generated": {variant: text}}], one per example; empty
      without texts.
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
    """Returns an image (h, w) or (h, w, 3); a clip as a few frames side by side."""
    if pixels.ndim == 4:
        chosen = np.linspace(0, len(pixels) - 1, FRAMES).round().astype(int)
        pixels = np.concatenate(list(pixels[chosen]), axis=1)
    return pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels


def _draw_image(axis: Any, pixels: np.ndarray, *, spectrogram: bool) -> None:
    """Draws an image or clip; a spectrogram with time to the right, low bands below."""
    image = _flatten(pixels)
    image = np.rot90(image) if spectrogram else image
    axis.imshow(image, cmap="gray", vmin=0, vmax=1)


def _grid(names: Sequence[str], images: Sequence[np.ndarray]):
    """Returns a figure and its axes: one row per name, as long as images[0]."""
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
