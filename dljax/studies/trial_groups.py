"""The trials of a study: which variants and seeds each compiled program trains.

Variants that differ only in vmapped factors share a trial, whose runs are all their
levels times the seeds. Every other variant has a separate trial. Seeds and levels that
are added later have separate trials, too: the runs of a trial depend on the sequence of
command lines, never on which trials are already finished.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax

from dljax.errors import UserError, closest_match
from dljax.studies.experiment import Experiment, bind_task
from dljax.studies.study import Study, name_of
from dljax.studies.study_spec import StudySpec, TrialEntry, TrialGroup
from dljax.training import cost, strategies
from dljax.trials.run_trial import MakeTask, RowSink
from dljax.trials.trial import Run, TrialSpec, identity, status
from dljax.types import Source

Levels = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class BoundTrial:
    """A trial with the functions and data that train it.

    task: maps the levels of the vmapped factors to a task. source: the data set.
    sink: the experiment's log(), called with each group of rows.
    """

    trial: TrialSpec
    task: MakeTask
    source: Source
    sink: RowSink


def entries(trials: Sequence[BoundTrial]) -> tuple[TrialEntry, ...]:
    """Returns the trials as study.json lists them."""
    return tuple(
        TrialEntry(
            bound.trial.variant,
            bound.trial.name,
            tuple(dict.fromkeys(run.variant for run in bound.trial.runs)),
        )
        for bound in trials
    )


def with_trial_groups(
    study: Study, spec: StudySpec, tuned: Mapping[str, Levels]
) -> StudySpec:
    """Returns the spec with its trial groups extended by new variants.

    Args:
      tuned: {variant: {field: value}}, the chosen candidates.
    """
    groups = spec.trial_groups
    for group in _groups(study, _rows(spec, tuned)):
        grouped = [
            item
            for other in groups
            if other.levels == group.levels
            for item in other.variants.items()
        ]
        if new := {k: v for k, v in group.variants.items() if (k, v) not in grouped}:
            groups = (*groups, TrialGroup(group.levels, new))
    return dataclasses.replace(spec, trial_groups=groups)


def verdict_trials(
    experiment: Experiment, config: Any, spec: StudySpec, tuned: Mapping[str, Levels]
) -> list[BoundTrial]:
    """Returns the trials that the verdict depends on.

    Args:
      config: the config of the command line; a variant's levels replace its fields.
      spec: as `with_trial_groups` returns.
      tuned: {variant: {field: value}}, the chosen candidates.
    """
    batches = [b for b in spec.seed_batches if set(spec.seeds) & set(b)]
    return [
        _bind(experiment, config, spec, group, batch)
        for needed in _groups(experiment.study, _rows(spec, tuned))
        for group in spec.trial_groups
        if group.levels == needed.levels
        and any(item in needed.variants.items() for item in group.variants.items())
        for batch in batches
    ]


def tuning_trials(
    experiment: Experiment,
    config: Any,
    spec: StudySpec,
    rows: Iterable[tuple[str, Levels]],
    seeds: Sequence[int],
) -> list[BoundTrial]:
    """Returns the trials that tune.

    Args:
      rows: (name, levels of a variant and a candidate), one per candidate.
      seeds: the tuning seeds.
    """
    return [
        _bind(experiment, config, spec, group, seeds, test=False)
        for group in _groups(experiment.study, rows)
    ]


def _rows(spec: StudySpec, tuned: Mapping[str, Levels]) -> list[tuple[str, Levels]]:
    """Returns [(variant, its levels and tuned values)]."""
    return [
        (variant, {**levels, **tuned.get(variant, {})})
        for variant, levels in spec.variants.items()
    ]


def _groups(study: Study, rows: Iterable[tuple[str, Levels]]) -> list[TrialGroup]:
    """Groups rows (name, levels) by their static levels."""
    vmapped = study.vmapped_factors
    groups: dict[str, TrialGroup] = {}
    for name, levels in rows:
        static = {k: v for k, v in levels.items() if k not in vmapped}
        numbers = {k: v for k, v in levels.items() if k in vmapped}
        group = groups.get(key := json.dumps(static), TrialGroup(static, {}))
        groups[key] = TrialGroup(static, {**group.variants, name: numbers})
    return list(groups.values())


def _bind(
    experiment: Experiment,
    config: Any,
    spec: StudySpec,
    group: TrialGroup,
    seeds: Sequence[int],
    *,
    test: bool = True,
) -> BoundTrial:
    """Returns the trial that trains a group's variants with these seeds.

    Args:
      test: whether the trial evaluates test data; False for tuning.
    """
    study, numbers = experiment.study, [dict(n) for n in group.variants.values()]
    config = dataclasses.replace(config, **group.levels, **numbers[0])
    source = experiment.source(config)
    task = bind_task(experiment, config, source, numbers[0])
    runs = [Run(v, seed, n) for v, n in group.variants.items() for seed in seeds]
    strategy = strategies.resolve(
        config.seeds_by,
        backend=jax.default_backend(),
        devices=jax.device_count(),
        seeds=len(runs),
        parameters=cost.count_parameters(task(numbers[0])).total,
    )
    fixed: dict[str, Any] = {
        "study": experiment.name,
        "fixed": spec.fixed,
        "levels": group.levels,
        "seeds": list(seeds),
        "data": [source.name, source.version, source.fingerprint],
        "strategy": strategies.kind(strategy, jax.device_count()),
        "select": [study.select, *(study.best_by or ())],
    }
    if numbers[0]:
        fixed["numbers"] = numbers
    if not test:
        fixed["tuning"] = True
    label = _label(spec, group, test=test)
    trial = TrialSpec(
        name=identity(fixed, label.replace("/", "-").replace(" ", "-")),
        variant=label,
        config=config,
        runs=tuple(runs),
        fixed=json.loads(json.dumps(fixed)),  # tuples become lists, as when read back
        strategy=strategy,
        rule_sha256=spec.rule_sha256,
        task_sha256=experiment.task_sha256,
        size_sha256=spec.size_sha256,
        required_metrics=study.decisive_metrics([r.variant for r in runs])
        if test
        else (study.primary_metric,),
        best_by=study.best_by,
        test=test,
    )
    return BoundTrial(trial, task, source, experiment.log)


def _label(spec: StudySpec, group: TrialGroup, *, test: bool) -> str:
    """Returns a trial's label, where vmapped factors stand for their levels."""
    variant, numbers = next(iter(group.variants.items()))
    if not numbers:
        return variant
    label = name_of({**{k: k for k in spec.factors}, **group.levels}, spec.factors)
    return label if test else f"{label} tuning"


def named(name: str, trials: Sequence[BoundTrial]) -> BoundTrial:
    """Returns the trial that --trial names; raises UserError if there is none."""
    by_name = {bound.trial.name: bound for bound in trials}
    if name in by_name:
        return by_name[name]
    near = closest_match(name, by_name)
    hint = f"did you mean {near}? " if near else ""
    raise UserError(
        "unknown-trial", f"--trial={name}: no such trial; {hint}list them by --plan"
    )


def unfinished(
    trials: Sequence[BoundTrial], directory: pathlib.Path, *, again: bool = False
) -> list[str]:
    """Returns the names of unfinished trials.

    Args:
      again: include failed trials, except those that tune.
    """
    names = []
    for trial in (bound.trial for bound in trials):
        now = status(directory / trial.name)
        if not now.finished or (again and trial.test and now.kind == "failed"):
            names.append(trial.name)
    return names
