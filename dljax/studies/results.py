"""From trial directories to results: values per variant and seed, and a verdict."""

import collections
import csv
import pathlib
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dljax.errors import Refusal
from dljax.runs.disk import read_json
from dljax.runs.log import Rows, read_rows
from dljax.runs.manifest import differences
from dljax.runs.trial import refuse_changed, status
from dljax.studies import statistics
from dljax.studies.rule import rule_hash, rule_words
from dljax.studies.study import VERDICTS, Study, terms


class Results(NamedTuple):
    """What a study found.

    final: {variant: {seed: {metric: value}}} on test data.
    curves: {variant: rows of metrics.jsonl of the declared seeds}.
    failed: [{"variant", "seed", "step", "metric"}], the first metric that was not
    finite, and where. missing: variants with a trial that is not finished. changed: why
    the trials may not be judged together, or by this rule. notes: what else they differ
    in. manifests: {trial: its manifest}, where it is there and whole.
    """

    declared: Mapping[str, Any]
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
    def shared(self) -> float:
        """What seeds share of their data; see `statistics.interval`."""
        return self.declared["shared"]


def collect(
    workdir: pathlib.Path, declared: Mapping[str, Any], rule_sha256: str
) -> Results:
    """Reads the trials that the study's latest declaration names."""
    seeds = set(declared["seeds"])
    names = [name for name, _ in declared["variants"]]
    final: dict[str, dict] = {name: {} for name in names}
    curves: dict[str, Rows] = {name: [] for name in names}
    failed, missing = [], []
    listed = [name for _, name, _ in (*declared["trials"], *declared["tuning"])]
    now = {name: status(workdir / name) for name in listed}
    for label, trial, _ in declared["trials"]:
        directory = workdir / trial
        refuse_changed(directory, now[trial])
        if not now[trial].finished:
            missing.append(label)
            continue
        failed += [r for r in now[trial].failed if _asked(r, names, seeds)]
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
    hashes = {"rule_sha256": rule_sha256, "size_sha256": declared.get("size_sha256")}
    changed, notes = _changed([*manifests.values()], hashes), _notes(manifests)
    for name in listed:
        if now[name].finished and "rule_sha256" not in manifests.get(name, {}):
            changed.append(f"{name}/manifest.json, which has its rule, is missing")
    return Results(declared, final, curves, failed, missing, changed, notes, manifests)


def _changed(
    pages: Sequence[Mapping[str, Any]], declared: Mapping[str, Any]
) -> list[str]:
    """What was changed after trials had begun, of their manifests."""
    found = []
    starts = [start for page in pages for start in (page, *page.get("starts", []))]
    what = {
        "rule_sha256": "the rule, or what it decides by,",
        "size_sha256": "the size that it is judged at",
    }
    for name, words in what.items():  # trials of older versions have no size
        if {start[name] for start in starts if start.get(name)} - {declared[name]}:
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


def comparisons(study: Study, results: Results) -> dict[str, statistics.Comparison]:
    """{contrast: comparison}, over the seeds that all of its variants finished."""
    found = {}
    for name, (a, b) in study.contrasts.items():
        signed = terms(a) + [t._replace(sign=-t.sign) for t in terms(b)]
        fixed = sum(t.sign * t.number for t in signed if t.number is not None)
        values = [
            (t.sign, results.values(t.variant, t.metric or study.measure))
            for t in signed
            if t.number is None
        ]
        shared = sorted(set.intersection(*(set(v) for _, v in values)))
        per_seed = [fixed + sum(sign * v[s] for sign, v in values) for s in shared]
        found[name] = statistics.compare(
            str(a), str(b), per_seed, shared=results.shared
        )
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
    why = list(results.changed)
    if results.failed:
        count = collections.Counter(r["variant"] for r in results.failed)
        runs = ", ".join(f"{n} of {variant}" for variant, n in count.items())
        why.append(f"failed runs: {runs}")
    if declared["reduced"]:
        why.append(f"reduced: {declared['reduced']}")
    seeds = len(declared["seeds"])
    lacking = _uncompared(study, declared)
    there = {name: c for name, c in compared.items() if name not in lacking}
    if lacking and not declared["reduced"]:
        why.append(f"not compared at this size: {', '.join(lacking)}")
    short = [(name, c.n) for name, c in there.items() if c.n < seeds]
    if short and not why:
        name, n = short[0]
        why.append(f"{n} of {seeds} seeds have all numbers of {name}")
    few = [c for c in there.values() if not c.decides]
    if few and not why:
        why.append(
            f"descriptive: {few[0].n} seeds, and {len(compared)} comparisons need "
            f"{few[0].needed}"
        )
    if why:
        return "undecided", "; ".join(why)
    return _ruled(study, compared), ""


def too_few(study: Study, declared: Mapping[str, Any]) -> str:
    """Why whatever comes out will be undecided, where it is the seeds; or ""."""
    n, m = len(declared["seeds"]), len(study.contrasts)
    needed = statistics.seeds_needed(m * max(1, len(study.looks)))
    if declared["reduced"] or n >= needed:
        return ""
    return f"{n} seeds, and {m} comparisons need {needed}: it will be undecided"


def foreseen(study: Study, declared: Mapping[str, Any]) -> list[str]:
    """Why whatever comes out will be undecided, before anything is trained."""
    names = "" if declared["reduced"] else ", ".join(_uncompared(study, declared))
    told = f"not compared at this size: {names}: it will be undecided" if names else ""
    return [why for why in (told, too_few(study, declared)) if why]


def _uncompared(study: Study, declared: Mapping[str, Any]) -> list[str]:
    return study.uncompared(variant for variant, _ in declared["variants"])


def rehearse(study: Study) -> None:
    """Calls the rule on made-up differences, before anything is trained.

    Raises:
      Refusal: it raises, or returns no verdict.
    """
    made = [
        statistics.compare(str(a), str(b), range(8))
        for a, b in study.contrasts.values()
    ]
    _ruled(study, dict(zip(study.contrasts, statistics.holm(made), strict=True)))


def _ruled(study: Study, compared: Mapping[str, statistics.Comparison]) -> str:
    """The rule's verdict; raises Refusal where it gives none."""
    try:
        decided = study.rule(**compared)
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        raise Refusal(
            f"STUDY.rule: {type(error).__name__}: {error} ({line.filename}:"
            f"{line.lineno})"
        ) from None
    if decided not in VERDICTS:
        raise Refusal(
            f"STUDY.rule: returned {decided!r}, not one of {', '.join(VERDICTS)}"
        )
    return decided


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
        "notes": results.notes,
        "effects": effects(study, results),
        "failed": results.failed,
    }
