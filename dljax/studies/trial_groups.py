"""Which trials make a study: what is one compiled program, and with which seeds.

Variants that differ in array factors alone are one trial, all their levels beside the
seeds; every other variant is one of its own. Seeds and levels that are added later are
trials of their own: what is packed follows from the declarations, in their order, and
never from what happens to be done.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from dljax.errors import UserError, nearest
from dljax.studies.experiment import Experiment, bind_task
from dljax.studies.study import name_of
from dljax.training import cost, strategy
from dljax.trials.run_trial import Make, Sink
from dljax.trials.trial import Run, Trial, identity, status
from dljax.types import Source

Levels = Mapping[str, Any]


class BoundTrial(NamedTuple):
    """A trial, what makes its tasks, its data, and where its rows go besides."""

    trial: Trial
    task: Make
    source: Source
    sink: Sink

    @property
    def listed(self) -> list[Any]:
        """What study.json has of it: label, directory, its runs' variants."""
        trial = self.trial
        variants = list(dict.fromkeys(run.variant for run in trial.runs))
        return [trial.variant, trial.name, variants]


def of_verdict(
    experiment: Experiment,
    config: Any,
    declared: dict[str, Any],
    chosen: Mapping[str, Levels],
) -> list[BoundTrial]:
    """The trials that a verdict rests on; notes new packs in `declared["packs"]`.

    Args:
      config: of the command line; a variant's levels replace its fields.
      chosen: {variant: {field: value}} that tuning found.
    """
    rows = [
        (variant, {**levels, **chosen.get(variant, {})})
        for variant, levels in declared["variants"]
    ]
    asked_seeds = set(declared["seeds"])
    seed_blocks = [b for b in declared["blocks"] if asked_seeds & set(b)]
    found = []
    for key, group in _groups(experiment, rows).items():
        blocks = declared["packs"].setdefault(key, [])
        known = [pair for block in blocks for pair in block]
        if new := [pair for pair in group if pair not in known]:
            blocks.append(new)
        for pack in blocks:
            if any(pair in group for pair in pack):
                found += [
                    _trial(experiment, config, declared, json.loads(key), pack, seeds)
                    for seeds in seed_blocks
                ]
    return found


def of_tuning(
    experiment: Experiment,
    config: Any,
    declared: Mapping[str, Any],
    rows: Sequence[tuple[str, Levels]],
    seeds: Sequence[int],
) -> list[BoundTrial]:
    """The trials that tune: of rows (name, levels of a variant and a candidate)."""
    return [
        _trial(
            experiment,
            config,
            declared,
            json.loads(key),
            group,
            seeds,
            test=False,
        )
        for key, group in _groups(experiment, rows).items()
    ]


def _groups(
    experiment: Experiment, rows: Iterable[tuple[str, Levels]]
) -> dict[str, list[list[Any]]]:
    """{static levels as JSON: [[variant, {array field: number}], ...]}."""
    array = experiment.study.vmapped_factors
    groups: dict[str, list[list[Any]]] = {}
    for variant, levels in rows:
        static = {k: v for k, v in levels.items() if k not in array}
        numbers = {k: v for k, v in levels.items() if k in array}
        groups.setdefault(json.dumps(static), []).append([variant, numbers])
    return groups


def _trial(
    experiment: Experiment,
    config: Any,
    declared: Mapping[str, Any],
    static: Levels,
    pack: Sequence[Sequence[Any]],
    seeds: Sequence[int],
    *,
    test: bool = True,
) -> BoundTrial:
    study, numbers = experiment.study, [dict(pair[1]) for pair in pack]
    names = declared["factors"]
    config = dataclasses.replace(config, **static, **numbers[0])
    source = experiment.source(config)
    task = bind_task(experiment, config, source)
    runs = [Run(v, seed, n) for v, n in pack for seed in seeds]
    how = strategy.resolve(
        config.seeds_by,
        backend=jax.default_backend(),
        devices=jax.device_count(),
        seeds=len(runs),
        parameters=cost.parameters(task(numbers[0])).total,
    )
    fixed: dict[str, Any] = {
        "study": experiment.name,
        "fixed": declared["fixed"],
        "levels": static,
        "seeds": list(seeds),
        "data": [source.name, source.version, source.fingerprint],
        "lowering": strategy.kind(how, jax.device_count()),
        "select": [study.select, *(study.best_by or ())],
    }
    if numbers[0]:
        fixed["numbers"] = numbers
    if not test:
        fixed["tuning"] = True
    label = pack[0][0]
    if numbers[0]:
        label = name_of({**{k: k for k in names}, **static}, names)
    if numbers[0] and not test:
        label = f"{label} tuning"
    trial = Trial(
        name=identity(fixed, label.replace("/", "-").replace(" ", "-")),
        variant=label,
        config=config,
        runs=tuple(runs),
        fixed=json.loads(json.dumps(fixed)),  # as it will be read again
        lowering=how,
        rule_sha256=declared["rule_sha256"],
        task_sha256=experiment.task_sha256,
        size_sha256=declared["size_sha256"],
        measures=study.measures([r.variant for r in runs])
        if test
        else (study.primary_metric,),
        best_by=study.best_by,
        test=test,
    )
    return BoundTrial(trial, task, source, experiment.log)


def named(name: str, prepared: Sequence[BoundTrial]) -> BoundTrial:
    """The trial that --trial names; raises UserError where there is none."""
    for one in prepared:
        if one.trial.name == name:
            return one
    near = nearest(name, [one.trial.name for one in prepared])
    hint = f"did you mean {near}? " if near else ""
    raise UserError(f"--trial={name}: no such trial; {hint}--plan lists them")


def unfinished(
    prepared: Sequence[BoundTrial], directory: pathlib.Path, *, again: bool = False
) -> list[str]:
    """The names of the trials that are not done there; `again`, or that failed, other
    than those that tune.
    """
    found = []
    for one in prepared:
        now = status(directory / one.trial.name)
        if not now.finished or (again and one.trial.test and now.kind == "failed"):
            found.append(one.trial.name)
    return found
