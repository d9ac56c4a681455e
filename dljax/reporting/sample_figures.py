"""Samples of the test data: what each network sees, answers and makes of them."""

import pathlib
import textwrap
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from dljax.errors import DAMAGED_DATA, UserError
from dljax.reporting.figures import COLOURS, INK, plt
from dljax.studies.study_spec import StudySpec
from dljax.trials.samples import SAID

ROWS = 12  # variants that are shown
COLUMNS = 10  # examples of each
FRAMES = 4  # of a clip, evenly spaced
TEXTS = 6  # examples that are text
MAPS = 3  # of attention
PLANE = "code_plane"  # a picture of what codes stand for

Samples = Mapping[str, Mapping[str, np.ndarray]]


def read(directory: pathlib.Path, spec: StudySpec) -> Samples:
    """{variant: samples of its first seed} of the finished trials.

    Raises:
      UserError: a file is damaged.
    """
    samples: dict[str, dict[str, np.ndarray]] = {}
    for variants, path in (
        (entry.variants, directory / entry.name / "samples.npz")
        for entry in spec.trials
    ):
        if path.is_file() and any(variant not in samples for variant in variants):
            arrays = _load(path)
            for i, variant in enumerate(variants):
                # Runs are in order of their variants; the first seed's is shown.
                first = {k: v[i * len(v) // len(variants)] for k, v in arrays.items()}
                samples.setdefault(variant, first)
    return samples


def upright(samples: Samples) -> Samples:
    """Spectrograms (n, frames, bands, 1), and what has their size, as one reads them:
    time to the right, low bands below.
    """

    def turned(sample: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        size = _image(sample).shape[:3]
        return {
            k: np.rot90(v, axes=(1, 2)) if _is_picture(v) or v.shape == size else v
            for k, v in sample.items()
        }

    return {variant: turned(sample) for variant, sample in samples.items()}


def _load(path: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        raise UserError(
            f"{path}: is damaged; without it the report shows no samples", DAMAGED_DATA
        ) from None


def _image(sample: Mapping[str, np.ndarray]) -> np.ndarray:
    return sample.get("image", np.zeros(0))


def _is_picture(array: np.ndarray) -> bool:
    """Whether it is (n, h, w, 1 or 3), or clips of such, (n, frames, h, w, 1 or 3)."""
    return array.ndim in (4, 5) and array.shape[-1] in (1, 3)


def _flat(picture: np.ndarray) -> np.ndarray:
    """(h, w) or (h, w, 3), of a clip a few frames side by side."""
    if picture.ndim == 4:
        chosen = np.linspace(0, len(picture) - 1, FRAMES).round().astype(int)
        picture = np.concatenate(list(picture[chosen]), axis=1)
    return picture.squeeze(-1) if picture.shape[-1] == 1 else picture


def _rows(names: list[str], pictures: list[np.ndarray]):
    """A figure of a row a name, and its axes; pictures[0] has a row's length."""
    count = min(COLUMNS if pictures[0].ndim == 4 else 3, *map(len, pictures))
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


def examples(samples: Samples, classes: list[str]):
    """Test images as each network sees them, with its predictions; None without."""
    told = {k: v for k, v in samples.items() if "prediction" in v}
    shown = {k: v for k, v in told.items() if _is_picture(_image(v))}
    shown = dict(list(shown.items())[:ROWS])
    if not shown:
        return None
    figure, axes = _rows(list(shown), [v["image"] for v in shown.values()])
    for row, sample in zip(axes, shown.values(), strict=True):
        for j, axis in enumerate(row):
            axis.imshow(_flat(sample["image"][j]), cmap="gray", vmin=0, vmax=1)
            answer, right = (int(sample[k][j]) for k in ("prediction", "label"))
            name, true = (
                classes[k] if k < len(classes) else str(k) for k in (answer, right)
            )
            axis.set_title(
                name if answer == right else f"{name} ≠ {true}",
                fontsize=8,
                color=INK if answer == right else COLOURS[1],
                pad=2,
            )
    return figure


def maps(samples: Samples):
    """What networks make of each pixel of the test images: maps (n, h, w) of samples.

    A row of images, and under it one a map, once where all networks have the same, as
    a mask of the batch; None where there are no maps.
    """
    rows: dict[str, np.ndarray] = {}
    for variant, sample in list(samples.items())[:ROWS]:
        others = [other for k, other in samples.items() if k != variant]
        image = _image(sample)
        size = image.shape[:3] if _is_picture(image) else None
        for name in sorted(k for k, v in sample.items() if v.shape == size):
            rows.setdefault("image", image)
            given = all(
                name in s and np.array_equal(s[name], sample[name]) for s in others
            )
            rows[name if given and others else f"{variant}/{name}"] = sample[name]
    if not rows:
        return None
    figure, axes = _rows(list(rows), list(rows.values()))
    for row, pictures in zip(axes, rows.values(), strict=True):
        for picture, axis in zip(pictures, row, strict=False):
            if picture.ndim == 3:
                axis.imshow(_flat(picture), cmap="gray", vmin=0, vmax=1)
            else:
                most = np.abs(picture).max() or 1.0
                axis.imshow(picture, cmap="RdBu_r", vmin=-most, vmax=most)
    return figure


def said(sample: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the source says of a sample, by its title."""
    return {k.removeprefix(SAID): v for k, v in sample.items() if k.startswith(SAID)}


def asked_for(sample: Mapping[str, np.ndarray], classes: list[str]) -> list[str]:
    """The classes that were asked for, if it was of classes."""
    asked = sample.get("target_class", sample.get(f"{SAID}target_class", ()))
    return [classes[i] if i < len(classes) else str(i) for i in map(int, asked)]


def made(samples: Samples, classes: list[str]):
    """Pictures that each network makes, a row a kind, under real ones, with the classes
    that were asked for; None without.
    """
    rows: dict[str, np.ndarray] = {}
    titles: dict[str, list[str]] = {}
    for variant, sample in list(samples.items())[:ROWS]:
        for title, pictures in said(sample).items():
            if _is_picture(pictures) and title != PLANE:
                name = title if title == "real" else f"{variant}\n{title}"
                rows.setdefault(name, pictures)
                if title == "generated":
                    titles[name] = asked_for(sample, classes)
    if not rows:
        return None
    figure, axes = _rows(list(rows), list(rows.values()))
    for row, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(row, pictures, strict=False):
            axis.imshow(_flat(picture), cmap="gray", vmin=0, vmax=1)
        for axis, asked in zip(row, titles.get(name, ()), strict=False):
            axis.set_title(asked, fontsize=8, pad=2)
    return figure


def planes(samples: Samples):
    """What codes stand for, a picture a network; None where there are none."""
    told = {variant: said(sample) for variant, sample in samples.items()}
    shown = {k: its[PLANE][0] for k, its in told.items() if PLANE in its}
    shown = dict(list(shown.items())[:ROWS])
    if not shown:
        return None
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = plt().subplots(
        rows, columns, figsize=(3 * columns, 3.2 * rows), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, picture) in zip(axes.flat, shown.items(), strict=False):
        axis.imshow(_flat(picture), cmap="gray", vmin=0, vmax=1)
        axis.set_title(name, fontsize=9)
    return figure


def attention(samples: Samples):
    """Where the first network that has attention looks, at each piece that it says, in
    a few test examples; None where there is none.
    """
    for sample in samples.values():
        if "attention" in sample and f"{SAID}pieces said" in sample:
            break
    else:
        return None
    figure, axes = plt().subplots(1, MAPS, figsize=(9, 3.4), squeeze=False)
    for i, axis in enumerate(axes[0]):
        read, said = (
            [str(piece) for piece in sample[f"{SAID}pieces {what}"][i]]
            for what in ("read", "said")
        )
        read = read[: max((j + 1 for j, piece in enumerate(read) if piece), default=1)]
        told = next((j for j, piece in enumerate(said) if not piece), len(said))
        said = said[: max(told, 1)]
        weights = sample["attention"][i, : len(said), : len(read)]
        axis.imshow(weights, cmap="Greens", vmin=0, vmax=1, aspect="auto")
        axis.set_xticks(range(len(read)), read, fontsize=6, rotation=90)
        axis.set_yticks(range(len(said)), said, fontsize=6)
        axis.grid(False)
    return figure


def texts(samples: Samples) -> list[dict[str, Any]]:
    """What samples say: of each example what all networks share, and what each says.

    Returns:
      [{"shared": {title: text}, "said": {variant: text}}], empty where nothing is said.
    """
    told = {
        variant: {
            k: v for k, v in said(sample).items() if v.dtype.kind == "U" and v.ndim == 1
        }
        for variant, sample in list(samples.items())[:ROWS]
    }
    told = {variant: its for variant, its in told.items() if its}
    if not told:
        return []
    shared = dict(next(iter(told.values())))
    shared.pop("said", None)
    count = min(TEXTS, *(len(v) for its in told.values() for v in its.values()))
    return [
        {
            "shared": {title: str(text[i]) for title, text in shared.items()},
            "said": {
                v: str(its["said"][i]) for v, its in told.items() if "said" in its
            },
        }
        for i in range(count)
    ]
