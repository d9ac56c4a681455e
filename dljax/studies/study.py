"""What a study is: a claim, its factors, and the rule that decides, written before."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

DESIGNS = ("grid", "one_at_a_time")
SELECTIONS = ("final", "best_valid")
VERDICTS = ("supported", "refuted", "undecided")


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
    contrasts: {name: (a, b)}: what is compared, each side a variant or a difference of
      variants ("cnn/raw - mlp/raw"); paired by seed, a minus b. It is the measure that
      is compared, or another test metric: "cnn/raw@train_accuracy". A side may be a
      number, as a limit that is known: ("cnn/raw", 0.9).
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
    contrasts: Mapping[str, tuple[str | float, str | float]]
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

    @property
    def best_by(self) -> tuple[str, bool] | None:
        """(metric, higher is better) of `best_valid`, None for `final`."""
        return None if self.select == "final" else (self.primary_metric, self.higher)

    def measures(self, variants: Iterable[str]) -> tuple[str, ...]:
        """The test metrics of these variants that something is decided by."""
        sides = (side for pair in self.contrasts.values() for side in pair)
        compared = [term for side in sides for term in terms(side)]
        used = [t.metric for t in compared if t.metric and t.variant in set(variants)]
        return tuple(dict.fromkeys([self.primary_metric, *used]))

    def uncompared(self, variants: Iterable[str]) -> list[str]:
        """The contrasts that are of others than these variants."""
        there = set(variants)
        return [
            name
            for name, (a, b) in self.contrasts.items()
            if {t.variant for t in terms(a) + terms(b) if t.number is None} - there
        ]

    def defaults(self, given: Mapping[str, Any], dataset: str) -> dict[str, Any]:
        """The defaults for a command line that sets the fields `given`."""
        dataset = given.get("dataset", dataset)
        values = dict(self.sizes.get(dataset, {}))
        if given.get("full"):
            values |= self.full.get(dataset, {})
        if given.get("smoke"):
            values |= self.smoke
        return values


def variants(
    factors: Mapping[str, Sequence[Any]],
    design: str | Sequence[Mapping[str, Any]] = "grid",
) -> dict[str, dict[str, Any]]:
    """{"cnn/raw": {"network": "cnn", "pixels": "raw"}, ...}, in order of the levels.

    Args:
      factors: {factor: levels} asked for; listed rows with others are left out.
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


class Term(NamedTuple):
    """A part of a contrast: sign times a metric of a variant, or times a number.

    metric: "" for the study's measure. number: where there is no variant.
    """

    sign: int
    variant: str
    metric: str = ""
    number: float | None = None


def terms(side: str | float) -> list[Term]:
    """The parts of one side of a contrast: "x - y@metric", or a number."""
    if not isinstance(side, str):
        return [Term(1, "", number=float(side))]
    first, *rest = (part.strip().partition("@") for part in side.split(" - "))
    return [Term(1, first[0], first[2])] + [Term(-1, v, m) for v, _, m in rest]
