"""Collects the results of a study from its trials: values per variant and seed."""

import csv
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dljax.studies import statistics
from dljax.studies.study import Study
from dljax.studies.study_spec import StudySpec
from dljax.trials.disk import read_json
from dljax.trials.manifest import differences
from dljax.trials.metrics_log import Rows, read_rows
from dljax.trials.trial import Status, refuse_changed, status

ROW_KEYS = ("step", "seed", "variant", "split")  # keys of metrics.jsonl; not metrics


@dataclasses.dataclass(frozen=True)
class FailedRun:
    """A run that stopped because a metric was not finite.

    step: the step at which it stopped. metric: the first metric that was not finite.
    """

    variant: str
    seed: int
    step: int
    metric: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """The metrics of a study's finished trials, and reasons against a verdict.

    final: {variant: {seed: {metric: value}}} on test data; None if not finite.
    curves: {variant: rows of metrics.jsonl of the declared seeds}.
    failed: the failed runs.
    unfinished: the labels of unfinished trials.
    changed: changes of the rule, the size or the script since trials started; each
      is a reason against a verdict.
    notes: sentences on other differences between the trials.
    manifests: {trial: its manifest.json}, without damaged ones.
    """

    spec: StudySpec
    final: Mapping[str, Mapping[int, Mapping[str, float | None]]]
    curves: Mapping[str, Rows]
    failed: tuple[FailedRun, ...]
    unfinished: tuple[str, ...]
    changed: tuple[str, ...]
    notes: tuple[str, ...]
    manifests: Mapping[str, Mapping[str, Any]]

    def values(self, variant: str, metric: str) -> dict[int, float]:
        """Returns {seed: value} of one test metric, without seeds that lack it."""
        return {
            seed: value
            for seed, metrics in self.final.get(variant, {}).items()
            if (value := metrics.get(metric)) is not None
        }

    @property
    def test_train_ratio(self) -> float:
        """Test over training examples if seeds are folds, else 0."""
        return self.spec.test_train_ratio


def collect(workdir: pathlib.Path, spec: StudySpec, rule_sha256: str) -> Results:
    """Reads the results of the trials that a study spec lists.

    Args:
      workdir: the study's directory.
      rule_sha256: the hash of the experiment's current rule.

    Raises:
      UserError: the metrics of a finished trial were changed or removed.
    """
    seeds = set(spec.seeds)
    final: dict[str, dict[int, Mapping]] = {variant: {} for variant in spec.variants}
    curves: dict[str, Rows] = {variant: [] for variant in spec.variants}
    failed: list[FailedRun] = []
    unfinished: list[str] = []

    def is_declared(row: Mapping[str, Any]) -> bool:
        return row["variant"] in final and row["seed"] in seeds

    trials = [entry.name for entry in (*spec.trials, *spec.tuning_trials)]
    statuses = {name: status(workdir / name) for name in trials}
    for entry in spec.trials:
        directory = workdir / entry.name
        refuse_changed(directory, statuses[entry.name])
        if not statuses[entry.name].finished:
            unfinished.append(entry.label)
            continue
        failed += [
            FailedRun(**run) for run in statuses[entry.name].failed if is_declared(run)
        ]
        for row in filter(is_declared, read_rows(directory / "metrics.jsonl")):
            curves[row["variant"]].append(row)
            if row["split"] == "test":
                metrics = {k: v for k, v in row.items() if k not in ROW_KEYS}
                final[row["variant"]][row["seed"]] = metrics
    manifests = _read_manifests(workdir, trials)
    return Results(
        spec=spec,
        final=final,
        curves=curves,
        failed=tuple(failed),
        unfinished=tuple(unfinished),
        changed=_changed(spec, rule_sha256, manifests, statuses),
        notes=_notes(manifests),
        manifests=manifests,
    )


def _read_manifests(
    workdir: pathlib.Path, trials: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Returns {trial: its manifest.json}, without missing or damaged ones."""
    manifests = {name: read_json(workdir / name / "manifest.json") for name in trials}
    return {name: m for name, m in manifests.items() if isinstance(m, dict)}


def _changed(
    spec: StudySpec,
    rule_sha256: str,
    manifests: Mapping[str, Mapping[str, Any]],
    statuses: Mapping[str, Status],
) -> tuple[str, ...]:
    """Lists changes since trials started, and missing manifests."""
    reasons = []
    starts = [start for m in manifests.values() for start in (m, *m.get("starts", []))]
    for key, expected, words in (
        ("rule_sha256", rule_sha256, "the decision rule, or what it depends on,"),
        ("size_sha256", spec.size_sha256, "the size required for a verdict"),
    ):
        if {start[key] for start in starts if start.get(key)} - {expected}:
            reasons.append(f"{words} changed after trials had started")
    if len({start["task_sha256"] for start in starts if "task_sha256" in start}) > 1:
        reasons.append("the code of the experiment's script changed between trials")
    for name, now in statuses.items():
        if now.finished and "rule_sha256" not in manifests.get(name, {}):
            reasons.append(f"{name}/manifest.json, which records the rule, is missing")
    return tuple(reasons)


def _notes(manifests: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Returns a sentence on versions, cores and devices that differ between trials."""
    first, *others = manifests.values() or [{}]
    names = {
        line.split(" was ")[0] for other in others for line in differences(first, other)
    }
    if not names:
        return ()
    return (f"The environments of the trials differ in {', '.join(sorted(names))}.",)


@dataclasses.dataclass(frozen=True)
class Effect:
    """The main effect of a factor's level.

    n: the number of seeds. mean: the mean over variants with this level minus the mean
    over all variants of the grid. low, high: its 95 % interval, None if n < 2.
    """

    factor: str
    level: Any
    n: int
    mean: float
    low: float | None
    high: float | None


def effects(study: Study, results: Results) -> tuple[Effect, ...]:
    """Computes the main effect of each level of a grid's factors.

    Uses the seeds that all variants finished. Empty for fewer than two factors, where
    the variants are the levels.
    """
    variants = results.spec.variants
    factors = {k: v for k, v in results.spec.factors.items() if len(v) > 1}
    values = {v: results.values(v, study.primary_metric) for v in variants}
    seeds = sorted(set.intersection(*(set(v) for v in values.values())))
    if study.design != "grid" or len(factors) < 2 or not seeds:
        return ()
    rows = {v: np.array([values[v][seed] for seed in seeds]) for v in values}
    grid_mean = np.mean(list(rows.values()), 0)
    levels = [(factor, level) for factor, v in factors.items() for level in v]
    table = []
    for factor, level in levels:
        with_level = [rows[v] for v, row in variants.items() if row[factor] == level]
        interval = statistics.interval(
            np.mean(with_level, 0) - grid_mean,
            test_train_ratio=results.test_train_ratio,
        )
        table.append(Effect(factor, level, *interval))
    return tuple(table)


@dataclasses.dataclass(frozen=True)
class VariantMean:
    """The mean of a metric over a variant's n seeds, and its 95 % interval."""

    variant: str
    n: int
    mean: float | None
    ci_low: float | None
    ci_high: float | None


@dataclasses.dataclass(frozen=True)
class MetricMeans:
    """One test metric of all variants."""

    metric: str
    variants: tuple[VariantMean, ...]


def final_metrics(results: Results) -> tuple[MetricMeans, ...]:
    """Computes the means of all test metrics, in the order of metrics.jsonl."""
    runs = [metrics for seeds in results.final.values() for metrics in seeds.values()]
    names = dict.fromkeys(name for metrics in runs for name in metrics)

    def mean(variant: str, metric: str) -> VariantMean:
        n, mean, low, high = statistics.interval(
            list(results.values(variant, metric).values()),
            test_train_ratio=results.test_train_ratio,
        )
        return VariantMean(variant, n, mean if n else None, low, high)

    return tuple(
        MetricMeans(name, tuple(mean(variant, name) for variant in results.final))
        for name in names
    )


def write_csv(path: pathlib.Path, results: Results) -> None:
    """Writes results.csv: variant, one column per factor, seed, metric, value."""
    factors = list(results.spec.factors)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["variant", *factors, "seed", "metric", "value"])
        for variant, levels in results.spec.variants.items():
            for seed, metrics in sorted(results.final[variant].items()):
                for metric, value in sorted(metrics.items()):
                    cells = [levels[name] for name in factors]
                    text = "" if value is None else repr(value)
                    writer.writerow([variant, *cells, seed, metric, text])
