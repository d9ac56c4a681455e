"""study.json: a study as a command line resolves it, and whether a verdict is given."""

import dataclasses
import hashlib
import json
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from dljax.config import (
    FIRST_TUNING_SEED,
    StudyRequest,
    field_defaults,
    field_names,
)
from dljax.errors import DAMAGED_DATA, UserError
from dljax.studies.experiment import Experiment
from dljax.studies.rule import rule_hash
from dljax.studies.study import Study, variants
from dljax.trials.disk import read_json, write_json


@dataclasses.dataclass(frozen=True)
class TrialGroup:
    """The variants that one compiled program trains.

    levels: the static levels, common to all its variants.
    variants: {variant: {vmapped factor: level}}, in the order of the program's runs.
    """

    levels: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class TrialEntry:
    """A trial as study.json lists it.

    label: the levels that its runs have in common. name: the name of its directory.
    """

    label: str
    name: str
    variants: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudySpec:
    """A study, resolved from a command line: the content of study.json.

    study: the experiment's name. module: the name or path to import it by.
    dataset: the name of the data set.
    fixed: {field: value} of the settings that all trials share; "tuned" for a tuned
      field.
    factors: {factor: levels}. variants: {variant: {factor: level}}.
    seeds: the seeds of the verdict.
    seed_batches: the seeds in the order in which they were added to the study; each
      batch is one trial per trial group.
    trial_groups: the variants in the order in which they were added to the study.
    tune: {field: candidates}.
    tuning_trials: the trials that tune. trials: the trials of the verdict.
    test_train_ratio: test over training examples if seeds are folds of one data set,
      else 0; see `statistics.interval`.
    shortened: whether the study makes fewer updates than its script declares.
    not_judged_because: the reasons why no verdict is given at this size, or "".
    rule_sha256: hash of the decision rule.
    size_sha256: hash of the size at which a verdict is given.
    command: the command line that declares the same study.
    workdir: the study's directory, as in commands.
    """

    study: str
    module: str
    dataset: str
    fixed: Mapping[str, Any]
    factors: Mapping[str, tuple[Any, ...]]
    variants: Mapping[str, Mapping[str, Any]]
    seeds: tuple[int, ...]
    seed_batches: tuple[tuple[int, ...], ...]
    trial_groups: tuple[TrialGroup, ...] = ()
    tune: Mapping[str, tuple[Any, ...]]
    tuning_trials: tuple[TrialEntry, ...] = ()
    trials: tuple[TrialEntry, ...] = ()
    test_train_ratio: float
    shortened: bool
    not_judged_because: str
    rule_sha256: str
    size_sha256: str
    command: str
    workdir: str


def to_json(spec: StudySpec) -> dict[str, Any]:
    """Returns a study spec as JSON values, in the order of its fields."""
    return dataclasses.asdict(spec)


def from_json(values: Mapping[str, Any]) -> StudySpec:
    """Returns the study spec of JSON values, the inverse of `to_json`.

    Raises:
      KeyError, TypeError: a field is missing or has another type.
    """

    def entries(name: str) -> tuple[TrialEntry, ...]:
        return tuple(
            TrialEntry(entry["label"], entry["name"], tuple(entry["variants"]))
            for entry in values[name]
        )

    def levels(name: str) -> dict[str, tuple[Any, ...]]:
        return {field: tuple(v) for field, v in values[name].items()}

    return StudySpec(
        **{field.name: values[field.name] for field in dataclasses.fields(StudySpec)}
        | {
            "factors": levels("factors"),
            "tune": levels("tune"),
            "seeds": tuple(values["seeds"]),
            "seed_batches": tuple(tuple(batch) for batch in values["seed_batches"]),
            "trial_groups": tuple(TrialGroup(**g) for g in values["trial_groups"]),
            "tuning_trials": entries("tuning_trials"),
            "trials": entries("trials"),
        }
    )


def write_spec(directory: pathlib.Path, spec: StudySpec) -> None:
    """Writes study.json to a study's directory."""
    write_json(directory / "study.json", to_json(spec))


def read_spec(directory: pathlib.Path) -> StudySpec | None:
    """Reads study.json in a study's directory; returns None if there is none.

    Raises:
      UserError: the file is damaged, or written by an earlier version.
    """
    path = directory / "study.json"
    if not path.is_file():
        return None
    try:
        return from_json(read_json(path) or {})
    except (AttributeError, KeyError, TypeError):
        raise UserError(
            "damaged-record",
            f"{path}: damaged, or written by an earlier version; delete the file, and "
            "the command of the study writes it again and keeps the trials",
            DAMAGED_DATA,
        ) from None


def workdir(request: StudyRequest, name: str) -> pathlib.Path:
    """Returns the study's directory: --workdir, or runs/NAME-DATASET."""
    config = request.config
    if config.workdir:
        return pathlib.Path(config.workdir).expanduser().absolute()
    size = "-smoke" if config.smoke else ""  # keeps the report of the whole study
    return pathlib.Path("runs", f"{name}-{config.dataset}{size}").absolute()


def make_spec(
    experiment: Experiment, request: StudyRequest, previous: StudySpec | None
) -> StudySpec:
    """Resolves a command line to a study spec, without its trials.

    Args:
      previous: the study.json in the same directory, which the command continues: its
        seeds and variants keep their order. A shortened study (fewer steps, or --smoke)
        is replaced instead.

    Raises:
      UserError: the data set or a fixed field differs from the previous spec.
    """
    config, study = request.config, experiment.study
    rows = variants(request.factors, study.design)
    if not rows:
        declared = ", ".join(variants(study.factors, study.design))
        raise UserError(
            "unknown-variant",
            f"--{', --'.join(study.factors)}: no variant has these levels; choose from "
            f"{declared}",
        )
    if config.seed + config.seeds > FIRST_TUNING_SEED:
        raise UserError(
            "flag-out-of-range",
            f"--seeds={config.seeds}: the last seed must be below {FIRST_TUNING_SEED}; "
            "give a smaller --seed or --seeds",
        )
    seeds = tuple(range(config.seed, config.seed + config.seeds))
    tune = candidates(study, request)
    fixed = _fixed_fields(request, tune)
    same = _continued(experiment, fixed, previous)
    if same:
        fixed = _without_new_defaults(fixed, same.fixed, experiment.config)
    batches = _seed_batches(same.seed_batches if same else (), seeds)
    short = is_shortened(experiment, request)
    reasons = size_not_judged_because(experiment, request, shortened=short)
    if not short and (reason := seeds_not_judged_because(study, seeds, batches)):
        reasons.append(reason)
    return StudySpec(
        study=experiment.name,
        module=experiment.module,
        dataset=config.dataset,
        fixed=fixed,
        factors=request.factors,
        variants=rows,
        seeds=seeds,
        seed_batches=batches,
        trial_groups=same.trial_groups if same else (),
        tune=tune,
        test_train_ratio=experiment.source(config).test_train_ratio,
        shortened=short,
        not_judged_because="; ".join(reasons),
        rule_sha256=rule_hash(study),
        size_sha256=size_hash(experiment, request, same),
        command=command_line(experiment, request),
        workdir=config.workdir or f"runs/{workdir(request, experiment.name).name}",
    )


def _fixed_fields(
    request: StudyRequest, tune: Mapping[str, Sequence[Any]]
) -> dict[str, Any]:
    """Returns {field: value} of the settings that all trials share."""
    fixed = {
        f.name: getattr(request.config, f.name)
        for f in dataclasses.fields(request.config)
        if f.name in field_names(request.config, "science", "logging")
        and f.name not in request.factors
    }
    return fixed | dict.fromkeys(tune, "tuned")


def _without_new_defaults(
    fixed: Mapping[str, Any], stored: Mapping[str, Any], config: type
) -> dict[str, Any]:
    """Removes fields that a stored study lacks and that have their default value.

    So a flag that was added to an experiment after the study started changes neither
    the study nor the names of its trials, as long as it has its default value.
    """
    defaults = field_defaults(config)
    return {k: v for k, v in fixed.items() if k in stored or v != defaults[k]}


def _continued(
    experiment: Experiment, fixed: Mapping[str, Any], previous: StudySpec | None
) -> StudySpec | None:
    """Returns the previous study if its fixed fields are equal to these, else None.

    Raises:
      UserError: they differ, and the previous study is not a shortened one.
    """
    if previous is None:
        return None
    fixed = _without_new_defaults(fixed, previous.fixed, experiment.config)
    differences = [
        f"--{k}={v} (recorded: {previous.fixed.get(k, 'none')})"
        for k, v in fixed.items()
        if k not in previous.fixed or previous.fixed[k] != v
    ]
    if previous.study != experiment.name:
        differences.insert(
            0, f"experiment {experiment.name} (recorded: {previous.study})"
        )
    if differences and not previous.shortened:
        raise UserError(
            "settings-differ",
            f"--workdir={previous.workdir}: contains a study with other settings: "
            f"{', '.join(differences)}; give the recorded values, or another --workdir",
        )
    return None if differences else previous


def _seed_batches(
    batches: tuple[tuple[int, ...], ...], seeds: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """Appends a batch of the seeds that are in no batch yet."""
    batched = {seed for batch in batches for seed in batch}
    new = tuple(seed for seed in seeds if seed not in batched)
    return (*batches, new) if new else batches


def candidates(study: Study, request: StudyRequest) -> dict[str, tuple[Any, ...]]:
    """Returns {field: candidates} to tune, except fields that the command line sets."""
    fields = {
        k: tuple(v) for k, v in study.tune.items() if k not in request.explicit_flags
    }
    if request.config.smoke:
        return {k: v[:2] for k, v in fields.items()}
    return fields


def seeds_not_judged_because(
    study: Study, seeds: Sequence[int], batches: Sequence[Sequence[int]]
) -> str:
    """Returns the reason why these seeds give no verdict, or "".

    Uncorrected repeated testing inflates the type-I error.

    Args:
      batches: all seeds of the study, in the order in which they were added.
    """
    started = [seed for batch in batches for seed in batch]
    if study.looks:
        if len(seeds) not in study.looks:
            allowed = " or ".join(map(str, study.looks))
            return f"{len(seeds)} seeds: the declared looks are at {allowed} seeds"
        if list(seeds) != started[: len(seeds)]:
            return "other seeds than those that the study started with"
    elif list(seeds) != list(batches[0]):
        return "seeds added or changed after the first verdict, without declared looks"
    return ""


def _default_config(experiment: Experiment, request: StudyRequest) -> Any:
    """Returns the config that the script declares for this data set and size."""
    config, study = request.config, experiment.study
    names = ("dataset", "data_dir", "manual_dir", "full", *study.factors)
    same = {name: getattr(config, name) for name in names}
    sizes = study.defaults({"full": config.full}, config.dataset)
    fields = {k: v for k, v in sizes.items() if k not in study.factors}
    return experiment.config(**same | fields)


def _has_judged_size(study: Study, dataset: str) -> bool:
    """Whether the study declares a size at which it gives a verdict on a data set."""
    return dataset in {*study.full, *study.default_is_full}


def size_hash(
    experiment: Experiment, request: StudyRequest, previous: StudySpec | None = None
) -> str:
    """Returns the hash of the size that a verdict on this data set requires.

    Args:
      previous: the spec of the study that the command continues.
    """
    study, dataset = experiment.study, request.config.dataset
    default = _default_config(experiment, request)
    names = field_names(default, "science") - study.factors.keys()
    fields = {k: v for k, v in dataclasses.asdict(default).items() if k in names}
    if previous:
        fields = _without_new_defaults(fields, previous.fixed, experiment.config)
    size = {
        "fields": {"seed": default.seed, "seeds": default.seeds, **fields},
        "factors": {name: list(levels) for name, levels in study.factors.items()},
        "judged": _has_judged_size(study, dataset),
    }
    return hashlib.sha256(json.dumps(size, sort_keys=True).encode()).hexdigest()


def is_shortened(experiment: Experiment, request: StudyRequest) -> bool:
    """Whether a command line makes fewer updates than the script declares."""
    from dljax.sources.resident import updates

    if request.config.smoke:
        return True
    source = experiment.source(request.config)
    default = _default_config(experiment, request)
    return updates(request.config, source) < updates(default, source)


def size_not_judged_because(
    experiment: Experiment, request: StudyRequest, *, shortened: bool
) -> list[str]:
    """Lists the reasons why no verdict is given at the size of a command line.

    Args:
      shortened: see `is_shortened`; other settings of a shortened study are not listed.
    """
    config, study = request.config, experiment.study
    default = _default_config(experiment, request)
    reasons = ["fewer steps than declared"] if shortened else []
    if not _has_judged_size(study, config.dataset):
        return [*reasons, f"no full size is declared for {config.dataset}"]
    if config.seeds < default.seeds and config.seeds not in study.looks:
        reasons.append(f"{config.seeds} of {default.seeds} seeds")
    for name, levels in study.factors.items():
        if lost := [level for level in levels if level not in request.factors[name]]:
            reasons.append(f"without {name}={','.join(map(str, lost))}")
    if fixed := [name for name in study.tune if name in request.explicit_flags]:
        reasons.append(f"{', '.join(fixed)} set by a flag instead of tuned")
    if shortened:
        return reasons
    names = {*field_names(config, "science"), "seed"}
    others = [
        f"{f.name}={getattr(config, f.name)} (declared: {getattr(default, f.name)})"
        for f in dataclasses.fields(config)
        if f.name in names - study.factors.keys() - study.tune.keys()
        and getattr(config, f.name) != getattr(default, f.name)
    ]
    if others:
        reasons.append(f"other settings: {', '.join(others)}")
    if not config.full and config.dataset not in study.default_is_full:
        reasons.append("not the full size, which --full selects")
    return reasons


def command_line(experiment: Experiment, request: StudyRequest) -> str:
    """Returns the command line that declares the same study."""
    script = experiment.module.endswith(".py")
    parts = ["python", *([] if script else ["-m"]), experiment.module]
    for name in sorted(request.explicit_flags - field_names(request.config, "launch")):
        value = request.factors.get(name) or getattr(request.config, name)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        parts.append(f"--{name}" if value is True else f"--{name}={text}")
    return shlex.join(parts)
