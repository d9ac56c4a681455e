"""The declaration of a study: claim, factors, contrasts and decision rule."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

DESIGNS = ("grid", "one_at_a_time")
SELECTIONS = ("final", "best_valid")
VERDICTS = ("supported", "refuted", "undecided")


@dataclasses.dataclass(frozen=True)
class Term:
    """A test metric of a variant. metric: "" for the metric of the contrast."""

    variant: str
    metric: str = ""

    def __str__(self) -> str:
        return f"{self.variant}@{self.metric}" if self.metric else self.variant


@dataclasses.dataclass(frozen=True)
class Difference:
    """A term minus one or more other terms."""

    minuend: Term
    subtrahends: tuple[Term, ...]

    def __str__(self) -> str:
        return " - ".join(map(str, (self.minuend, *self.subtrahends)))


Side = Term | Difference | float


@dataclasses.dataclass(frozen=True)
class Contrast:
    """The comparison a minus b, paired by seed.

    a, b: a variant's metric, a difference of metrics, or a number (a known limit).
    metric: the test metric of terms that name none; "" for the primary metric.
    """

    a: Side
    b: Side
    metric: str = ""

    def __str__(self) -> str:
        metric = f" @ {self.metric}" if self.metric else ""
        return f"({self.a}) - ({self.b}){metric}"

    @property
    def terms(self) -> list[tuple[int, Term]]:
        """[(sign, term)] of a - b; the metric "" means the primary metric."""
        minus_b = [(-sign, term) for sign, term in _terms(self.b)]
        return [
            (sign, dataclasses.replace(term, metric=term.metric or self.metric))
            for sign, term in _terms(self.a) + minus_b
        ]

    @property
    def constant(self) -> float:
        """The sum of the numbers in a - b."""
        a = self.a if isinstance(self.a, int | float) else 0
        b = self.b if isinstance(self.b, int | float) else 0
        return a - b

    @property
    def variants(self) -> set[str]:
        """The variants that a and b name."""
        return {term.variant for _, term in self.terms}


def _terms(side: Side) -> list[tuple[int, Term]]:
    """Returns [(sign, term)] of a side; empty for a number."""
    if isinstance(side, Term):
        return [(1, side)]
    if isinstance(side, Difference):
        return [(1, side.minuend), *((-1, term) for term in side.subtrahends)]
    return []


ShortContrast = tuple[str | float, str | float]


def parse_contrast(contrast: Contrast | ShortContrast) -> Contrast:
    """Parses the short form (a, b) of a contrast; see `parse_side`."""
    if isinstance(contrast, Contrast):
        return contrast
    a, b = contrast
    return Contrast(parse_side(a), parse_side(b))


def parse_side(text: str | float) -> Side:
    """Parses a side of a contrast: "variant", "variant@metric", "x - y" or a number."""
    if not isinstance(text, str):
        return text
    parts = [part.strip().partition("@") for part in text.split(" - ")]
    first, *others = (Term(variant, metric) for variant, _, metric in parts)
    return Difference(first, tuple(others)) if others else first


class Profile(NamedTuple):
    """A figure of test metrics over a number: a severity, a lag or a layer.

    y, x: the labels of the axes. points: {metric: its position on the x axis}.
    """

    y: str
    x: str
    points: Mapping[str, float]


class Study(NamedTuple):
    """The declaration of a study, as STUDY in an experiment's script.

    claim: the sentence that the study tests.
    factors: {field of the config: levels}.
    primary_metric: the test metric that the rule compares by default.
    contrasts: {name: contrast}. The short form of a contrast is (a, b), where each side
      is a variant or a difference of variants ("cnn/raw - mlp/raw") of the primary
      metric or of another test metric ("cnn/raw@train_accuracy"), or a number; see
      `Contrast`.
    rule: the decision rule. Called with one `statistics.Comparison` per contrast, as
      keyword arguments; returns one of `VERDICTS`. The docstring states the rule in
      words.
    design: the combinations of levels that are variants: "grid" for all of them;
      "one_at_a_time" for the first levels and each other level alone; or a list of
      {factor: level}.
    vmapped_factors: fields of type float, factors or tuned, whose levels are an array
      axis of the compiled program, like the seeds; `task` gets them in `numbers`,
      traced.
    tune: {field: candidates}. Each variant is trained with every combination of
      candidates and uses the best by the primary metric on validation data.
    tune_seeds: the number of seeds per candidate; no verdict uses these seeds.
    looks: the numbers of seeds at which a verdict may be given, if more than one; each
      look (interim analysis) uses an equal share of the error.
    higher: whether a higher primary metric is better.
    select: the state of a run that is tested: "final", or "best_valid", the best by the
      primary metric on validation data.
    sizes: {data set: {field: value}}, the defaults for a data set.
    full: {data set: {field: value}}, the defaults with --full, in addition to `sizes`.
    smoke: {field: value}, the defaults with --smoke, in addition to all others.
    default_is_full: {data set: reason why its default size is a full size}. No verdict
      is given on a data set that is neither here nor in `full`.
    profiles: figures of metrics over a number other than the step.
    family: the kind of network; `dljax list` groups experiments by it.
    published: the published number that is reproduced, with its source; "" if none.
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
        """(metric, higher is better) for "best_valid", None for "final"."""
        return None if self.select == "final" else (self.primary_metric, self.higher)

    @property
    def parsed_contrasts(self) -> dict[str, Contrast]:
        """The contrasts, with short forms parsed."""
        return {name: parse_contrast(c) for name, c in self.contrasts.items()}

    def decisive_metrics(self, variants: Iterable[str]) -> tuple[str, ...]:
        """Lists the test metrics of these variants that the verdict depends on."""
        names = set(variants)
        compared = [
            term.metric
            for contrast in self.parsed_contrasts.values()
            for _, term in contrast.terms
            if term.metric and term.variant in names
        ]
        return tuple(dict.fromkeys([self.primary_metric, *compared]))

    def uncompared(self, variants: Iterable[str]) -> list[str]:
        """Lists the contrasts that name a variant other than these."""
        names = set(variants)
        return [k for k, c in self.parsed_contrasts.items() if c.variants - names]

    def defaults(self, explicit: Mapping[str, Any], dataset: str) -> dict[str, Any]:
        """Returns {field: default} for a command line.

        Args:
          explicit: {field set by the command line: value}.
          dataset: the data set if the command line sets none.
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
    """Returns the variants, {"cnn/raw": {"network": "cnn", "pixels": "raw"}, ...}.

    Args:
      factors: {factor: levels} of the command line; rows of a listed design that have
        other levels are left out.
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
    """Returns a variant's name: its levels, in the order of the factors."""
    return "/".join(str(levels[name]) for name in factors)
