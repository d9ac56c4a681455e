"""Flags <-> frozen dataclasses. Every field is a flag; every flag is a field.

An experiment's `Config` extends `RunConfig`; a field that is one of the study's factors
takes a comma list on the command line. Nothing here imports jax.
"""

import dataclasses
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from absl import flags

from dljax.errors import UserError, closest_match

Role = Literal["science", "logging", "environment", "launch"]


def flag(
    default: Any,
    text: str,
    *,
    role: Role = "science",
    choices: Sequence[Any] = (),
    low: float | None = None,
    below: float | None = None,
    formerly: str = "",
) -> Any:
    """A dataclass field that is a flag: its default, its help, its valid values.

    Args:
      role: "science", a setting that determines a run's numbers: part of a trial's name
        and fixed by study.json; "logging", fixed too, but never a reason to give no
        verdict; "environment", where and how a run is computed, and which runs; or
        "launch", about one invocation of the command, not recorded.
      low: the smallest value. below: values are less than this bound.
      formerly: the flag's name in an earlier version, which is answered with this one.
    """
    metadata = {
        "help": text,
        "role": role,
        "choices": tuple(choices),
        "low": low,
        "below": below,
        "formerly": formerly,
    }
    return dataclasses.field(default=default, metadata=metadata)


FIRST_TUNING_SEED = 1_000_000  # seeds from here on tune, and decide nothing


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What every experiment has. Sizes are in examples, steps or seconds."""

    dataset: str = flag("digits", "data set to train on")
    seed: int = flag(
        0, "first seed", low=0, below=FIRST_TUNING_SEED, role="environment"
    )
    seeds: int = flag(
        8, "how many seeds: --seed=S gives S to S+N-1", low=1, role="environment"
    )
    epochs: float = flag(10.0, "passes over the training data", low=0)
    steps: int = flag(0, "updates; 0: as many as --epochs makes", low=0)
    batch_size: int = flag(64, "examples an update", low=1)
    log_every: int = flag(
        0, "steps between logged rows; 0: 50 rows a run", low=0, role="logging"
    )
    eval_every: int = flag(0, "steps between validations; 0: 20 a run", low=0)
    seeds_by: str = flag(
        "auto",
        "how seeds share the machine",
        choices=("auto", "map", "cores", "vmap", "shard", "pmap"),
        role="environment",
    )
    save_every_secs: float = flag(
        30.0, "seconds between checkpoints", low=0, role="environment"
    )
    workdir: str = flag(
        "", "the study's directory; default runs/NAME-DATASET", role="environment"
    )
    data_dir: str = flag(
        "",
        "prepared data sets; default $TFDS_DATA_DIR or TFDS's own",
        role="environment",
    )
    manual_dir: str = flag(
        "", "a folder with the data set's original files", role="environment"
    )
    resize: int = flag(0, "images become NxN pixels; 0: as they are", low=0)
    download: bool = flag(
        False, "fetch the data set from the network if need be", role="environment"
    )
    full: bool = flag(
        False, "the full size, on which verdicts rest", role="environment"
    )
    smoke: bool = flag(
        False,
        "a few steps of small nets of some variants, as a trial",
        role="environment",
    )
    plan: bool = flag(
        False, "print the trials and their sizes, and stop", role="launch"
    )
    trial: str = flag(
        "", "run only this trial of the study (a name of --plan)", role="launch"
    )
    launcher: str = flag(
        "local",
        "run the trials here or as Slurm jobs, or print their commands",
        choices=("local", "commands", "slurm"),
        role="launch",
    )
    jobs: int = flag(
        1, "processes at a time; 1: all trials in this process", low=1, role="launch"
    )
    retries: int = flag(
        2, "tries more of a process that was killed or crashed", low=0, role="launch"
    )
    slurm_minutes: int = flag(
        60, "time limit of a Slurm job; it is requeued", low=1, role="launch"
    )
    slurm_partition: str = flag("", "Slurm's partition; default its own", role="launch")
    slurm_gpus: int = flag(0, "GPUs of a Slurm job", low=0, role="launch")
    slurm_cpus: int = flag(
        0, "cores of a Slurm job; 0: Slurm's default", low=0, role="launch"
    )
    slurm_more: str = flag("", "more of sbatch: NAME=VALUE,NAME=VALUE", role="launch")
    tensorboard: bool = flag(
        False, "write TensorBoard files too, one set a run", role="environment"
    )
    retry_failed: bool = flag(False, "run trials with failed runs again", role="launch")
    locate_nan: bool = flag(
        False, "say which module of a failed run was not finite", role="launch"
    )
    break_lock: bool = flag(
        False, "take a directory over, whoever has locked it", role="launch"
    )
    profile: bool = flag(
        False,
        "write a trace of each trial (of few --steps, or it is large)",
        role="environment",
    )

    def updates(self, per_epoch: int) -> int:
        """How many updates a run makes, if so many are a pass over the data."""
        return self.steps or max(1, round(self.epochs * per_epoch))


def field_names(config: Any, *roles: Role) -> frozenset[str]:
    """The names of a config's fields that have one of these roles.

    An experiment that declares a field of `RunConfig` again changes its default, not
    its role.

    Args:
      config: a dataclass that extends `RunConfig`, or an instance.
    """
    general = {f.name: f for f in dataclasses.fields(RunConfig)}
    return frozenset(
        f.name
        for f in dataclasses.fields(config)
        if general.get(f.name, f).metadata.get("role", "science") in roles
    )


def field_defaults(config: Any) -> dict[str, Any]:
    """{field: default} of a config."""
    return {f.name: f.default for f in dataclasses.fields(config)}


@dataclasses.dataclass(frozen=True)
class StudyRequest:
    """A command line, parsed.

    config: of the first variant. factors: {name: levels}. explicit_flags: the names of
    the fields that the command line sets.
    """

    config: Any
    factors: Mapping[str, tuple[Any, ...]]
    explicit_flags: frozenset[str]


def _types(cls: type) -> dict[str, type]:
    return typing.get_type_hints(cls)


def parse_value(field: dataclasses.Field, kind: type, text: str) -> Any:
    """One value of a field, as its flag would read it; raises UserError naming it."""
    name, meta = field.name, field.metadata
    if kind is bool:
        return text == "True"  # absl has read it already
    try:
        value: Any = kind(text)
    except ValueError:
        expected = {int: "a whole number", float: "a number"}[kind]
        raise UserError(
            "flag-not-a-number", f"--{name}={text}: must be {expected}"
        ) from None
    if kind is float and not math.isfinite(value):
        raise UserError("flag-not-finite", f"--{name}={text}: must be a finite number")
    if (low := meta.get("low")) is not None and not value >= low:
        raise UserError("flag-out-of-range", f"--{name}={text}: must be at least {low}")
    if (below := meta.get("below")) is not None and not value < below:
        raise UserError(
            "flag-out-of-range", f"--{name}={text}: must be less than {below}"
        )
    choices = meta.get("choices") or ()
    if choices and value not in choices:
        names = [str(choice) for choice in choices]
        near = closest_match(text, names, cutoff=0.3) if kind is str else None
        hint = f"did you mean {near}? " if near else ""
        raise UserError(
            "flag-unknown-choice",
            f"--{name}={text}: {hint}must be one of {', '.join(names)}",
        )
    return value


def parse(
    cls: type,
    arguments: Sequence[str],
    *,
    factors: Mapping[str, Sequence[Any]],
    defaults: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda explicit: {},
) -> StudyRequest:
    """Reads a command line.

    Args:
      cls: a frozen dataclass that extends `RunConfig`.
      arguments: without the program's name.
      factors: the study's factors and their declared levels.
      defaults: {field that the command line sets: value} -> the defaults that differ
        for that data set, --full or --smoke; levels of a factor too.

    Raises:
      UserError: an unknown flag, a bad value, an unknown level.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}
    types = _types(cls)
    texts = _texts(arguments, fields, types)
    explicit = {
        name: parse_value(fields[name], types[name], text)
        for name, text in texts.items()
        if name not in factors
    }
    values = {**defaults(explicit), **explicit}
    levels = {
        name: _levels(fields[name], types[name], texts[name])
        if name in texts
        else tuple(values.get(name, declared))
        for name, declared in factors.items()
    }
    values |= {name: of_factor[0] for name, of_factor in levels.items()}
    return StudyRequest(cls(**values), levels, frozenset(texts))


def _levels(field: dataclasses.Field, kind: type, text: str) -> tuple[Any, ...]:
    """The levels of a factor in a comma list, each once."""
    parts = [part for part in text.split(",") if part]
    if not parts:
        raise UserError(
            "flag-without-value", f"--{field.name}: needs at least one level"
        )
    return tuple(dict.fromkeys(parse_value(field, kind, part) for part in parts))


def _texts(arguments, fields, types) -> dict[str, str]:
    """{field: text} of a command line, by absl's rules."""
    parser = flags.FlagValues()
    for name in fields:
        if types[name] is bool:
            flags.DEFINE_boolean(name, None, "", flag_values=parser)
        else:
            flags.DEFINE_string(name, None, "", flag_values=parser)
    try:
        rest = parser(["", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        for name, field in fields.items():
            if field.metadata.get("formerly") == error.flagname:
                raise UserError(
                    "renamed-flag", f"--{error.flagname}: is now --{name}"
                ) from None
        near = closest_match(error.flagname, fields)
        hint = f"; did you mean --{near}?" if near else "; --help lists them"
        raise UserError(
            "unknown-flag", f"--{error.flagname}: no such flag{hint}"
        ) from None
    except flags.IllegalFlagValueError as error:  # only of true-or-false flags
        flag_and_value = str(error).removeprefix("flag ").split(": ")[0]
        raise UserError(
            "flag-not-boolean", f"{flag_and_value}: must be true or false"
        ) from None
    except flags.Error as error:
        raise UserError("flag-syntax", " ".join(str(error).split())) from None
    if rest:
        raise UserError(
            "not-a-flag", f"{rest[0]}: flags begin with --; --help lists them"
        )
    texts = {name: str(parser[name].value) for name in fields if parser[name].present}
    for name, text in texts.items():
        if text == "" and types[name] is not str:
            raise UserError("flag-without-value", f"--{name}=: needs a value")
    return texts


def describe(cls: type, factors: Mapping[str, Sequence[Any]]) -> str:
    """The text of --help: the experiment's own flags first."""
    fields = dataclasses.fields(cls)
    if issubclass(cls, RunConfig):
        general = field_defaults(RunConfig).keys()
        groups = {
            "This experiment": [f for f in fields if f.name not in general],
            "Every experiment": [f for f in fields if f.name in general],
        }
    else:
        groups = {"Flags": list(fields)}
    lines = []
    for title, group in groups.items():
        lines += [f"{title}:", *(_describe_flag(f, factors) for f in group), ""]
    return "\n".join(lines)


def _describe_flag(
    field: dataclasses.Field, factors: Mapping[str, Sequence[Any]]
) -> str:
    """The line of --help about a flag."""
    name, default, choices = field.name, field.default, field.metadata.get("choices")
    if name in factors:
        default = ",".join(map(str, factors[name]))
    usage = f"--{name}={default}" if default is not False else f"--{name}"
    note = f" (one of {', '.join(map(str, choices))})" if choices else ""
    note += " [factor: a comma list]" if name in factors else ""
    return f"  {usage:<34} {field.metadata.get('help', '')}{note}"
