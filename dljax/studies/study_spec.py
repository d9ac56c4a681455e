"""study.json: what a study was asked to be, and how much of it was asked for."""

import dataclasses
import hashlib
import json
import pathlib
import shlex
from collections.abc import Mapping
from typing import Any

from dljax.config import ACTIONS, FIRST_TUNING_SEED, SURROUNDINGS, StudyRequest
from dljax.errors import DAMAGED_DATA, UserError
from dljax.studies.experiment import Experiment
from dljax.studies.rule import rule_hash
from dljax.studies.study import Study, variants
from dljax.trials.disk import read_json

# What of study.json is read again.
KEYS = frozenset(
    ["study", "module", "dataset", "fixed", "factors", "variants", "seeds", "blocks"]
    + ["packs", "tune", "tuning", "trials", "test_train_ratio", "shortened", "reduced"]
    + ["rule_sha256", "command", "workdir"]
)


# Fields that change what is seen of a run, and not the run.
HARMLESS = frozenset(["log_every"])


def workdir(asked: StudyRequest, name: str) -> pathlib.Path:
    """The study's directory: --workdir, or runs/NAME-DATASET."""
    config = asked.config
    if config.workdir:
        return pathlib.Path(config.workdir).expanduser().absolute()
    size = "-smoke" if config.smoke else ""  # so that it never replaces a report
    return pathlib.Path("runs", f"{name}-{config.dataset}{size}").absolute()


def declare(
    experiment: Experiment, asked: StudyRequest, found: Mapping[str, Any] | None
) -> dict[str, Any]:
    """study.json: this declaration, beside what an earlier one in `found` fixed.

    A shortened study (fewer steps, or smoke) fixes nothing for those that follow.

    Raises:
      UserError: it differs from the earlier one in the data set or a fixed field.
    """
    config, study = asked.config, experiment.study
    fixed = {
        f.name: getattr(config, f.name)
        for f in dataclasses.fields(config)
        if f.name not in SURROUNDINGS and f.name not in asked.factors
    }
    asked_for = variants(asked.factors, study.design)
    if not asked_for:
        rows = ", ".join(variants(study.factors, study.design))
        raise UserError(f"--{', --'.join(study.factors)}: the study has {rows}")
    tuned = candidates(study, asked)
    fixed |= dict.fromkeys(tuned, "tuned")
    if config.seed + config.seeds > FIRST_TUNING_SEED:
        raise UserError(f"--seeds: the last has to be below {FIRST_TUNING_SEED}")
    seeds = list(range(config.seed, config.seed + config.seeds))
    blocks: list[list[int]] = []
    packs: dict[str, Any] = {}
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
            raise UserError(
                "--workdir: holds a study with other settings: "
                f"{', '.join(differences)}; give the same, or another --workdir"
            )
        if not differences:
            blocks, packs = found["blocks"], found["packs"]
    known = {seed for block in blocks for seed in block}
    if new := [seed for seed in seeds if seed not in known]:
        blocks = [*blocks, new]
    short = shortened(experiment, asked)
    less = "fewer steps than declared" if short else reduced(experiment, asked)
    declared = {
        "study": experiment.name,
        "module": experiment.module,
        "dataset": config.dataset,
        "fixed": fixed,
        "factors": {name: list(levels) for name, levels in asked.factors.items()},
        "variants": [[k, v] for k, v in asked_for.items()],
        "seeds": seeds,
        "blocks": blocks,
        "packs": packs,
        "tune": tuned,
        "tuning": [],
        "trials": [],
        "test_train_ratio": experiment.source(config).test_train_ratio,
        "shortened": short,
        "reduced": less or looked(study, seeds, blocks),
        "rule_sha256": rule_hash(study),
        "size_sha256": size_hash(experiment, asked),
        "command": command(experiment, asked),
        "workdir": config.workdir or f"runs/{workdir(asked, experiment.name).name}",
    }
    assert declared.keys() >= KEYS
    return declared


def candidates(study: Study, asked: StudyRequest) -> dict[str, list[Any]]:
    """{field: candidates} to tune; a field that the command line sets is not tuned."""
    kept = {k: list(v) for k, v in study.tune.items() if k not in asked.given}
    if asked.config.smoke:
        return {k: v[:2] for k, v in kept.items()}
    return kept


def looked(study: Study, seeds: list[int], blocks: list[list[int]]) -> str:
    """Why these seeds may not be judged, or "": `blocks` in the order of their runs.

    Judging again after more seeds, uncorrected, errs more often than it says.
    """
    begun = [seed for block in blocks for seed in block]
    if study.looks:
        if len(seeds) not in study.looks:
            allowed = " or ".join(map(str, study.looks))
            return f"{len(seeds)} seeds, and it may be judged at {allowed}"
        if seeds != begun[: len(seeds)]:
            return "not the seeds that the study began with"
    elif seeds != blocks[0]:
        return "seeds were added or changed after a look, and it declares no looks"
    return ""


def _usual(experiment: Experiment, asked: StudyRequest) -> Any:
    """The config as declared for this data set and size."""
    config = asked.config
    kept = ("dataset", "data_dir", "manual_dir", "full", *experiment.study.factors)
    same = {name: getattr(config, name) for name in kept}
    sizes = experiment.study.defaults({"full": config.full}, config.dataset)
    fields = {k: v for k, v in sizes.items() if k not in experiment.study.factors}
    return experiment.config(**same | fields)


def _judged(study: Study, dataset: str) -> bool:
    """Whether a size is declared at which this data set is judged."""
    return dataset in {*study.full, *study.default_is_full}


def size_hash(experiment: Experiment, asked: StudyRequest) -> str:
    """A hash of the size at which this data set is judged, and whether it is."""
    study, dataset = experiment.study, asked.config.dataset
    usual = dataclasses.asdict(_usual(experiment, asked))
    left_out = (SURROUNDINGS - {"seed", "seeds"}) | HARMLESS | study.factors.keys()
    said = {
        "fields": {k: v for k, v in usual.items() if k not in left_out},
        "factors": {name: list(levels) for name, levels in study.factors.items()},
        "judged": _judged(study, dataset),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def shortened(experiment: Experiment, asked: StudyRequest) -> bool:
    """Whether it makes fewer updates than declared."""
    from dljax.sources.resident import updates

    if asked.config.smoke:
        return True
    source = experiment.source(asked.config)
    usual = _usual(experiment, asked)
    return updates(asked.config, source) < updates(usual, source)


def reduced(experiment: Experiment, asked: StudyRequest) -> str:
    """Why a verdict would not count though every step is made, or ""."""
    config, study = asked.config, experiment.study
    if not _judged(study, config.dataset):
        return f"no full size is declared for {config.dataset}"
    usual = _usual(experiment, asked)
    if config.seeds < usual.seeds and config.seeds not in study.looks:
        return f"{config.seeds} of {usual.seeds} seeds"
    for name, levels in study.factors.items():
        if lost := [level for level in levels if level not in asked.factors[name]]:
            return f"without {name} {', '.join(map(str, lost))}"
    if fixed := [name for name in study.tune if name in asked.given]:
        return f"{', '.join(fixed)} given, not tuned"
    others = [
        f"{f.name} {getattr(config, f.name)} (declared {getattr(usual, f.name)})"
        for f in dataclasses.fields(config)
        if f.name not in (SURROUNDINGS - {"seed"}) | HARMLESS | study.factors.keys()
        and getattr(config, f.name) != getattr(usual, f.name)
    ]
    if others:
        return f"other settings: {', '.join(others)}"
    if not config.full and config.dataset not in study.default_is_full:
        return "not the full size (--full)"
    return ""


def command(experiment: Experiment, asked: StudyRequest) -> str:
    """The command that asks for the same again."""
    script = experiment.module.endswith(".py")
    parts = ["python", *([] if script else ["-m"]), experiment.module]
    for name in sorted(asked.given - ACTIONS):
        value = asked.factors.get(name) or getattr(asked.config, name)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        parts.append(f"--{name}" if value is True else f"--{name}={text}")
    return shlex.join(parts)


def read_study(directory: pathlib.Path) -> dict[str, Any] | None:
    """The study.json of a study's directory, if there is one."""
    path = directory / "study.json"
    found = read_json(path)
    whole = isinstance(found, dict) and found.keys() >= KEYS
    if path.is_file() and not whole:
        raise UserError(
            f"{path}: is damaged; move it away, and the study's command writes it anew "
            "and goes on with its trials",
            DAMAGED_DATA,
        )
    return found
