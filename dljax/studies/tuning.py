"""Fair tuning: every variant the same candidates, seeds and updates, on validation.

Seeds that tune decide nothing else, and trials that tune never read test data. Where
seeds are folds of one small data set, one seed's validation images are among another's
test images: what is chosen there favours all variants alike, by a little.
"""

import itertools
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dljax.config import FIRST_TUNING_SEED, StudyRequest
from dljax.errors import FAILED_RUNS, UserError
from dljax.studies.experiment import Experiment
from dljax.studies.study import Study
from dljax.studies.trial_groups import BoundTrial, of_tuning
from dljax.trials.log import read_rows
from dljax.trials.trial import refuse_changed, status


class Tuned(NamedTuple):
    """One candidate of one variant: its values, and the mean of its seeds' measure on
    validation data, None where a run was not finite. edge: the fields whose chosen
    value is the least or largest that was tried, where more than two were.
    """

    variant: str
    values: dict[str, Any]
    score: float | None
    chosen: bool
    edge: str = ""


def _rows(variant: str, levels: Mapping[str, Any], fields: Mapping[str, Sequence]):
    """[(name, levels with one candidate's values, those values)] of a variant."""
    for values in itertools.product(*fields.values()):
        now = dict(zip(fields, values, strict=True))
        said = ", ".join(f"{field} {value}" for field, value in now.items())
        yield f"{variant} ({said})", {**levels, **now}, now


def trials(
    experiment: Experiment, asked: StudyRequest, declared: dict[str, Any]
) -> list[BoundTrial]:
    """The trials that tune, noted in `declared`; none where nothing is to be tuned."""
    fields, found = declared["tune"], []
    count = 1 if asked.config.smoke else experiment.study.tune_seeds
    seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + count)
    if fields:
        rows = [
            (name, row)
            for variant, levels in declared["variants"]
            for name, row, _ in _rows(variant, levels, fields)
        ]
        found = of_tuning(experiment, asked.config, declared, rows, seeds)
    declared["tuning"] = [one.listed for one in found]
    return found


def scores(
    study: Study, declared: Mapping[str, Any], directory: pathlib.Path
) -> list[Tuned]:
    """Every candidate of every variant, from the finished trials; the best is chosen.

    Raises:
      UserError: no candidate of a variant stayed finite, or a trial is damaged.
    """
    found: dict[str, list[float]] = {}
    for _, name, _ in declared["tuning"]:
        now = status(directory / name)
        refuse_changed(directory / name, now)
        if not now.finished:
            raise UserError(
                f"{directory / name}: this trial, which tunes, is not finished; the "
                "study's command runs it"
            )
        for (candidate, _), value in _validated(study, directory / name).items():
            found.setdefault(candidate, []).append(value)
        for run in now.failed:
            found.setdefault(run["variant"], []).append(math.nan)
    told = []
    for variant, levels in declared["variants"]:
        rows = list(_rows(variant, levels, declared["tune"]))
        means = [_mean(found.get(name, [])) for name, _, _ in rows]
        known = [m for m in means if m is not None]
        if not known:
            raise UserError(
                f"{variant}: no run of its tuning stayed finite; give it other "
                "candidates",
                FAILED_RUNS,
            )
        best = means.index(max(known) if study.higher else min(known))
        told += [
            Tuned(variant, values, mean, i == best, _edge(values, declared, i == best))
            for i, ((_, _, values), mean) in enumerate(zip(rows, means, strict=True))
        ]
    return told


def _validated(study: Study, trial: pathlib.Path) -> dict[tuple[str, int], float]:
    """{(candidate, seed): its measure on validation data}: the last, or the best."""
    values: dict[tuple[str, int], list[float]] = {}
    for row in read_rows(trial / "metrics.jsonl"):
        if row["split"] == "valid":
            value = row.get(study.primary_metric)
            values.setdefault((row["variant"], row["seed"]), []).append(
                math.nan if value is None else value
            )
    if study.select == "final":
        return {run: seen[-1] for run, seen in values.items()}
    best = max if study.higher else min
    return {
        run: best([v for v in seen if math.isfinite(v)], default=math.nan)
        for run, seen in values.items()
    }


def _edge(values: Mapping[str, Any], declared: Mapping[str, Any], on: bool) -> str:
    tried = {k: v for k, v in declared["tune"].items() if len(v) > 2 and on}
    numeric = {k: v for k, v in tried.items() if not isinstance(v[0], str | bool)}
    return ", ".join(k for k, v in numeric.items() if values[k] in (min(v), max(v)))


def _mean(values: Sequence[float]) -> float | None:
    mean = sum(values) / len(values) if values else math.nan
    return mean if math.isfinite(mean) else None


def chosen(told: Sequence[Tuned]) -> dict[str, dict[str, Any]]:
    """{variant: {field: value}}."""
    return {t.variant: t.values for t in told if t.chosen}
