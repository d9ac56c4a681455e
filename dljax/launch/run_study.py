"""A study from its declaration to its report: tuning, then the trials that decide."""

import collections
import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dljax.config import StudyRequest
from dljax.errors import DONE, FAILED_RUNS, PREEMPTED
from dljax.launch import processes
from dljax.studies.experiment import Experiment
from dljax.studies.study_spec import declare, read_study, workdir
from dljax.trials import disk
from dljax.trials.lock import locked


def launch(
    experiment: Experiment,
    asked: StudyRequest,
    *,
    stop: Callable[[], bool],
    show: Any,
) -> int:
    """Runs what of a study is not done yet, writes its report, and says so.

    Returns:
      the exit code.

    Raises:
      UserError: for all that `dljax.errors` has a code.
    """
    from dljax.studies import benchmark_study, trial_groups, tuning, verdict

    verdict.rehearse(experiment.study)
    if experiment.measure:
        benchmark_study.check(experiment.study, asked)
    directory, config = workdir(asked, experiment.name), asked.config
    if config.plan or config.trial:
        declared = declare(experiment, asked, _begun_study(directory))
        tune, decide = tuning.trials(experiment, asked, declared), []
        if not trial_groups.unfinished(tune, directory):
            decide = _decide(experiment, asked, declared, directory)
        if config.plan:
            from dljax.launch import plan

            clock = experiment.measure is None
            print(plan.plan(tune, decide, declared, directory, clock=clock))
            for why in verdict.foreseen(experiment.study, declared):
                print(why)
            return DONE
        disk.check_writable(directory, "workdir")
        one = trial_groups.named(config.trial, [*tune, *decide])
        return _run([one], directory, config, stop=stop, show=show)
    disk.check_writable(directory, "workdir")
    with (
        disk.refusals(directory),
        locked(directory, break_lock=config.break_lock, say=show.say),
    ):
        before = _begun_study(directory)
        declared = declare(experiment, asked, before)
        for why in verdict.foreseen(experiment.study, declared):
            show.say(why)
        code, ran = DONE, False
        if tune := tuning.trials(experiment, asked, declared):
            disk.write_json(directory / "study.json", declared)
            code, ran = _all(tune, declared, directory, config, stop=stop, show=show)
            if code not in (DONE, FAILED_RUNS):
                return code
            if trial_groups.unfinished(tune, directory):
                show.say("these tune; once they are done, the same command goes on")
                return code
        decide = _decide(experiment, asked, declared, directory)
        declared["trials"] = [one.listed for one in decide]
        disk.write_json(directory / "study.json", declared)
        if experiment.measure:
            more = bool(trial_groups.unfinished(decide, directory))
            measure = experiment.measure
            worse = benchmark_study.run(
                measure, decide, directory, stop=stop, show=show
            )
        else:
            worse, more = _all(
                decide, declared, directory, config, stop=stop, show=show
            )
        if worse not in (DONE, FAILED_RUNS) or config.launcher == "commands":
            return worse
        if not ran and not more:
            show.say("everything is done; the report is written again")
        from dljax.reporting import report

        told = disk.read_json(directory / "report.json") or {}
        if before and declared["reduced"] and told.get("smoke") is False:
            show.say(
                f"this report replaces the whole study's ({told['verdict']}), which "
                f"{before['command']} writes again"
            )
        summary = report.write(experiment, directory, declared)
    print(report.text(summary, directory))
    return worse


def _decide(
    experiment: Experiment,
    asked: StudyRequest,
    declared: dict[str, Any],
    directory: pathlib.Path,
) -> list[Any]:
    """The trials that a verdict rests on, once those that tune are finished."""
    from dljax.studies import trial_groups, tuning

    best: dict[str, dict[str, Any]] = {}
    if declared["tuning"]:
        best = tuning.chosen(tuning.scores(experiment.study, declared, directory))
    return trial_groups.of_verdict(experiment, asked.config, declared, best)


def _begun_study(directory: pathlib.Path) -> dict[str, Any] | None:
    """The study.json there, if anything was computed for it."""
    from dljax.trials.trial import status

    there = [path.parent for path in directory.glob("*/config.json")]
    begun = any(status(place).kind != "new" for place in there)
    return read_study(directory) if begun else None


def _all(
    prepared: Sequence[Any],
    declared: Mapping[str, Any],
    directory: pathlib.Path,
    config: Any,
    *,
    stop: Callable[[], bool],
    show: Any,
) -> tuple[int, bool]:
    """Runs a list of trials as --launcher and --jobs say.

    Returns:
      the exit code, and whether there was anything to do.
    """
    from dljax.studies import trial_groups

    left = trial_groups.unfinished(prepared, directory, again=config.retry_failed)
    also = [name for name in ("break_lock", "retry_failed") if getattr(config, name)]
    todo = processes.commands(declared["command"], left, str(directory), also)
    if config.launcher == "commands":
        print("\n".join(todo.values()), end="\n" if todo else "")
        if not todo:
            show.say("all is done; without --launcher=commands the report is written")
        return DONE, bool(todo)
    _say_ledger(declared, directory, prepared, show)
    apart = config.launcher == "slurm" or config.jobs > 1
    if apart and todo:
        code = processes.run_all(
            todo,
            processes.start_with(config, directory, show),
            jobs=len(todo) if config.launcher == "slurm" else config.jobs,
            retries=config.retries,
            stop=stop,
            show=show,
        )
        config = dataclasses.replace(config, retry_failed=False)  # they were, apart
        if code == PREEMPTED:
            return _stopped(show, directory), True
        if code not in (DONE, FAILED_RUNS):
            return code, True
        if left := trial_groups.unfinished(prepared, directory):
            show.say(f"{len(left)} trials are not finished: {', '.join(left)}")
            prepared = [one for one in prepared if one.trial.name not in left]
            _run(prepared, directory, config, stop=stop, show=show)
            return FAILED_RUNS, True
    return _run(prepared, directory, config, stop=stop, show=show), bool(todo)


def _say_ledger(
    declared: Mapping[str, Any],
    directory: pathlib.Path,
    prepared: Sequence[Any],
    show: Any,
) -> None:
    """Says what of a study is there, and what is there besides."""
    from dljax.trials.trial import status

    names = [one.trial.name for one in prepared]
    kinds = collections.Counter(status(directory / name).kind for name in names)
    counts = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    most = max(len(one.trial.runs) for one in prepared)
    plural = "s" if len(prepared) > 1 else ""
    short = " (shortened: fewer steps than declared)" if declared["shortened"] else ""
    what = " that tune" if not prepared[0].trial.test else ""
    show.say(
        f"{declared['study']}: {len(prepared)} trial{plural}{what} of up to {most} "
        f"runs in {directory}: {counts}{short}"
    )
    ours = {*names, *(name for _, name, _ in declared["tuning"])}
    others = [p for p in directory.glob("*/config.json") if p.parent.name not in ours]
    if others and prepared[0].trial.test:
        show.say(
            f"{len(others)} more there, of other flags, are left alone; the report is "
            "of this command's trials only"
        )


def _run(
    prepared: Sequence[Any],
    directory: pathlib.Path,
    config: Any,
    *,
    stop: Callable[[], bool],
    show: Any,
) -> int:
    """Runs those trials that are not done; returns the exit code."""
    from dljax.trials import manifest
    from dljax.trials.run_trial import execute
    from dljax.trials.trial import refuse_changed, status

    here = manifest.surroundings(config)
    failed = 0
    for trial, task, source, sink in prepared:
        place = directory / trial.name
        now = status(place)
        refuse_changed(place, now)
        if now.kind == "failed" and config.retry_failed and trial.test:
            show.say(f"{trial.variant}: failed; kept as {_step_aside(place)}")
            now = status(place)
        if now.finished:
            retry = "; --retry_failed runs it again" if now.kind == "failed" else ""
            kind, retry = (now.kind, retry) if trial.test else ("done", "")
            show.say(f"{trial.variant}: {kind} already{_since(place, here)}{retry}")
        else:
            if stop():
                return _stopped(show, directory)
            told = execute(trial, task, source, place, stop=stop, show=show, sink=sink)
            if told.stopped:
                return _stopped(show, directory)
            show.say(f"{trial.variant}: finished in {told.secs:.1f} s")
            now = status(place)
        for run in now.failed:
            failed += 1
            show.say(failure(run))
            if config.locate_nan:
                show.say(_locate(trial, task, source, place, run, show))
    return FAILED_RUNS if failed else DONE


def failure(run: Mapping[str, Any]) -> str:
    """A failed run in words: of DONE's {"variant", "seed", "step", "metric"}."""
    return (
        f"{run['variant']}: seed {run['seed']} failed: {run['metric']} not finite at "
        f"step {run['step']}"
    )


def _since(place: pathlib.Path, here: Mapping[str, Any]) -> str:
    """What around a finished trial has changed since, `here` as it is now."""
    from dljax.trials import manifest

    before = disk.read_json(place / "manifest.json")
    if not isinstance(before, dict):
        return " (manifest.json is missing or damaged)"
    differs = manifest.differences(before, here)
    return f" ({'; '.join(differs)})" if differs else ""


def _step_aside(place: pathlib.Path) -> pathlib.Path:
    names = (place.with_name(f"{place.name}.failed-{i}") for i in range(1, 1000))
    return place.rename(next(path for path in names if not path.exists()))


def _locate(trial, task, source, place, run, show) -> str:
    """Where in the network a failed run's step is first not finite."""
    from dljax.training import nonfinite
    from dljax.trials.run_trial import compiled, restore

    restored = restore(
        trial, compiled(trial, task, source), place, say=show.say, resume=False
    )
    assert restored is not None, "a finished trial has a checkpoint"
    index = [(r.variant, r.seed) for r in trial.runs].index(
        (run["variant"], run["seed"])
    )
    where = nonfinite.locate(
        task(trial.runs[index].numbers),
        source,
        nonfinite.one(restored.tree.state, index),
        source.split(run["seed"])["train"],
        batch_size=trial.config.batch_size,
    )
    return f"{run['variant']}: seed {run['seed']}, step {run['step']}: {where}"


def _stopped(show: Any, directory: pathlib.Path) -> int:
    show.say(f"stopped; the same command resumes in {directory}")
    return PREEMPTED
