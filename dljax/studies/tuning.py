"""Tuning with the same candidates, seeds and updates for every variant.

Candidates are compared on validation data. The verdict uses none of the tuning seeds,
and tuning trials never read test data. If seeds are folds of one small data set, some
validation examples of a tuning seed are test examples of another seed; this bias is
small and equal for all variants.
"""

import dataclasses
import itertools
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from dljax.config import FIRST_TUNING_SEED
from dljax.errors import FAILED_RUNS, UserError
from dljax.studies.experiment import Experiment
from dljax.studies.study import Study
from dljax.studies.study_spec import StudySpec
from dljax.studies.trial_groups import BoundTrial, tuning_trials
from dljax.trials.metrics_log import read_rows
from dljax.trials.trial import refuse_changed, status


@dataclasses.dataclass(frozen=True)
class TunedCandidate:
    """One candidate of one variant.

    values: {field: value}.
    score: the mean over seeds of the primary metric on validation data; None if a run
      failed.
    chosen: whether the variant uses this candidate.
    edge: fields whose chosen value is the smallest or largest of more than two.
    """

    variant: str
    values: dict[str, Any]
    score: float | None
    chosen: bool
    edge: str = ""


def _candidates(
    variant: str, tune: Mapping[str, Sequence[Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """Returns [(name, values)] of all candidates of a variant: every combination."""
    combinations = [
        dict(zip(tune, values, strict=True))
        for values in itertools.product(*tune.values())
    ]
    return [
        (f"{variant} ({', '.join(f'{k} {v}' for k, v in values.items())})", values)
        for values in combinations
    ]


def trials(experiment: Experiment, config: Any, spec: StudySpec) -> list[BoundTrial]:
    """Returns the trials that tune; empty if the spec tunes no field."""
    if not spec.tune:
        return []
    count = 1 if config.smoke else experiment.study.tune_seeds
    seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + count)
    rows = [
        (name, {**levels, **values})
        for variant, levels in spec.variants.items()
        for name, values in _candidates(variant, spec.tune)
    ]
    return tuning_trials(experiment, config, spec, rows, seeds)


def scores(
    study: Study, spec: StudySpec, directory: pathlib.Path
) -> list[TunedCandidate]:
    """Scores all candidates from the finished tuning trials; marks the chosen ones.

    Args:
      directory: the study's directory.

    Raises:
      UserError: a tuning trial is not finished or damaged, or all candidates of a
        variant failed.
    """
    values = _validation_values(study, spec, directory)
    scored = []
    for variant in spec.variants:
        rows = _candidates(variant, spec.tune)
        means = [_mean(values.get(name, [])) for name, _ in rows]
        finite = [mean for mean in means if mean is not None]
        if not finite:
            raise UserError(
                "tuning-failed",
                f"STUDY.tune: all candidates of {variant} failed (not finite); declare "
                "other candidates",
                FAILED_RUNS,
            )
        best = means.index(max(finite) if study.higher else min(finite))
        scored += [
            TunedCandidate(
                variant, row, mean, i == best, _edge(row, spec) if i == best else ""
            )
            for i, ((_, row), mean) in enumerate(zip(rows, means, strict=True))
        ]
    return scored


def _validation_values(
    study: Study, spec: StudySpec, directory: pathlib.Path
) -> dict[str, list[float]]:
    """Returns {candidate: primary metric on validation data, one value per seed}."""
    values: dict[str, list[float]] = {}
    for path in (directory / entry.name for entry in spec.tuning_trials):
        now = status(path)
        refuse_changed(path, now)
        if not now.finished:
            raise UserError(
                "tuning-not-finished",
                f"{path}: this tuning trial is not finished; repeat the command of the "
                "study, which trains it",
            )
        for (candidate, _), value in _validated(study, path).items():
            values.setdefault(candidate, []).append(value)
        for run in now.failed:
            values.setdefault(run["variant"], []).append(math.nan)
    return values


def _validated(study: Study, trial: pathlib.Path) -> dict[tuple[str, int], float]:
    """Returns {(candidate, seed): primary metric on validation data}.

    The value is that of the tested state: the last one, or with "best_valid" the best.
    """
    values: dict[tuple[str, int], list[float]] = {}
    for row in read_rows(trial / "metrics.jsonl"):
        if row["split"] == "valid":
            value = row.get(study.primary_metric)
            values.setdefault((row["variant"], row["seed"]), []).append(
                math.nan if value is None else value
            )
    if study.select == "final":
        return {run: series[-1] for run, series in values.items()}
    best = max if study.higher else min
    return {
        run: best([v for v in series if math.isfinite(v)], default=math.nan)
        for run, series in values.items()
    }


def _edge(values: Mapping[str, Any], spec: StudySpec) -> str:
    ranges = {k: v for k, v in spec.tune.items() if len(v) > 2}
    numeric = {k: v for k, v in ranges.items() if not isinstance(v[0], str | bool)}
    return ", ".join(k for k, v in numeric.items() if values[k] in (min(v), max(v)))


def _mean(values: Sequence[float]) -> float | None:
    mean = sum(values) / len(values) if values else math.nan
    return mean if math.isfinite(mean) else None


def chosen(scored: Sequence[TunedCandidate]) -> dict[str, dict[str, Any]]:
    """Returns {variant: {field: value}} of the chosen candidates."""
    return {row.variant: row.values for row in scored if row.chosen}
