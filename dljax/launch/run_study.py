"""Runs a study: request -> spec -> plan -> trials -> report."""

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from dljax.config import StudyRequest
from dljax.errors import DONE, FAILED_RUNS
from dljax.studies.experiment import Experiment
from dljax.studies.study_spec import (
    StudySpec,
    make_spec,
    read_spec,
    workdir,
    write_spec,
)
from dljax.trials import disk
from dljax.trials.lock import locked
from dljax.trials.progress import Progress

if TYPE_CHECKING:  # jax is imported once the request is known to be valid
    from dljax.launch.plan import StudyPlan
    from dljax.launch.run_trials import Context


def run_study(
    experiment: Experiment,
    request: StudyRequest,
    *,
    stop: Callable[[], bool],
    progress: Progress,
) -> int:
    """Runs the unfinished trials of a study and writes the report.

    Args:
      experiment: the experiment.
      request: the parsed command line.
      stop: whether to stop after the current step or evaluation.
      progress: reports to the terminal.

    Returns:
      the exit code.

    Raises:
      UserError: any error with an exit code in `dljax.errors`.
    """
    from dljax.launch.run_trials import Context, run_here
    from dljax.studies import benchmark_study, trial_groups, verdict
    from dljax.studies.study_sources import StudySources

    experiment = experiment._replace(source=StudySources(experiment.source))
    verdict.check_rule(experiment.study)
    if experiment.measure:
        benchmark_study.check(experiment.study, request)
    directory, config = workdir(request, experiment.name), request.config
    context = Context(directory, config, stop, progress)
    if config.plan:
        _print_plan(experiment, request, directory)
        return DONE
    disk.check_writable(directory, "workdir")
    if config.trial:
        plan = _plan(experiment, request, _previous_spec(directory), directory)
        bound = trial_groups.named(config.trial, [*plan.tuning, *plan.trials])
        return run_here([bound], context)
    with (
        disk.explain_disk_errors(directory),
        locked(directory, break_lock=config.break_lock, log=progress.log),
    ):
        return _run_and_report(experiment, request, context)


def _plan(
    experiment: Experiment,
    request: StudyRequest,
    previous: StudySpec | None,
    directory: pathlib.Path,
) -> "StudyPlan":
    """Makes the spec and the plan of a request."""
    from dljax.launch.plan import make_plan

    spec = make_spec(experiment, request, previous)
    return make_plan(experiment, request.config, spec, directory)


def _print_plan(
    experiment: Experiment, request: StudyRequest, directory: pathlib.Path
) -> None:
    """Prints the output of --plan."""
    from dljax.launch.plan import describe
    from dljax.studies import verdict

    plan = _plan(experiment, request, _previous_spec(directory), directory)
    print(describe(plan, directory, timed=experiment.measure is None))
    for line in verdict.describe_in_advance(experiment.study, plan.spec):
        print(line)


def _run_and_report(
    experiment: Experiment, request: StudyRequest, context: "Context"
) -> int:
    """Runs tuning, then the trials of the verdict, then writes the report.

    The caller holds the study's lock.
    """
    from dljax.launch.plan import make_plan
    from dljax.launch.run_trials import run_all
    from dljax.studies import benchmark_study, trial_groups, verdict

    directory, config = context.directory, context.config
    previous = _previous_spec(directory)
    plan = _plan(experiment, request, previous, directory)
    for line in verdict.describe_in_advance(experiment.study, plan.spec):
        context.progress.log(line)
    tuned_now = False
    if plan.tuning:
        write_spec(directory, plan.spec)
        code, tuned_now = run_all(plan.tuning, plan.spec, context)
        if code not in (DONE, FAILED_RUNS):
            return code
        if trial_groups.unfinished(plan.tuning, directory):
            context.progress.log(
                "tuning is unfinished; repeat the command once its trials are done"
            )
            return code
        plan = make_plan(experiment, config, plan.spec, directory)
    write_spec(directory, plan.spec)
    if experiment.measure:
        ran = bool(trial_groups.unfinished(plan.trials, directory))
        code = benchmark_study.run(
            experiment.measure,
            plan.trials,
            directory,
            stop=context.stop,
            progress=context.progress,
        )
    else:
        code, ran = run_all(plan.trials, plan.spec, context)
    if code not in (DONE, FAILED_RUNS) or config.launcher == "commands":
        return code
    if not tuned_now and not ran:
        context.progress.log("all trials are done; writing the report again")
    _report(experiment, plan.spec, previous, context)
    return code


def _report(
    experiment: Experiment,
    spec: StudySpec,
    previous: StudySpec | None,
    context: "Context",
) -> None:
    """Writes and prints the report; warns if it replaces a full study's report."""
    from dljax.reporting import report

    directory = context.directory
    replaced = disk.read_json(directory / "report.json") or {}
    if previous and spec.not_judged_because and replaced.get("smoke") is False:
        context.progress.log(
            f"this report of a reduced study replaces the full one (verdict: "
            f"{replaced['verdict']}); write the full one again with {previous.command}"
        )
    summary = report.write(experiment, directory, spec)
    print(report.text(summary, directory))


def _previous_spec(directory: pathlib.Path) -> StudySpec | None:
    """Reads study.json, if a trial of that study has been started."""
    from dljax.trials.trial import status

    trials = [path.parent for path in directory.glob("*/config.json")]
    if any(status(trial).kind != "new" for trial in trials):
        return read_spec(directory)
    return None
