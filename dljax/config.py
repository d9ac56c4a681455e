"""Flags <-> frozen dataclasses. Every field is a flag; every flag is a field.

An experiment's `Config` extends `RunConfig`; a field that is one of the study's factors
takes a comma list on the command line. Nothing here imports jax.
"""

import dataclasses
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

from dljax.errors import UserError, nearest


def flag(
    default: Any,
    text: str,
    *,
    choices: Sequence[Any] = (),
    low: float | None = None,
    below: float | None = None,
    formerly: str = "",
) -> Any:
    """A dataclass field that is a flag: its default, its help, what it may be.

    Args:
      low: the least number. below: what a number has to be less than.
      formerly: the flag's name in an earlier version, which is answered with this one.
    """
    metadata = {
        "help": text,
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
    seed: int = flag(0, "first seed", low=0, below=FIRST_TUNING_SEED)
    seeds: int = flag(8, "how many seeds: --seed=S gives S to S+N-1", low=1)
    epochs: float = flag(10.0, "passes over the training data", low=0)
    steps: int = flag(0, "updates; 0: as many as --epochs makes", low=0)
    batch_size: int = flag(64, "examples an update", low=1)
    log_every: int = flag(0, "steps between logged rows; 0: 50 rows a run", low=0)
    eval_every: int = flag(0, "steps between validations; 0: 20 a run", low=0)
    seeds_by: str = flag(
        "auto",
        "how seeds share the machine",
        choices=("auto", "map", "cores", "vmap", "shard", "pmap"),
    )
    save_every_secs: float = flag(30.0, "seconds between checkpoints", low=0)
    workdir: str = flag("", "the study's directory; default runs/NAME-DATASET")
    data_dir: str = flag("", "prepared data sets; default $TFDS_DATA_DIR or TFDS's own")
    manual_dir: str = flag("", "a folder with the data set's original files")
    resize: int = flag(0, "images become NxN pixels; 0: as they are", low=0)
    download: bool = flag(False, "fetch the data set from the network if need be")
    full: bool = flag(False, "the full size, on which verdicts rest")
    smoke: bool = flag(False, "a few steps of small nets of some variants, as a trial")
    plan: bool = flag(False, "print the trials and their sizes, and stop")
    trial: str = flag("", "run only this trial of the study (a name of --plan)")
    launcher: str = flag(
        "local",
        "run the trials here or as Slurm jobs, or print their commands",
        choices=("local", "commands", "slurm"),
    )
    jobs: int = flag(1, "processes at a time; 1: all trials in this process", low=1)
    retries: int = flag(2, "tries more of a process that was killed or crashed", low=0)
    slurm_minutes: int = flag(60, "time limit of a Slurm job; it is requeued", low=1)
    slurm_partition: str = flag("", "Slurm's partition; default its own")
    slurm_gpus: int = flag(0, "GPUs of a Slurm job", low=0)
    slurm_cpus: int = flag(0, "cores of a Slurm job; 0: Slurm's default", low=0)
    slurm_more: str = flag("", "more of sbatch: NAME=VALUE,NAME=VALUE")
    tensorboard: bool = flag(False, "write TensorBoard files too, one set a run")
    retry_failed: bool = flag(False, "run trials with failed runs again")
    locate_nan: bool = flag(False, "say which module of a failed run was not finite")
    break_lock: bool = flag(False, "take a directory over, whoever has locked it")
    profile: bool = flag(
        False, "write a trace of each trial (of few --steps, or it is large)"
    )

    def updates(self, per_epoch: int) -> int:
        """How many updates a run makes, if so many are a pass over the data."""
        return self.steps or max(1, round(self.epochs * per_epoch))


# Fields that say what to do this once.
ACTIONS = frozenset(
    ["plan", "trial", "launcher", "jobs", "retries", "slurm_minutes"]
    + ["slurm_partition", "slurm_gpus", "slurm_cpus", "slurm_more"]
    + ["retry_failed", "locate_nan", "break_lock"]
)

# Fields that say where and when, not what: they do not determine a run's numbers.
SURROUNDINGS = ACTIONS | frozenset(
    [
        "seed",
        "seeds",
        "workdir",
        "data_dir",
        "manual_dir",
        "download",
        "full",
        "smoke",
        "profile",
        "tensorboard",
        "save_every_secs",
        "seeds_by",
    ]
)


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
        what = {int: "a whole number", float: "a number"}[kind]
        raise UserError(f"--{name}={text}: must be {what}") from None
    if kind is float and not math.isfinite(value):
        raise UserError(f"--{name}={text}: must be a finite number")
    if (low := meta.get("low")) is not None and not value >= low:
        raise UserError(f"--{name}={text}: must be at least {low}")
    if (below := meta.get("below")) is not None and not value < below:
        raise UserError(f"--{name}={text}: must be less than {below}")
    choices = meta.get("choices") or ()
    if choices and value not in choices:
        known = [str(choice) for choice in choices]
        near = nearest(text, known, cutoff=0.3) if kind is str else None
        hint = f"did you mean {near}? " if near else ""
        raise UserError(f"--{name}={text}: {hint}must be one of {', '.join(known)}")
    return value


def parse(
    cls: type,
    arguments: Sequence[str],
    *,
    factors: Mapping[str, Sequence[Any]],
    sizes: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda given: {},
) -> StudyRequest:
    """Reads a command line.

    Args:
      cls: a frozen dataclass that extends `RunConfig`.
      arguments: without the program's name.
      factors: the study's factors and their declared levels.
      sizes: given the fields that the command line sets, the defaults that differ for
        that data set, --full or --smoke; levels of a factor too.

    Raises:
      UserError: an unknown flag, a bad value, an unknown level.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}
    types = _types(cls)
    texts = _texts(arguments, fields, types)
    values: dict[str, Any] = {}
    levels = {name: tuple(declared) for name, declared in factors.items()}
    chosen = {
        name: parse_value(fields[name], types[name], text)
        for name, text in texts.items()
        if name not in factors
    }
    for name, value in sizes(chosen).items():
        if name in levels:
            levels[name] = tuple(value)
        else:
            values[name] = value
    values |= chosen
    for name, text in texts.items():
        if name in factors:
            parts = [part for part in text.split(",") if part]
            if not parts:
                raise UserError(f"--{name}: needs at least one level")
            levels[name] = tuple(
                dict.fromkeys(
                    parse_value(fields[name], types[name], part) for part in parts
                )
            )
    values |= {name: declared[0] for name, declared in levels.items()}
    return StudyRequest(cls(**values), levels, frozenset(texts))


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
                raise UserError(f"--{error.flagname}: is now --{name}") from None
        near = nearest(error.flagname, fields)
        hint = f"; did you mean --{near}?" if near else "; --help lists them"
        raise UserError(f"--{error.flagname}: no such flag{hint}") from None
    except flags.IllegalFlagValueError as error:  # only of true-or-false flags
        flag_and_value = str(error).removeprefix("flag ").split(": ")[0]
        raise UserError(f"{flag_and_value}: must be true or false") from None
    except flags.Error as error:
        raise UserError(" ".join(str(error).split())) from None
    if rest:
        raise UserError(f"{rest[0]}: flags begin with --; --help lists them")
    given = {name: parser[name].value for name in fields if parser[name].present}
    for name, value in given.items():
        if value == "" and types[name] is not str:
            raise UserError(f"--{name}=: needs a value")
    return {name: str(value) for name, value in given.items()}


def describe(cls: type, factors: Mapping[str, Sequence[Any]]) -> str:
    """The text of --help: the experiment's own flags first."""
    fields = dataclasses.fields(cls)
    if issubclass(cls, RunConfig):
        shared = {f.name for f in dataclasses.fields(RunConfig)}
        groups = {
            "This experiment": [f for f in fields if f.name not in shared],
            "Every experiment": [f for f in fields if f.name in shared],
        }
    else:
        groups = {"Flags": list(fields)}
    lines = []
    for title, group in groups.items():
        lines.append(f"{title}:")
        for f in group:
            default = f.default
            if f.name in factors:
                default = ",".join(map(str, factors[f.name]))
            shown = f"--{f.name}={default}" if default is not False else f"--{f.name}"
            note = (
                f" (one of {', '.join(map(str, c))})"
                if (c := f.metadata.get("choices"))
                else ""
            )
            note += " [factor: a comma list]" if f.name in factors else ""
            lines.append(f"  {shown:<34} {f.metadata.get('help', '')}{note}")
        lines.append("")
    return "\n".join(lines)
