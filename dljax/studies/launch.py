"""A study from its declaration to its report: trial after trial, in this process."""

import dataclasses
import json
import pathlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dljax.config import SURROUNDINGS, Asked
from dljax.errors import DISK, DONE, FAILED_RUNS, PREEMPTED, Refusal
from dljax.studies.experiment import Experiment
from dljax.studies.study import rule_hash, variants


def workdir(asked: Asked, name: str) -> pathlib.Path:
    """The study's directory: --workdir, or runs/NAME-DATASET."""
    config = asked.config
    if config.workdir:
        return pathlib.Path(config.workdir).expanduser().absolute()
    size = "-smoke" if config.smoke else ""  # so that it never replaces a report
    return pathlib.Path("runs", f"{name}-{config.dataset}{size}").absolute()


def check_writable(directory: pathlib.Path, flag: str) -> None:
    """Raises Refusal where nothing can be written to `directory`."""
    probe = directory / ".writable"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise Refusal(
            f"--{flag}={directory}: {error.strerror}; give a directory that can be "
            "written",
            DISK,
        ) from None


def declare(
    experiment: Experiment, asked: Asked, found: Mapping[str, Any] | None
) -> dict[str, Any]:
    """study.json: this declaration, beside what an earlier one in `found` fixed.

    A shortened study (fewer steps, or smoke) fixes nothing for those that follow.

    Raises:
      Refusal: it differs from the earlier one in the data set or a fixed field.
    """
    config, study = asked.config, experiment.study
    fixed = {
        f.name: getattr(config, f.name)
        for f in dataclasses.fields(config)
        if f.name not in SURROUNDINGS and f.name not in asked.factors
    }
    seeds = list(range(config.seed, config.seed + config.seeds))
    blocks: list[list[int]] = []
    if found:
        differences = [
            f"--{k}={v} (there: {found['fixed'].get(k)})"
            for k, v in fixed.items()
            if found["fixed"].get(k) != v
        ]
        if found["study"] != experiment.name:
            differences.insert(
                0, f"the experiment {experiment.name} ({found['study']})"
            )
        if differences and not found["shortened"]:
            raise Refusal(
                "--workdir: holds a study with other settings: "
                f"{', '.join(differences)}; give the same, or another --workdir"
            )
        blocks = [] if differences else found["blocks"]
    known = {seed for block in blocks for seed in block}
    if new := [seed for seed in seeds if seed not in known]:
        blocks = [*blocks, new]
    short = shortened(experiment, asked)
    return {
        "study": experiment.name,
        "module": experiment.module,
        "dataset": config.dataset,
        "fixed": fixed,
        "factors": {name: list(levels) for name, levels in asked.factors.items()},
        "seeds": seeds,
        "blocks": blocks,
        "shortened": short,
        "reduced": "fewer steps than declared" if short else reduced(experiment, asked),
        "rule_sha256": rule_hash(study),
        "command": command(experiment, asked),
    }


def _usual(experiment: Experiment, asked: Asked) -> Any:
    """The config as declared for this data set and size."""
    config = asked.config
    same = {
        n: getattr(config, n) for n in ("dataset", "data_dir", "manual_dir", "full")
    }
    sizes = experiment.study.defaults({"full": config.full}, config.dataset)
    fields = {k: v for k, v in sizes.items() if k not in experiment.study.factors}
    return experiment.config(**same | fields)


def shortened(experiment: Experiment, asked: Asked) -> bool:
    """Whether it makes fewer updates than declared."""
    from dljax.data.source import updates

    if asked.config.smoke:
        return True
    source = experiment.source(asked.config)
    usual = _usual(experiment, asked)
    return updates(asked.config, source) < updates(usual, source)


def reduced(experiment: Experiment, asked: Asked) -> str:
    """Why a verdict would not count though every step is made, or ""."""
    config, study = asked.config, experiment.study
    usual = _usual(experiment, asked)
    if config.seeds < usual.seeds:
        return f"{config.seeds} of {usual.seeds} seeds"
    for name, levels in study.factors.items():
        if lost := [level for level in levels if level not in asked.factors[name]]:
            return f"without {name} {', '.join(map(str, lost))}"
    if not config.full and config.dataset not in study.sufficient:
        return "not the full size (--full)"
    return ""


def command(experiment: Experiment, asked: Asked) -> str:
    """The command that asks for the same again."""
    parts = ["python", "-m", experiment.module]
    for name in sorted(asked.given):
        value = asked.factors.get(name) or getattr(asked.config, name)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        parts.append(f"--{name}" if value is True else f"--{name}={text}")
    return shlex.join(parts)


def read_study(directory: pathlib.Path) -> dict[str, Any] | None:
    """The study.json of a study's directory, if there is one."""
    path = directory / "study.json"
    try:
        return json.loads(path.read_text()) if path.is_file() else None
    except json.JSONDecodeError:
        raise Refusal(f"{path}: is damaged; move it away and start again") from None


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
    """
    from dljax.runs import trial as runs

    directory = workdir(asked, experiment.name)
    declared = declare(experiment, asked, read_study(directory))
    trials, prepared = _trials(experiment, asked, declared)
    declared["trials"] = [[t.variant, t.name] for t in trials]
    done = [t for t in trials if runs.is_done(directory / t.name)]
    if asked.config.plan:
        _print_plan(trials, done)
        return DONE
    check_writable(directory, "workdir")
    runs.write_json(directory / "study.json", declared)
    show.say(
        f"{experiment.name}: {len(trials)} trials of up to "
        f"{max(len(t.seeds) for t in trials)} seeds in {directory}"
    )
    for trial in trials:
        if trial in done:
            show.say(f"{trial.variant}: done already")
            continue
        if stop():
            return _stopped(show, directory)
        task, source = prepared[trial.variant]
        told = runs.run(
            trial, task, source, directory / trial.name, stop=stop, show=show
        )
        if told.stopped:
            return _stopped(show, directory)
        show.say(f"{trial.variant}: finished in {told.secs:.1f} s")
    if len(done) == len(trials):
        show.say("everything is done; the report is written again")
    from dljax.studies import report

    summary = report.write(experiment, directory, declared)
    print(report.text(summary, directory))
    if summary["failed"]:
        failed = (f"{run['variant']} seed {run['seed']}" for run in summary["failed"])
        show.say(f"failed (a loss was not finite): {', '.join(failed)}")
        return FAILED_RUNS
    return DONE


def _stopped(show: Any, directory: pathlib.Path) -> int:
    show.say(f"stopped; the same command resumes in {directory}")
    return PREEMPTED


def _trials(experiment: Experiment, asked: Asked, declared: Mapping[str, Any]):
    """The trials of a declaration, and {variant: (task, source)}."""
    import jax

    from dljax.runs.trial import Trial, identity
    from dljax.train import cost, parallel

    trials, prepared = [], {}
    seeds = set(declared["seeds"])
    for variant, levels in variants(declared["factors"]).items():
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
            }
            name = identity(fixed, variant.replace("/", "-"))
            rule = declared["rule_sha256"]
            seeds_here = tuple(block)
            trials.append(
                Trial(name, variant, config, seeds_here, fixed, lowering, rule)
            )
    return trials, prepared


def _print_plan(trials: Sequence[Any], done: Sequence[Any]) -> None:
    for t in trials:
        size = (
            f"{t.config.steps} steps"
            if t.config.steps
            else f"{t.config.epochs:g} epochs"
        )
        state = "done" if t in done else "to do"
        print(f"{t.name}: {len(t.seeds)} seeds, {size}, {t.lowering}, {state}")
