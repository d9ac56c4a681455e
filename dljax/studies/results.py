"""From trial directories to results: values per variant and seed, and a verdict."""

import csv
import pathlib
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dljax.errors import Refusal
from dljax.runs.log import Rows, read_rows
from dljax.runs.trial import refuse_changed, status
from dljax.studies import statistics
from dljax.studies.study import (
    VERDICTS,
    Study,
    rule_hash,
    rule_words,
    terms,
)


class Results(NamedTuple):
    """What a study found.

    final: {variant: {seed: {metric: value}}} on test data.
    curves: {variant: rows of metrics.jsonl of the declared seeds}.
    failed: [{"variant", "seed", "step", "metric"}], the first metric that was not
    finite, and where. missing: variants with a trial that is not finished.
    """

    declared: Mapping[str, Any]
    final: dict[str, dict[int, dict[str, float]]]
    curves: dict[str, Rows]
    failed: list[dict[str, Any]]
    missing: list[str]

    def values(self, variant: str, metric: str) -> dict[int, float]:
        """{seed: value} of one test metric."""
        found = self.final.get(variant, {})
        return {s: m[metric] for s, m in found.items() if m.get(metric) is not None}

    @property
    def shared(self) -> float:
        """What seeds share of their data; see `statistics.interval`."""
        return self.declared["shared"]


def collect(workdir: pathlib.Path, declared: Mapping[str, Any]) -> Results:
    """Reads the trials that the study's latest declaration names."""
    seeds = set(declared["seeds"])
    names = [name for name, _ in declared["variants"]]
    final: dict[str, dict] = {name: {} for name in names}
    curves: dict[str, Rows] = {name: [] for name in names}
    failed, missing = [], []
    for label, trial, _ in declared["trials"]:
        directory = workdir / trial
        now = status(directory)
        refuse_changed(directory, now)
        if not now.finished:
            missing.append(label)
            continue
        failed += [r for r in now.failed if _asked(r, names, seeds)]
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
    return Results(declared, final, curves, failed, missing)


def _asked(row: Mapping[str, Any], names: Sequence[str], seeds: set[int]) -> bool:
    """Whether the declaration asks for a row's run."""
    return row["variant"] in names and row["seed"] in seeds


def comparisons(study: Study, results: Results) -> dict[str, statistics.Comparison]:
    """{contrast: comparison}, over the seeds that all of its variants finished."""
    found = {}
    for name, (a, b) in study.contrasts.items():
        signed = terms(a) + [(-sign, variant) for sign, variant in terms(b)]
        values = [(sign, results.values(v, study.measure)) for sign, v in signed]
        shared = sorted(set.intersection(*(set(v) for _, v in values)))
        per_seed = [sum(sign * v[s] for sign, v in values) for s in shared]
        found[name] = statistics.compare(a, b, per_seed, shared=results.shared)
    adjusted = statistics.holm(list(found.values()), looks=len(study.looks) or 1)
    return dict(zip(found, adjusted, strict=True))


def effects(study: Study, results: Results) -> list[dict[str, Any]]:
    """What each level of a grid's factors adds to the mean over the grid.

    A row {"factor", "level", "n", "mean", "low", "high"} a level: over the seeds that
    all variants finished, the mean of the variants with that level minus the mean of
    all, and its 95 % interval. None for one factor: there the variants say as much.
    """
    declared = results.declared
    factors = {k: v for k, v in declared["factors"].items() if len(v) > 1}
    values = {v: results.values(v, study.measure) for v, _ in declared["variants"]}
    shared_seeds = sorted(set.intersection(*(set(v) for v in values.values())))
    if study.design != "grid" or len(factors) < 2 or not shared_seeds:
        return []
    rows = {v: np.array([values[v][s] for s in shared_seeds]) for v in values}
    whole = np.mean(list(rows.values()), 0)
    found = []
    for factor, levels in factors.items():
        for level in levels:
            with_it = [
                rows[v] for v, row in declared["variants"] if row[factor] == level
            ]
            told = statistics.interval(
                np.mean(with_it, 0) - whole, shared=results.shared
            )
            found.append({"factor": factor, "level": level} | told._asdict())
    return found


def verdict(
    study: Study, results: Results, compared: Mapping[str, statistics.Comparison]
) -> tuple[str, str]:
    """(verdict, why it is not the rule's, or "")."""
    declared = results.declared
    if results.missing:
        return "undecided", f"unfinished: {', '.join(sorted(set(results.missing)))}"
    why = []
    if results.failed:
        runs = ", ".join(f"{r['variant']} seed {r['seed']}" for r in results.failed)
        why.append(f"failed runs: {runs}")
    if declared["reduced"]:
        why.append(f"reduced: {declared['reduced']}")
    few = [c for c in compared.values() if not c.decides]
    if few and not why:
        why.append(
            f"descriptive: {few[0].n} seeds, and {len(compared)} comparisons need "
            f"{few[0].needed}"
        )
    if why:
        return "undecided", "; ".join(why)
    try:
        decided = study.rule(**compared)
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        raise Refusal(
            f"STUDY.rule: {type(error).__name__}: {error} ({line.filename}:"
            f"{line.lineno}); all trials are kept: mend it and give the command again"
        ) from None
    if decided not in VERDICTS:
        raise Refusal(
            f"STUDY.rule: returned {decided!r}, not one of {', '.join(VERDICTS)}; all "
            "trials are kept: mend it and give the command again"
        )
    return decided, ""


def write_csv(path: pathlib.Path, results: Results) -> None:
    """results.csv: variant, a column a factor, seed, metric, value."""
    factors = list(results.declared["factors"])
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["variant", *factors, "seed", "metric", "value"])
        for variant, levels in results.declared["variants"]:
            for seed, metrics in sorted(results.final[variant].items()):
                for metric, value in sorted(metrics.items()):
                    shown = "" if value is None else repr(value)
                    cells = [levels[name] for name in factors]
                    out.writerow([variant, *cells, seed, metric, shown])


def summary(
    study: Study,
    results: Results,
    compared: Mapping[str, statistics.Comparison],
    name: str,
) -> dict[str, Any]:
    """The content of report.json."""
    decided, why = verdict(study, results, compared)
    rows = []
    for variant in results.final:
        values: Sequence[float] = list(results.values(variant, study.measure).values())
        told = statistics.summarise(values, shared=results.shared)
        rows.append({"variant": variant} | told._asdict())
    return {
        "study": name,
        "claim": study.claim,
        "rule": rule_words(study),
        "rule_sha256": rule_hash(study),
        "verdict": decided,
        "why": why,
        "measure": study.measure,
        "dataset": results.declared["dataset"],
        "smoke": bool(results.declared["reduced"]),
        "variants": rows,
        "comparisons": [
            {"name": key} | statistics.described(c) for key, c in compared.items()
        ],
        "effects": effects(study, results),
        "failed": results.failed,
    }
