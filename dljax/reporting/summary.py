"""The content of report.json as a record."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dljax.studies.results import (
    Effect,
    FailedRun,
    MetricMeans,
    Results,
    VariantMean,
    effects,
    final_metrics,
)
from dljax.studies.rule import rule_hash, rule_words
from dljax.studies.statistics import Comparison, summarise
from dljax.studies.study import Study
from dljax.studies.tuning import TunedCandidate
from dljax.studies.verdict import decide


@dataclasses.dataclass(frozen=True)
class VariantSummary:
    """Statistics of the primary metric of one variant; see `statistics.Summary`."""

    variant: str
    n: int
    mean: float | None
    sd: float | None
    median: float | None
    ci_low: float | None
    ci_high: float | None
    bca_low: float | None
    bca_high: float | None
    solved: tuple[float, float, float] | None


@dataclasses.dataclass(frozen=True)
class ContrastSummary:
    """One contrast, a minus b; see `statistics.Comparison`.

    simultaneous_low, simultaneous_high: the simultaneous interval.
    in_noise: whether the difference is not significant.
    """

    name: str
    a: str
    b: str
    n: int
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    effect: float | None
    p: float | None
    seeds_for_power: int | None
    test_train_ratio: float
    p_adjusted: float | None
    alpha: float
    needed: int
    simultaneous_low: float | None
    simultaneous_high: float | None
    in_noise: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudySummary:
    """The content of report.json.

    study: the experiment's name. rule: the decision rule in words.
    why: the reason why no verdict is given, or "".
    smoke: whether this is a reduced study, at a size that gives no verdict.
    variants: statistics of the primary metric. metrics: means of all test metrics.
    comparisons: the contrasts. effects: the main effects of a grid's levels.
    notes: sentences on differences between the trials' environments.
    failed: the failed runs. tuning: all candidates, with the chosen ones.
    """

    study: str
    claim: str
    rule: str
    rule_sha256: str
    verdict: str
    why: str
    primary_metric: str
    dataset: str
    smoke: bool
    variants: tuple[VariantSummary, ...]
    metrics: tuple[MetricMeans, ...]
    comparisons: tuple[ContrastSummary, ...]
    notes: tuple[str, ...]
    effects: tuple[Effect, ...]
    failed: tuple[FailedRun, ...]
    tuning: tuple[TunedCandidate, ...]


def summarise_study(
    name: str,
    study: Study,
    results: Results,
    comparisons: Mapping[str, Comparison],
    tuning: Sequence[TunedCandidate] = (),
) -> StudySummary:
    """Summarises the results of a study and applies its rule.

    Args:
      name: the experiment's name.
      comparisons: {contrast: comparison}, as `verdict.comparisons` returns.
      tuning: as `tuning.scores` returns.
    """
    decision, why = decide(study, results, comparisons)
    return StudySummary(
        study=name,
        claim=study.claim,
        rule=rule_words(study),
        rule_sha256=rule_hash(study),
        verdict=decision,
        why=why,
        primary_metric=study.primary_metric,
        dataset=results.spec.dataset,
        smoke=bool(results.spec.not_judged_because),
        variants=tuple(
            summarise_variant(results, variant, study.primary_metric)
            for variant in results.final
        ),
        metrics=final_metrics(results),
        comparisons=tuple(
            summarise_contrast(contrast, c) for contrast, c in comparisons.items()
        ),
        notes=results.notes,
        effects=effects(study, results),
        failed=results.failed,
        tuning=tuple(tuning),
    )


def summarise_variant(results: Results, variant: str, metric: str) -> VariantSummary:
    """Summarises a metric of one variant over its seeds."""
    values = list(results.values(variant, metric).values())
    summary = summarise(values, test_train_ratio=results.test_train_ratio)
    return VariantSummary(variant, **summary._asdict())


def summarise_contrast(name: str, c: Comparison) -> ContrastSummary:
    """Summarises a comparison: its simultaneous interval replaces its differences."""
    fields = {k: v for k, v in c._asdict().items() if k != "differences"}
    _, _, low, high = c.simultaneous_ci
    fields |= {
        "difference": None if math.isnan(c.difference) else c.difference,
        "simultaneous_low": low,
        "simultaneous_high": high,
        "in_noise": c.in_noise,
    }
    return ContrastSummary(name, **fields)


def to_json(summary: StudySummary) -> dict[str, Any]:
    """Converts a summary to JSON values."""
    return dataclasses.asdict(summary)


def from_json(values: Mapping[str, Any]) -> StudySummary:
    """Converts JSON values to a summary, the inverse of `to_json`.

    Raises:
      KeyError, TypeError: a field is missing, unknown or of another type.
    """
    metrics = tuple(
        MetricMeans(row["metric"], tuple(VariantMean(**v) for v in row["variants"]))
        for row in values["metrics"]
    )
    return StudySummary(
        **{
            **values,
            "variants": tuple(VariantSummary(**row) for row in values["variants"]),
            "metrics": metrics,
            "comparisons": tuple(
                ContrastSummary(**row) for row in values["comparisons"]
            ),
            "notes": tuple(values["notes"]),
            "effects": tuple(Effect(**row) for row in values["effects"]),
            "failed": tuple(FailedRun(**row) for row in values["failed"]),
            "tuning": tuple(TunedCandidate(**row) for row in values["tuning"]),
        }
    )
