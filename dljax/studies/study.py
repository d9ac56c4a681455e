"""What a study is: a claim, its factors, and the rule that decides, written before."""

import hashlib
import inspect
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dljax.errors import Refusal, nearest

DESIGNS = ("grid", "one_at_a_time")
SELECTIONS = ("final", "best_valid")
VERDICTS = ("supported", "refuted", "undecided")


class Study(NamedTuple):
    """A question, declared.

    claim: the sentence that is tested.
    factors: {field of the config: levels}.
    design: which of their combinations are variants: "grid", all of them;
      "one_at_a_time", the first levels and each other level alone; or a list of
      {factor: level}.
    array: numeric fields that are an array axis beside the seeds, in one compiled
      program, where they are factors or tuned; `task` is given them traced.
    tune: {field: candidates}: every variant gets all their combinations, each with
      `tune_seeds` seeds that no verdict uses, and keeps the best by the measure on
      validation data.
    measure: the name of the test metric that decides, and `higher` whether more of it
      is better.
    contrasts: {name: (a, b)}: what is compared, each side a variant or a difference of
      variants ("cnn/raw - mlp/raw"); paired by seed, a minus b.
    rule: called with one `statistics.Comparison` per contrast, by name; returns one of
      `VERDICTS`. Its docstring says the same in words.
    sizes, full: {data set: {field: value}}: defaults of a data set, and of its full
      size on top of them.
    looks: the numbers of seeds at which the study may be judged, if at several; each
      look has an equal share of the error.
    select: which state of a run is tested: the "final" one, or "best_valid", its best
      by the measure on validation data.
    smoke: {field: value} for --smoke.
    sufficient: {data set: why its default size decides as well as a full one}.
    """

    claim: str
    factors: Mapping[str, tuple[Any, ...]]
    measure: str
    contrasts: Mapping[str, tuple[str, str]]
    rule: Callable[..., str]
    design: str | Sequence[Mapping[str, Any]] = "grid"
    array: Sequence[str] = ()
    tune: Mapping[str, Sequence[Any]] = {}
    tune_seeds: int = 3
    looks: Sequence[int] = ()
    higher: bool = True
    select: str = "final"
    sizes: Mapping[str, Mapping[str, Any]] = {}
    full: Mapping[str, Mapping[str, Any]] = {}
    smoke: Mapping[str, Any] = {}
    sufficient: Mapping[str, str] = {}

    @property
    def best_by(self) -> tuple[str, bool] | None:
        """(metric, higher is better) of `best_valid`, None for `final`."""
        return None if self.select == "final" else (self.measure, self.higher)

    def defaults(self, given: Mapping[str, Any], dataset: str) -> dict[str, Any]:
        """The defaults for a command line that sets the fields `given`."""
        dataset = given.get("dataset", dataset)
        values = dict(self.sizes.get(dataset, {}))
        if given.get("full"):
            values |= self.full.get(dataset, {})
        if given.get("smoke"):
            values |= self.smoke
        return values


def check(study: Study, fields: Mapping[str, type]) -> None:
    """Refuses a declaration that cannot be meant; `fields`: of the config.

    Raises:
      Refusal: names the part of STUDY and what is wrong with it.
    """
    named = {"factors": study.factors, "array": study.array, "tune": study.tune}
    for part, names in named.items():
        for name in names:
            if name not in fields:
                near = nearest(name, fields)
                hint = f"; did you mean {near}?" if near else ""
                raise Refusal(f"STUDY.{part}: Config has no field {name}{hint}")
    for name in study.array:
        if fields[name] is not float:
            raise Refusal(f"STUDY.array: {name} is not a float, and cannot be traced")
    if both := study.factors.keys() & study.tune.keys():
        raise Refusal(f"STUDY.tune: {', '.join(sorted(both))} is a factor already")
    if list(study.looks) != sorted(set(study.looks)):
        raise Refusal("STUDY.looks: numbers of seeds, each more than the one before")
    if study.select not in SELECTIONS:
        raise Refusal(f"STUDY.select: must be one of {', '.join(SELECTIONS)}")
    if isinstance(study.design, str) and study.design not in DESIGNS:
        raise Refusal(
            f"STUDY.design: must be one of {', '.join(DESIGNS)}, or a list of variants"
        )
    try:
        inspect.signature(study.rule).bind(**study.contrasts)
    except TypeError as error:
        raise Refusal(
            f"STUDY.rule: is called with the contrasts {', '.join(study.contrasts)}, "
            f"by name; {error}"
        ) from None
    sizes = [*study.sizes.values(), *study.full.values(), study.smoke]
    if any(name in study.factors for size in sizes for name in size):
        return  # which variants there are depends on the data set
    known = variants(study.factors, study.design)
    for contrast, sides in study.contrasts.items():
        for _, variant in (term for side in sides for term in terms(side)):
            if variant not in known:
                near = nearest(variant, known)
                hint = f"did you mean {near}? " if near else ""
                raise Refusal(
                    f"STUDY.contrasts: {contrast} has no variant {variant}; {hint}"
                    f"variants are {', '.join(known)}"
                )


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


def terms(side: str) -> list[tuple[int, str]]:
    """The variants of one side of a contrast, and their signs: "x - y"."""
    first, *rest = side.split(" - ")
    return [(1, first.strip())] + [(-1, name.strip()) for name in rest]


def rule_text(study: Study) -> str:
    """The rule as it is written, with what it compares."""
    compared = "\n".join(
        f"{k} = ({a}) - ({b})" for k, (a, b) in study.contrasts.items()
    )
    return f"{compared}\n\n{inspect.getsource(study.rule)}"


def rule_words(study: Study) -> str:
    """The rule in words: its docstring, on one line."""
    return " ".join((inspect.getdoc(study.rule) or "").split())


def rule_hash(study: Study) -> str:
    """A hash of the claim, the measure, the selection, the looks and the rule."""
    said = [study.claim, study.measure, study.higher, study.select, rule_text(study)]
    if study.looks:
        said.append(list(study.looks))
    text = json.dumps(said)
    return hashlib.sha256(text.encode()).hexdigest()
