"""A study from its declaration to its report: trial after trial, in this process."""

import collections
import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dljax.config import Asked
from dljax.errors import DONE, FAILED_RUNS, PREEMPTED, Refusal, nearest
from dljax.runs import disk
from dljax.runs.lock import locked
from dljax.studies import launcher
from dljax.studies.declaration import declare, read_study, workdir
from dljax.studies.experiment import Experiment


def launch(
    experiment: Experiment,
    asked: Asked,
    *,
    stop: Callable[[], bool],
    show: Any,
) -> int:
    """Runs what of a study is not done yet, writes its report, and says so.

    Returns:
      the exit code.

    Raises:
      Refusal: for all that `dljax.errors` has a code.
    """
    from dljax.runs.trial import status

    directory = workdir(asked, experiment.name)
    if not asked.config.plan:
        disk.check_writable(directory, "workdir")
    if asked.config.plan or asked.config.trial:
        declared = declare(experiment, asked, _begun_study(directory))
        trials, prepared = _trials(experiment, asked, declared)
        if asked.config.plan:
            _print_plan(directory, trials)
            return DONE
        trial = _named(asked.config.trial, trials)
        return _run([trial], prepared, directory, asked.config, stop=stop, show=show)
    with (
        disk.refusals(directory),
        locked(directory, break_lock=asked.config.break_lock, say=show.say),
    ):
        declared = declare(experiment, asked, _begun_study(directory))
        trials, prepared = _trials(experiment, asked, declared)
        declared["trials"] = [[t.variant, t.name] for t in trials]
        disk.write_json(directory / "study.json", declared)
        todo = launcher.commands(
            declared["command"],
            [t.name for t in trials if not status(directory / t.name).finished],
            str(directory),
        )
        if asked.config.launcher == "commands":
            print("\n".join(todo.values()))
            return DONE
        _say_ledger(declared, directory, trials, show)
        if asked.config.jobs > 1 and todo:
            code = launcher.run_all(
                todo,
                jobs=asked.config.jobs,
                retries=asked.config.retries,
                stop=stop,
                show=show,
            )
            if code not in (DONE, FAILED_RUNS):
                return _stopped(show, directory) if code == PREEMPTED else code
        code = _run(trials, prepared, directory, asked.config, stop=stop, show=show)
        if code == PREEMPTED:
            return code
        if not todo:
            show.say("everything is done; the report is written again")
        from dljax.studies import report

        summary = report.write(experiment, directory, declared)
    print(report.text(summary, directory))
    return code


def _begun_study(directory: pathlib.Path) -> dict[str, Any] | None:
    """The study.json there, if anything was computed for it."""
    from dljax.runs.trial import status

    found = read_study(directory)
    names = [name for _, name in found["trials"]] if found else []
    return found if any(status(directory / n).kind != "new" for n in names) else None


def _say_ledger(
    declared: Mapping[str, Any],
    directory: pathlib.Path,
    trials: Sequence[Any],
    show: Any,
) -> None:
    """Says what of a study is there, and what is there besides."""
    from dljax.runs.trial import status

    kinds = collections.Counter(status(directory / t.name).kind for t in trials)
    counts = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    most = max(len(t.seeds) for t in trials)
    plural = "s" if len(trials) > 1 else ""
    short = " (shortened: fewer steps than declared)" if declared["shortened"] else ""
    show.say(
        f"{declared['study']}: {len(trials)} trial{plural} of up to {most} seeds in "
        f"{directory}: {counts}{short}"
    )
    ours = {t.name for t in trials}
    others = [p for p in directory.glob("*/config.json") if p.parent.name not in ours]
    if others:
        show.say(
            f"{len(others)} more there, of other flags, are left alone; the report is "
            "of this command's trials only"
        )


def _run(
    trials: Sequence[Any],
    prepared: Mapping[str, Any],
    directory: pathlib.Path,
    config: Any,
    *,
    stop: Callable[[], bool],
    show: Any,
) -> int:
    """Runs those trials that are not done; returns the exit code."""
    from dljax.runs import manifest
    from dljax.runs.execute import execute
    from dljax.runs.trial import refuse_changed, status

    here = manifest.surroundings(config)
    failed = 0
    for trial in trials:
        place = directory / trial.name
        now = status(place)
        refuse_changed(place, now)
        if now.kind == "failed" and config.retry_failed:
            show.say(f"{trial.variant}: failed; kept as {_step_aside(place)}")
            now = status(place)
        if now.finished:
            retry = "" if now.kind == "done" else "; --retry_failed runs it again"
            since = _since(place, here)
            show.say(f"{trial.variant}: {now.kind} already{since}{retry}")
        else:
            if stop():
                return _stopped(show, directory)
            task, source = prepared[trial.variant]
            told = execute(trial, task, source, place, stop=stop, show=show)
            if told.stopped:
                return _stopped(show, directory)
            show.say(f"{trial.variant}: finished in {told.secs:.1f} s")
            now = status(place)
        for run in now.failed:
            failed += 1
            show.say(f"{trial.variant}: {failure(run)}")
            if config.locate_nan:
                show.say(_locate(trial, prepared[trial.variant], place, run, show))
    return FAILED_RUNS if failed else DONE


def failure(run: Mapping[str, Any]) -> str:
    """A failed run in words: of DONE's {"seed", "step", "metric"}."""
    return (
        f"seed {run['seed']} failed: {run['metric']} not finite at step {run['step']}"
    )


def _since(place: pathlib.Path, here: Mapping[str, Any]) -> str:
    """What around a finished trial has changed since, `here` as it is now."""
    from dljax.runs import manifest

    before = disk.read_json(place / "manifest.json")
    if not isinstance(before, dict):
        return " (manifest.json is missing or damaged)"
    differs = manifest.differences(before, here)
    return f" ({'; '.join(differs)})" if differs else ""


def _step_aside(place: pathlib.Path) -> pathlib.Path:
    names = (place.with_name(f"{place.name}.failed-{i}") for i in range(1, 1000))
    return place.rename(next(path for path in names if not path.exists()))


def _locate(trial, prepared, place, run, show) -> str:
    """Where in the network a failed run's step is first not finite."""
    from dljax.runs.execute import compiled, restore
    from dljax.train import nonfinite

    task, source = prepared
    program = compiled(trial, task, source)
    restored = restore(trial, program, place, say=show.say, resume=False)
    assert restored is not None, "a finished trial has a checkpoint"
    index = trial.seeds.index(run["seed"])
    state = nonfinite.one(restored.tree.state, index)
    rows = source.split(run["seed"])["train"]
    where = nonfinite.locate(
        task, source, state, rows, batch_size=trial.config.batch_size
    )
    return f"{trial.variant}: seed {run['seed']}, step {run['step']}: {where}"


def _stopped(show: Any, directory: pathlib.Path) -> int:
    show.say(f"stopped; the same command resumes in {directory}")
    return PREEMPTED


def _named(name: str, trials: Sequence[Any]) -> Any:
    """The trial that --trial names."""
    for trial in trials:
        if trial.name == name:
            return trial
    near = nearest(name, [t.name for t in trials])
    hint = f"did you mean {near}? " if near else ""
    raise Refusal(f"--trial={name}: no such trial; {hint}--plan lists them")


def _trials(experiment: Experiment, asked: Asked, declared: Mapping[str, Any]):
    """The trials of a declaration, and {variant: (task, source)}."""
    import jax

    from dljax.runs.trial import Trial, identity
    from dljax.train import cost, parallel

    study = experiment.study
    trials, prepared = [], {}
    seeds = set(declared["seeds"])
    for variant, levels in declared["variants"]:
        config = dataclasses.replace(asked.config, **levels)
        source = experiment.source(config)
        task = experiment.task(config)
        prepared[variant] = (task, source)
        for block in declared["blocks"]:
            if not seeds & set(block):
                continue
            lowering = parallel.resolve(
                config.seeds_by,
                backend=jax.default_backend(),
                devices=jax.device_count(),
                seeds=len(block),
                parameters=cost.parameters(task).total,
            )
            fixed = {
                "study": experiment.name,
                "fixed": declared["fixed"],
                "levels": levels,
                "seeds": block,
                "data": [source.name, source.version, source.fingerprint],
                "lowering": parallel.kind(lowering, jax.device_count()),
                "select": [study.select, *(study.best_by or ())],
            }
            trials.append(
                Trial(
                    name=identity(fixed, variant.replace("/", "-")),
                    variant=variant,
                    config=config,
                    seeds=tuple(block),
                    fixed=json.loads(json.dumps(fixed)),  # as it will be read again
                    lowering=lowering,
                    rule_sha256=declared["rule_sha256"],
                    best_by=study.best_by,
                )
            )
    return trials, prepared


def _print_plan(directory: pathlib.Path, trials: Sequence[Any]) -> None:
    from dljax.runs.trial import status

    for t in trials:
        size = (
            f"{t.config.steps} steps"
            if t.config.steps
            else f"{t.config.epochs:g} epochs"
        )
        now = status(directory / t.name)
        at = f" at step {now.step}" if now.kind == "half done" else ""
        print(f"{t.name}: {len(t.seeds)} seeds, {size}, {t.lowering}, {now.kind}{at}")
