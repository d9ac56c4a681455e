"""From a finished study's directory to its recorded result."""

import datetime
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dljax.errors import FAILED_RUNS, UserError
from dljax.studies import statistics
from dljax.studies.experiment import Experiment
from dljax.studies.recorded_results import (
    RecordedContrast,
    RecordedMetric,
    RecordedResult,
    RecordedSpec,
    RecordedVariant,
)
from dljax.studies.results import Results, collect
from dljax.studies.rule import rule_hash
from dljax.studies.study import Study
from dljax.studies.study_spec import StudySpec
from dljax.studies.verdict import comparisons, decide

VERSIONS = ("dljax", "jax", "flax")  # of the manifest's packages


def record_study(
    experiment: Experiment, directory: pathlib.Path, spec: StudySpec
) -> RecordedResult:
    """The result of a finished study.

    A study with too few seeds for a verdict at its declared size is recorded as
    undecided, with the reason.

    Raises:
      UserError: the study is a reduced one, a trial is not finished, a run failed, or
        the rule, the size or the script changed after the trials began.
    """
    study = experiment.study
    results = collect(directory, spec, rule_hash(study))
    _refuse_without_verdict(results, directory)
    compared = comparisons(study, results)
    _refuse_missing_values(compared, spec, directory)
    decision, why = decide(study, results, compared)
    names = [entry.name for entry in (*spec.tuning_trials, *spec.trials)]
    date, minutes = _times(directory / name / "timing.jsonl" for name in names)
    manifest = results.manifests[spec.trials[-1].name]
    return RecordedResult(
        experiment=_short_name(spec.module),
        dataset=spec.dataset,
        origin="recorded",
        date=date,
        minutes=minutes,
        hardware=_hardware(manifest),
        versions={
            "python": manifest["python"],
            **{name: manifest["packages"][name] for name in VERSIONS},
        },
        spec=RecordedSpec(
            full=manifest["flags"]["full"], factors=spec.factors, fixed=spec.fixed
        ),
        rule_sha256=spec.rule_sha256,
        seeds=spec.seeds,
        test_train_ratio=spec.test_train_ratio,
        primary_metric=study.primary_metric,
        verdict=decision,
        why=why,
        variants=_variants(study, results),
        contrasts=tuple(_contrast(name, c) for name, c in compared.items()),
    )


def shown_metrics(study: Study) -> tuple[str, ...]:
    """The primary metric, and those that contrasts or profiles name."""
    contrasts = study.parsed_contrasts.values()
    names = [term.metric for contrast in contrasts for _, term in contrast.terms]
    names += [name for profile in study.profiles for name in profile.points]
    return tuple(dict.fromkeys([study.primary_metric, *filter(None, names)]))


def recompute(
    study: Study, result: RecordedResult
) -> tuple[str, tuple[RecordedContrast, ...]]:
    """The verdict and the contrasts of the values per seed, by the study's rule of now.

    Args:
      result: of origin "recorded".
    """
    compared = comparisons(study, result)
    contrasts = tuple(_contrast(name, c) for name, c in compared.items())
    decided = all(c.decides for c in compared.values())
    return study.rule(**compared) if decided else "undecided", contrasts


def _refuse_without_verdict(results: Results, directory: pathlib.Path) -> None:
    """Raises UserError where something other than the number of seeds is missing."""
    spec = results.spec
    if spec.shortened or spec.not_judged_because:
        raise UserError(
            "reduced-study",
            f"{directory}: no verdict is given at this size "
            f"({spec.not_judged_because}); run {spec.command.split(' --')[0]} at its "
            "full size",
        )
    if results.unfinished:
        raise UserError(
            "trial-not-finished",
            f"{directory}: {results.unfinished[0]} is not finished; resume it with "
            f"{spec.command}",
        )
    if results.changed:
        raise UserError(
            "rule-changed",
            f"{directory}: {results.changed[0]}; give an empty --workdir and run the "
            "study again",
        )
    if results.failed:
        run = results.failed[0]
        raise UserError(
            "runs-failed",
            f"{directory}: no verdict is given with failed runs ({run.variant}, seed "
            f"{run.seed}: {run.metric} was not finite at step {run.step}); run the "
            "study again with --retry_failed",
            FAILED_RUNS,
        )


def _refuse_missing_values(
    compared: Mapping[str, statistics.Comparison],
    spec: StudySpec,
    directory: pathlib.Path,
) -> None:
    """Raises UserError where a contrast lacks a metric of a seed."""
    for name, c in compared.items():
        if c.n < len(spec.seeds):
            raise UserError(
                "metric-not-finite",
                f"{directory}: no verdict is given: {name} has a finite metric for "
                f"{c.n} of {len(spec.seeds)} seeds; see results.csv there",
            )


def _short_name(module: str) -> str:
    """The experiment's name: "reference.adding" of "experiments.reference.adding"."""
    if module.endswith(".py"):
        return pathlib.Path(module).stem
    return module.removeprefix("dljax.").removeprefix("experiments.")


def _times(paths: Iterable[pathlib.Path]) -> tuple[str | None, float | None]:
    """(date of the last start's end, UTC; minutes of all starts) of timing.jsonl."""
    texts = [path.read_text("utf-8") for path in paths if path.is_file()]
    rows = [json.loads(line) for text in texts for line in text.splitlines()]
    if not rows:
        return None, None
    end = max(row["began"] + row["secs"] for row in rows)
    date = datetime.datetime.fromtimestamp(end, datetime.UTC).date().isoformat()
    return date, round(sum(row["secs"] for row in rows) / 60, 1)


def _hardware(manifest: Mapping[str, Any]) -> str:
    """The devices of a trial in words: "2 cores of AMD EPYC", "1 NVIDIA A100"."""
    if manifest["backend"] == "cpu":
        return f"{manifest['visible_cores']} cores of {manifest['processor']}"
    return f"{manifest['device_count']} {manifest['device_kind']}"


def _variants(study: Study, results: Results) -> tuple[RecordedVariant, ...]:
    """Every variant with the metrics that matter and that it has."""
    metrics = shown_metrics(study)
    rows = []
    for variant, runs in results.final.items():
        measured = {m for run in runs.values() for m in run if run[m] is not None}
        rows.append(
            RecordedVariant(
                variant=variant,
                n=len(results.values(variant, study.primary_metric)),
                metrics={
                    name: _metric(results, variant, name)
                    for name in metrics
                    if name in measured
                },
            )
        )
    return tuple(rows)


def _metric(results: Results, variant: str, name: str) -> RecordedMetric:
    values = results.values(variant, name)
    _, mean, low, high = statistics.interval(
        list(values.values()), test_train_ratio=results.test_train_ratio
    )
    per_seed: Sequence[float | None] = [values.get(s) for s in results.spec.seeds]
    return RecordedMetric(mean=mean, ci_low=low, ci_high=high, values=tuple(per_seed))


def _contrast(name: str, c: statistics.Comparison) -> RecordedContrast:
    _, _, low, high = c.simultaneous_ci
    return RecordedContrast(
        name=name,
        a=c.a,
        b=c.b,
        difference=c.difference,
        ci_low=c.ci_low,
        ci_high=c.ci_high,
        simultaneous_low=low,
        simultaneous_high=high,
        p=c.p,
        p_adjusted=c.p_adjusted,
    )
