"""From trial directories to results: values per variant and seed."""

import csv
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dljax.studies import statistics
from dljax.studies.study import Study
from dljax.studies.study_spec import StudySpec
from dljax.trials.disk import read_json
from dljax.trials.manifest import differences
from dljax.trials.metrics_log import Rows, read_rows
from dljax.trials.trial import refuse_changed, status


class Results(NamedTuple):
    """What a study found.

    final: {variant: {seed: {metric: value}}} on test data.
    curves: {variant: rows of metrics.jsonl of the declared seeds}.
    failed: [{"variant", "seed", "step", "metric"}], the first metric that was not
    finite, and where. missing: variants with a trial that is not finished. changed: why
    the trials may not be judged together, or by this rule. notes: what else they differ
    in. manifests: {trial: its manifest}, where it is there and whole.
    """

    spec: StudySpec
    final: dict[str, dict[int, dict[str, float]]]
    curves: dict[str, Rows]
    failed: list[dict[str, Any]]
    missing: list[str]
    changed: list[str]
    notes: list[str]
    manifests: dict[str, dict[str, Any]]

    def values(self, variant: str, metric: str) -> dict[int, float]:
        """{seed: value} of one test metric."""
        found = self.final.get(variant, {})
        return {s: m[metric] for s, m in found.items() if m.get(metric) is not None}

    @property
    def test_train_ratio(self) -> float:
        """What seeds share of their data; see `statistics.interval`."""
        return self.spec.test_train_ratio


def collect(workdir: pathlib.Path, spec: StudySpec, rule_sha256: str) -> Results:
    """Reads the trials that the study's latest declaration names."""
    seeds = set(spec.seeds)
    names = list(spec.variants)
    final: dict[str, dict] = {name: {} for name in names}
    curves: dict[str, Rows] = {name: [] for name in names}
    failed, missing = [], []
    listed = [entry.name for entry in (*spec.trials, *spec.tuning_trials)]
    now = {name: status(workdir / name) for name in listed}
    for entry in spec.trials:
        directory = workdir / entry.name
        refuse_changed(directory, now[entry.name])
        if not now[entry.name].finished:
            missing.append(entry.label)
            continue
        failed += [r for r in now[entry.name].failed if _asked(r, names, seeds)]
        for row in read_rows(directory / "metrics.jsonl"):
            if not _asked(row, names, seeds):
                continue
            variant = row["variant"]
            curves[variant].append(row)
            if row["split"] == "test":
                final[variant][row["seed"]] = {
                    k: v
                    for k, v in row.items()
                    if k not in ("step", "seed", "variant", "split")
                }
    pages = {name: read_json(workdir / name / "manifest.json") for name in listed}
    manifests = {name: page for name, page in pages.items() if isinstance(page, dict)}
    hashes = {"rule_sha256": rule_sha256, "size_sha256": spec.size_sha256}
    changed, notes = _changed([*manifests.values()], hashes), _notes(manifests)
    for name in listed:
        if now[name].finished and "rule_sha256" not in manifests.get(name, {}):
            changed.append(f"{name}/manifest.json, which has its rule, is missing")
    return Results(spec, final, curves, failed, missing, changed, notes, manifests)


def _changed(
    pages: Sequence[Mapping[str, Any]], hashes: Mapping[str, str]
) -> list[str]:
    """What was changed after trials had begun, of their manifests."""
    found = []
    starts = [start for page in pages for start in (page, *page.get("starts", []))]
    what = {
        "rule_sha256": "the rule, or what it decides by,",
        "size_sha256": "the size that it is judged at",
    }
    for name, words in what.items():  # trials of older versions have no size
        if {start[name] for start in starts if start.get(name)} - {hashes[name]}:
            found.append(f"{words} was changed after trials began")
    if len({start["task_sha256"] for start in starts if "task_sha256" in start}) > 1:
        found.append("what the script computes was changed between trials")
    return found


def _notes(manifests: Mapping[str, Mapping[str, Any]]) -> list[str]:
    first, *others = manifests.values() or [{}]
    differ = {
        line.split(" was ")[0] for page in others for line in differences(first, page)
    }
    return [f"The trials differ in {', '.join(sorted(differ))}."] if differ else []


def _asked(row: Mapping[str, Any], names: Sequence[str], seeds: set[int]) -> bool:
    """Whether the declaration asks for a row's run."""
    return row["variant"] in names and row["seed"] in seeds


def effects(study: Study, results: Results) -> list[dict[str, Any]]:
    """What each level of a grid's factors adds to the mean over the grid.

    A row {"factor", "level", "n", "mean", "low", "high"} a level: over the seeds that
    all variants finished, the mean of the variants with that level minus the mean of
    all, and its 95 % interval. None for one factor: there the variants say as much.
    """
    factors = {k: v for k, v in results.spec.factors.items() if len(v) > 1}
    values = {v: results.values(v, study.primary_metric) for v in results.spec.variants}
    shared_seeds = sorted(set.intersection(*(set(v) for v in values.values())))
    if study.design != "grid" or len(factors) < 2 or not shared_seeds:
        return []
    rows = {v: np.array([values[v][s] for s in shared_seeds]) for v in values}
    whole = np.mean(list(rows.values()), 0)
    found = []
    for factor, levels in factors.items():
        for level in levels:
            with_it = [
                rows[v]
                for v, row in results.spec.variants.items()
                if row[factor] == level
            ]
            told = statistics.interval(
                np.mean(with_it, 0) - whole, test_train_ratio=results.test_train_ratio
            )
            found.append({"factor": factor, "level": level} | told._asdict())
    return found


def final_metrics(results: Results) -> list[dict[str, Any]]:
    """Every test metric, in the order of measuring: {"metric", "variants": [{"variant",
    "n", "mean", "ci_low", "ci_high"}]}, with the 95 % interval of the mean.
    """
    runs = [its for seeds in results.final.values() for its in seeds.values()]
    found = []
    for metric in dict.fromkeys(name for its in runs for name in its):
        rows = []
        for variant in results.final:
            values = list(results.values(variant, metric).values())
            n, mean, low, high = statistics.interval(
                values, test_train_ratio=results.test_train_ratio
            )
            row = {"mean": mean if n else None, "ci_low": low, "ci_high": high}
            rows.append({"variant": variant, "n": n, **row})
        found.append({"metric": metric, "variants": rows})
    return found


def write_csv(path: pathlib.Path, results: Results) -> None:
    """results.csv: variant, a column a factor, seed, metric, value."""
    factors = list(results.spec.factors)
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["variant", *factors, "seed", "metric", "value"])
        for variant, levels in results.spec.variants.items():
            for seed, metrics in sorted(results.final[variant].items()):
                for metric, value in sorted(metrics.items()):
                    shown = "" if value is None else repr(value)
                    cells = [levels[name] for name in factors]
                    out.writerow([variant, *cells, seed, metric, shown])
