"""Command-line flags as frozen dataclasses: a field is a flag, a flag is a field.

An experiment's `Config` extends `RunConfig`. A field that is a factor of the study
takes a comma-separated list of levels on the command line. Nothing here imports jax.
"""

import dataclasses
import math
import textwrap
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from absl import flags

from dljax.errors import UserError, closest_match

Role = Literal["science", "logging", "environment", "launch"]
Group = Literal[
    "Data",
    "Size and training",
    "Seeds and devices",
    "Output and checkpoints",
    "Launching",
    "Debugging",
]


def flag(
    default: Any,
    text: str,
    *,
    role: Role = "science",
    group: Group | None = None,
    choices: Sequence[Any] = (),
    low: float | None = None,
    below: float | None = None,
    formerly: str = "",
) -> Any:
    """Declares a dataclass field that is a flag.

    Args:
      default: the default value.
      text: the help text, one line.
      role: what the value decides. "science": a run's numbers; part of a trial's name
        and fixed by study.json. "logging": fixed too, but without effect on the
        verdict. "environment": which runs are computed, where and how. "launch": one
        invocation of the command; not recorded.
      group: the group of --help; None for the flags of one experiment.
      choices: the valid values, if not all.
      low: the smallest valid value.
      below: the upper bound, exclusive.
      formerly: the flag's name in an earlier version. The error for the old name
        contains the new one.
    """
    metadata = {
        "help": text,
        "role": role,
        "group": group,
        "choices": tuple(choices),
        "low": low,
        "below": below,
        "formerly": formerly,
    }
    return dataclasses.field(default=default, metadata=metadata)


FIRST_TUNING_SEED = 1_000_000  # smaller seeds are for the verdict, the rest for tuning


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The flags of every experiment."""

    dataset: str = flag("digits", "name of the data set", group="Data")
    data_dir: str = flag(
        "",
        "directory of prepared data sets (default: $TFDS_DATA_DIR or TFDS's own)",
        role="environment",
        group="Data",
    )
    manual_dir: str = flag(
        "",
        "directory or file with the data set's original files",
        role="environment",
        group="Data",
    )
    download: bool = flag(
        False,
        "download the data set if it is not prepared",
        role="environment",
        group="Data",
    )
    resize: int = flag(
        0, "resize images to N x N pixels (0: keep their size)", low=0, group="Data"
    )
    full: bool = flag(
        False,
        "use the size on which the verdict rests, where it is not the default size",
        role="environment",
        group="Size and training",
    )
    epochs: float = flag(
        10.0,
        "passes over the training data (ignored where --steps is not 0)",
        low=0,
        group="Size and training",
    )
    steps: int = flag(
        0,
        "number of updates (0: computed from --epochs)",
        low=0,
        group="Size and training",
    )
    batch_size: int = flag(64, "examples per update", low=1, group="Size and training")
    eval_every: int = flag(
        0,
        "updates between evaluations on validation data (0: 20 per run)",
        low=0,
        group="Size and training",
    )
    seed: int = flag(
        0,
        "first seed",
        low=0,
        below=FIRST_TUNING_SEED,
        role="environment",
        group="Seeds and devices",
    )
    seeds: int = flag(
        8,
        "number of seeds: --seed=S --seeds=N runs S to S+N-1",
        low=1,
        role="environment",
        group="Seeds and devices",
    )
    seeds_by: str = flag(
        "auto",
        "how the seeds are spread over the devices; auto: by a fixed table",
        choices=("auto", "map", "cores", "vmap", "shard", "pmap"),
        role="environment",
        group="Seeds and devices",
    )
    workdir: str = flag(
        "",
        "directory of the study (default: runs/NAME-DATASET)",
        role="environment",
        group="Output and checkpoints",
    )
    log_every: int = flag(
        0,
        "updates between rows of metrics.jsonl (0: 50 rows per run)",
        low=0,
        role="logging",
        group="Output and checkpoints",
    )
    save_every_secs: float = flag(
        30.0,
        "seconds between checkpoints",
        low=0,
        role="environment",
        group="Output and checkpoints",
    )
    tensorboard: bool = flag(
        False,
        "also write TensorBoard files, one set per run",
        role="environment",
        group="Output and checkpoints",
    )
    plan: bool = flag(
        False,
        "print the trials with their sizes and times, and exit",
        role="launch",
        group="Launching",
    )
    trial: str = flag(
        "",
        "run one trial only (a name printed by --plan)",
        role="launch",
        group="Launching",
    )
    jobs: int = flag(
        1,
        "trials at a time, as processes (1: one after another in this process)",
        low=1,
        role="launch",
        group="Launching",
    )
    launcher: str = flag(
        "local",
        "local: here; slurm: as Slurm jobs; commands: only print the commands",
        choices=("local", "commands", "slurm"),
        role="launch",
        group="Launching",
    )
    retries: int = flag(
        2,
        "how often a killed or crashed process is started again",
        low=0,
        role="launch",
        group="Launching",
    )
    retry_failed: bool = flag(
        False, "run failed trials again", role="launch", group="Launching"
    )
    break_lock: bool = flag(
        False,
        "take over a directory that another process has locked",
        role="launch",
        group="Launching",
    )
    slurm_minutes: int = flag(
        60,
        "time limit of a Slurm job in minutes; the job is requeued at the limit",
        low=1,
        role="launch",
        group="Launching",
    )
    slurm_partition: str = flag(
        "", "Slurm partition (default: Slurm's)", role="launch", group="Launching"
    )
    slurm_gpus: int = flag(
        0, "GPUs per Slurm job", low=0, role="launch", group="Launching"
    )
    slurm_cpus: int = flag(
        0,
        "CPU cores per Slurm job (0: Slurm's default)",
        low=0,
        role="launch",
        group="Launching",
    )
    slurm_more: str = flag(
        "",
        "other options of sbatch, as NAME=VALUE,NAME=VALUE",
        role="launch",
        group="Launching",
    )
    smoke: bool = flag(
        False,
        "run a few updates of small networks, to check that everything works",
        role="environment",
        group="Debugging",
    )
    locate_nan: bool = flag(
        False,
        "name the module whose values are not finite in each failed run",
        role="launch",
        group="Debugging",
    )
    profile: bool = flag(
        False,
        "write a profiler trace of each trial (use few --steps)",
        role="environment",
        group="Debugging",
    )

    def updates(self, per_epoch: int) -> int:
        """The number of updates of a run.

        Args:
          per_epoch: updates per pass over the training data.
        """
        return self.steps or max(1, round(self.epochs * per_epoch))


COMMON_FIELDS = {f.name: f for f in dataclasses.fields(RunConfig)}


def field_names(config: Any, *roles: Role) -> frozenset[str]:
    """The names of a config's fields that have one of these roles.

    An experiment that declares a field of `RunConfig` again changes the default, not
    the role.

    Args:
      config: a dataclass that extends `RunConfig`, or an instance.
      *roles: see `flag`.
    """
    return frozenset(
        f.name
        for f in dataclasses.fields(config)
        if COMMON_FIELDS.get(f.name, f).metadata.get("role", "science") in roles
    )


def field_defaults(config: Any) -> dict[str, Any]:
    """The defaults of a config's fields, by name."""
    return {f.name: f.default for f in dataclasses.fields(config)}


@dataclasses.dataclass(frozen=True)
class StudyRequest:
    """A parsed command line.

    Attributes:
      config: the config of the first variant.
      factors: {factor: levels}.
      explicit_flags: the names of the fields that the command line sets.
    """

    config: Any
    factors: Mapping[str, tuple[Any, ...]]
    explicit_flags: frozenset[str]


def _types(cls: type) -> dict[str, type]:
    return typing.get_type_hints(cls)


def parse_value(field: dataclasses.Field, kind: type, text: str) -> Any:
    """Converts one value of a flag to the field's type and checks it.

    Raises:
      UserError: the value is malformed or not among the valid ones.
    """
    name, meta = field.name, field.metadata
    if kind is bool:
        return text == "True"  # absl has parsed the flag
    try:
        value: Any = kind(text)
    except ValueError:
        expected = {int: "an integer", float: "a number"}[kind]
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
    """Parses a command line.

    Args:
      cls: a frozen dataclass whose fields are declared with `flag`.
      arguments: the command line without the program's name.
      factors: {factor: levels} as the study declares them.
      defaults: maps {field that the command line sets: value} to {field: default},
        where the data set, --full or --smoke changes a default; a factor's default is
        its levels.

    Raises:
      UserError: an unknown flag or an invalid value.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}
    types = _types(cls)
    texts, words = _texts(arguments, fields, types)
    if words:
        raise UserError(
            "not-a-flag", f"{words[0]}: flags begin with --; --help lists the flags"
        )
    explicit = {
        name: _fixed_value(cls, fields[name], types[name], text)
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


def parse_words(cls: type, arguments: Sequence[str]) -> tuple[list[str], Any]:
    """Parses a command line that has arguments besides the flags, in any order.

    Args:
      cls: a frozen dataclass whose fields are declared with `flag`.
      arguments: the command line without the program's name.

    Returns:
      the arguments that are no flags, and an instance of `cls`.

    Raises:
      UserError: an unknown flag or an invalid value.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}
    types = _types(cls)
    texts, words = _texts(arguments, fields, types)
    values = {k: parse_value(fields[k], types[k], text) for k, text in texts.items()}
    return words, cls(**values)


def _fixed_value(cls: type, field: dataclasses.Field, kind: type, text: str) -> Any:
    """Parses the value of a flag that is no factor.

    Raises:
      UserError: see `parse_value`; another error if a list of levels is given.
    """
    try:
        return parse_value(field, kind, text)
    except UserError:
        if "," not in text or field.name not in field_names(cls, "science"):
            raise
        raise UserError(
            "not-a-factor",
            f"--{field.name}={text}: {field.name} is not a factor; give one value, or "
            "add it to STUDY.factors to give several levels",
        ) from None


def _levels(field: dataclasses.Field, kind: type, text: str) -> tuple[Any, ...]:
    """Parses a comma-separated list of levels; repeated levels are dropped."""
    parts = [part for part in text.split(",") if part]
    if not parts:
        raise UserError(
            "flag-without-value", f"--{field.name}=: give at least one level"
        )
    return tuple(dict.fromkeys(parse_value(field, kind, part) for part in parts))


def _texts(arguments, fields, types) -> tuple[dict[str, str], list[str]]:
    """Splits a command line, by absl's syntax, into {field: text} and other words."""
    parser = flags.FlagValues()
    parser.set_gnu_getopt(True)  # flags may follow other words
    for name in fields:
        if types[name] is bool:
            flags.DEFINE_boolean(name, None, "", flag_values=parser)
        else:
            flags.DEFINE_string(name, None, "", flag_values=parser)
    try:
        words = parser(["", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        for name, field in fields.items():
            if field.metadata.get("formerly") == error.flagname:
                raise UserError(
                    "renamed-flag",
                    f"--{error.flagname}: this flag was renamed; use --{name}",
                ) from None
        near = closest_match(error.flagname, fields)
        hint = f"did you mean --{near}? " if near else ""
        raise UserError(
            "unknown-flag",
            f"--{error.flagname}: unknown flag; {hint}--help lists the flags",
        ) from None
    except flags.IllegalFlagValueError as error:  # of a boolean flag
        flag_and_value = str(error).removeprefix("flag ").split(": ")[0]
        raise UserError(
            "flag-not-boolean", f"{flag_and_value}: must be true or false"
        ) from None
    except flags.Error as error:
        raise UserError("flag-syntax", " ".join(str(error).split())) from None
    texts = {name: str(parser[name].value) for name in fields if parser[name].present}
    for name, text in texts.items():
        if text == "" and types[name] is not str:
            raise UserError("flag-without-value", f"--{name}=: give a value")
    return texts, words


def describe(cls: type, factors: Mapping[str, Sequence[Any]]) -> str:
    """The flags part of --help.

    An experiment's own flags come first, the flags of `RunConfig` follow by group.

    Args:
      cls: a dataclass whose fields are declared with `flag`.
      factors: {factor: levels}; a factor's flag is printed with its levels.
    """
    is_experiment = issubclass(cls, RunConfig)
    own = "Flags of this experiment" if is_experiment else "Flags"
    if factors:
        own += " (a [factor] takes a comma-separated list of levels)"
    groups: dict[str, list[dataclasses.Field]] = {own: []}
    groups |= {name: [] for name in typing.get_args(Group) if is_experiment}
    order = list(COMMON_FIELDS) if is_experiment else []
    fields = sorted(
        dataclasses.fields(cls),
        key=lambda f: order.index(f.name) if f.name in order else -1,
    )
    for field in fields:
        common = COMMON_FIELDS.get(field.name) if is_experiment else None
        groups[common.metadata["group"] if common else own].append(field)
    sections = [
        "\n".join([f"{title}:", *(_describe_flag(f, factors) for f in members)])
        for title, members in groups.items()
        if members
    ]
    return "\n\n".join(sections)


HELP_WIDTH = 100  # columns of --help
FLAG_WIDTH = 24  # columns of a flag and its default


def _describe_flag(
    field: dataclasses.Field, factors: Mapping[str, Sequence[Any]]
) -> str:
    """A flag, its default and its help text: one line, unless they are too long."""
    name, default, choices = field.name, field.default, field.metadata.get("choices")
    text = field.metadata.get("help", "")
    if name in factors:
        text += " [factor]"
        default = ",".join(map(str, factors[name]))
        choices = [c for c in choices or () if c not in factors[name]] and choices
    usage = f"  --{name}" if default is False else f"  --{name}={default}"
    if choices:
        text += f" (one of {', '.join(map(str, choices))})"
    indent = " " * (FLAG_WIDTH + 2)
    lines = textwrap.wrap(text, HELP_WIDTH - len(indent))
    if len(usage) > FLAG_WIDTH:
        return "\n".join([usage, *(indent + line for line in lines)])
    first, *others = lines or [""]
    return "\n".join(
        [f"{usage:<{len(indent)}}{first}".rstrip(), *(indent + o for o in others)]
    )
