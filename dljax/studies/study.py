"""What a study is: a claim, its factors, and the rule that decides, written before."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

DESIGNS = ("grid", "one_at_a_time")
SELECTIONS = ("final", "best_valid")
VERDICTS = ("supported", "refuted", "undecided")


@dataclasses.dataclass(frozen=True)
class Term:
    """A test metric of a variant. metric: "" for the contrast's."""

    variant: str
    metric: str = ""

    def __str__(self) -> str:
        return f"{self.variant}@{self.metric}" if self.metric else self.variant


@dataclasses.dataclass(frozen=True)
class Difference:
    """A term minus others."""

    minuend: Term
    subtrahends: tuple[Term, ...]

    def __str__(self) -> str:
        return " - ".join(map(str, (self.minuend, *self.subtrahends)))


Side = Term | Difference | float


@dataclasses.dataclass(frozen=True)
class Contrast:
    """What is compared: a minus b, paired by seed.

    a, b: a variant's metric, a difference of them, or a number (a known limit).
    metric: the test metric of the terms that name none; "" for the primary metric.
    """

    a: Side
    b: Side
    metric: str = ""

    def __str__(self) -> str:
        metric = f" @ {self.metric}" if self.metric else ""
        return f"({self.a}) - ({self.b}){metric}"

    @property
    def terms(self) -> list[tuple[int, Term]]:
        """[(sign, term)] of a - b; a term's metric is "" for the primary metric."""
        minus_b = [(-sign, term) for sign, term in _terms(self.b)]
        return [
            (sign, dataclasses.replace(term, metric=term.metric or self.metric))
            for sign, term in _terms(self.a) + minus_b
        ]

    @property
    def constant(self) -> float:
        """The numbers of a - b."""
        a = self.a if isinstance(self.a, int | float) else 0
        b = self.b if isinstance(self.b, int | float) else 0
        return a - b

    @property
    def variants(self) -> set[str]:
        """The variants that are compared."""
        return {term.variant for _, term in self.terms}


def _terms(side: Side) -> list[tuple[int, Term]]:
    """[(sign, term)] of a side; none of a number."""
    if isinstance(side, Term):
        return [(1, side)]
    if isinstance(side, Difference):
        return [(1, side.minuend), *((-1, term) for term in side.subtrahends)]
    return []


ShortContrast = tuple[str | float, str | float]


def parse_contrast(contrast: Contrast | ShortContrast) -> Contrast:
    """The contrast of a short form, (a, b): each side "x@metric - y", or a number."""
    if isinstance(contrast, Contrast):
        return contrast
    a, b = contrast
    return Contrast(parse_side(a), parse_side(b))


def parse_side(text: str | float) -> Side:
    """A side of a contrast: "variant", "variant@metric", "x - y", or a number."""
    if not isinstance(text, str):
        return text
    parts = [part.strip().partition("@") for part in text.split(" - ")]
    first, *others = (Term(variant, metric) for variant, _, metric in parts)
    return Difference(first, tuple(others)) if others else first


class Profile(NamedTuple):
    """Test metrics over a number that is not the update: a severity, a lag, a layer.

    y, x: the labels of the axes. points: {metric: its place on the x axis}.
    """

    y: str
    x: str
    points: Mapping[str, float]


class Study(NamedTuple):
    """A question, declared.

    claim: the sentence that is tested.
    family: the kind of networks that it is about; `dljax list` groups by it.
    published: the number, and its source, that is computed again; "" where none is.
    factors: {field of the config: levels}.
    design: which of their combinations are variants: "grid", all of them;
      "one_at_a_time", the first levels and each other level alone; or a list of
      {factor: level}.
    vmapped_factors: numeric fields that are an array axis beside the seeds, in one
      compiled program, where they are factors or tuned; `task` gets them traced.
    tune: {field: candidates}: every variant gets all their combinations, each with
      `tune_seeds` seeds that no verdict uses, and keeps the best by the measure on
      validation data.
    primary_metric: the name of the test metric that decides, and `higher` whether more
      of it is better.
    contrasts: {name: contrast}, or in short {name: (a, b)}, each side a variant or a
      difference of variants ("cnn/raw - mlp/raw") of the primary metric or of another
      test metric ("cnn/raw@train_accuracy"), or a number; see `Contrast`.
    rule: called with one `statistics.Comparison` per contrast, by name; returns one of
      `VERDICTS`. Its docstring says the same in words.
    sizes, full: {data set: {field: value}}: defaults of a data set, and of its full
      size on top of them.
    looks: the numbers of seeds at which the study may be judged, if at several; each
      look has an equal share of the error.
    select: which state of a run is tested: the "final" one, or "best_valid", its best
      by the measure on validation data.
    smoke: {field: value} for --smoke.
    default_is_full: {data set: why its default size decides as well as a full one}. A
      data set that is neither here nor in `full` is not judged.
    profiles: pictures of metrics over something else than the update.
    """

    claim: str
    factors: Mapping[str, tuple[Any, ...]]
    primary_metric: str
    contrasts: Mapping[str, Contrast | ShortContrast]
    rule: Callable[..., str]
    design: str | Sequence[Mapping[str, Any]] = "grid"
    vmapped_factors: Sequence[str] = ()
    tune: Mapping[str, Sequence[Any]] = {}
    tune_seeds: int = 3
    looks: Sequence[int] = ()
    higher: bool = True
    select: str = "final"
    sizes: Mapping[str, Mapping[str, Any]] = {}
    full: Mapping[str, Mapping[str, Any]] = {}
    smoke: Mapping[str, Any] = {}
    default_is_full: Mapping[str, str] = {}
    profiles: Sequence[Profile] = ()
    family: str = ""
    published: str = ""

    @property
    def best_by(self) -> tuple[str, bool] | None:
        """(metric, higher is better) of `best_valid`, None for `final`."""
        return None if self.select == "final" else (self.primary_metric, self.higher)

    @property
    def parsed_contrasts(self) -> dict[str, Contrast]:
        """The contrasts as values; `check_study` parses those in short form."""
        return {name: parse_contrast(c) for name, c in self.contrasts.items()}

    def decisive_metrics(self, variants: Iterable[str]) -> tuple[str, ...]:
        """The test metrics of these variants that the verdict depends on."""
        names = set(variants)
        compared = [
            term.metric
            for contrast in self.parsed_contrasts.values()
            for _, term in contrast.terms
            if term.metric and term.variant in names
        ]
        return tuple(dict.fromkeys([self.primary_metric, *compared]))

    def uncompared(self, variants: Iterable[str]) -> list[str]:
        """The contrasts that need other variants than these."""
        names = set(variants)
        return [k for k, c in self.parsed_contrasts.items() if c.variants - names]

    def defaults(self, explicit: Mapping[str, Any], dataset: str) -> dict[str, Any]:
        """The defaults for a command line.

        Args:
          explicit: {field that the command line sets: value}.
          dataset: where it sets none.
        """
        dataset = explicit.get("dataset", dataset)
        values = dict(self.sizes.get(dataset, {}))
        if explicit.get("full"):
            values |= self.full.get(dataset, {})
        if explicit.get("smoke"):
            values |= self.smoke
        return values


def variants(
    factors: Mapping[str, Sequence[Any]],
    design: str | Sequence[Mapping[str, Any]] = "grid",
) -> dict[str, dict[str, Any]]:
    """{"cnn/raw": {"network": "cnn", "pixels": "raw"}, ...}, in order of the levels.

    Args:
      factors: {factor: levels} of the request; listed rows with others are left out.
      design: see `Study`.
    """
    names = list(factors)
    grid = [
        dict(zip(names, r, strict=True)) for r in itertools.product(*factors.values())
    ]
    if design == "one_at_a_time":
        first = {name: levels[0] for name, levels in factors.items()}
        rows = [row for row in grid if sum(row[k] != first[k] for k in names) <= 1]
    elif design == "grid":
        rows = grid
    else:
        assert not isinstance(design, str), design
        rows = [dict(row) for row in design if dict(row) in grid]
    return {name_of(row, names): row for row in rows}


def name_of(levels: Mapping[str, Any], factors: Iterable[str]) -> str:
    """A variant's name: its levels, in the factors' order."""
    return "/".join(str(levels[name]) for name in factors)
