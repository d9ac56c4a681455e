"""Flags are fields, help is grouped, and mistakes are reported before jax loads."""

import dataclasses
import subprocess
import sys

import pytest
from user_errors import check_stderr, user_error

from dljax.config import (
    COMMON_FIELDS,
    HELP_WIDTH,
    RunConfig,
    StudyRequest,
    describe,
    field_names,
    flag,
    parse,
)
from dljax.errors import DISK, USAGE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag("cnn", "which", choices=("cnn", "mlp"))
    width: int = flag(8, "how wide", low=1)
    rate: float = flag(0.1, "how fast")
    depth: int = flag(8, "how deep", choices=(8, 20), formerly="layers")


FACTORS = {"network": ("cnn", "mlp"), "width": (8, 16)}


def parse_flags(*arguments, defaults=lambda explicit: {}) -> StudyRequest:
    return parse(Config, arguments, factors=FACTORS, defaults=defaults)


def test_defaults_and_declared_levels():
    request = parse_flags()
    assert request.config == Config()
    assert request.factors == FACTORS
    assert request.explicit_flags == frozenset()


def test_numbers_have_choices_too():
    assert parse_flags("--depth=20").config.depth == 20
    with user_error("flag-unknown-choice", "--depth=9", 8, 20):
        parse_flags("--depth=9")


def test_every_field_is_a_flag():
    request = parse_flags(
        "--rate=0.5", "--seeds=3", "--download", "--nofull", "--dataset=mnist"
    )
    assert request.config.rate == 0.5
    assert request.config.seeds == 3
    assert request.config.download
    assert not request.config.full
    assert request.config.dataset == "mnist"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OtherDefaults(Config):
    seeds: int = flag(20, "another default", low=1)


def test_another_default_does_not_change_a_role():
    assert "seeds" in field_names(OtherDefaults, "environment")
    assert "seeds" not in field_names(OtherDefaults, "science", "logging")
    assert {"plan", "jobs"} <= field_names(OtherDefaults, "launch")
    assert {"rate", "steps", "dataset"} <= field_names(OtherDefaults, "science")


def test_comma_lists_override_factors():
    request = parse_flags("--network=mlp", "--width=4,2,4")
    assert request.factors == {"network": ("mlp",), "width": (4, 2)}
    assert request.config.network == "mlp"
    assert request.config.width == 4


def test_sizes_are_defaults_that_flags_override():
    defaults = lambda explicit: {"rate": 0.3, "width": (1, 2)}  # noqa: E731
    assert parse_flags(defaults=defaults).config.rate == 0.3
    assert parse_flags(defaults=defaults).factors["width"] == (1, 2)
    assert parse_flags("--rate=0.2", defaults=defaults).config.rate == 0.2


@pytest.mark.parametrize(
    ("argument", "error_id", "names"),
    [
        ("--stepz=3", "unknown-flag", ["--stepz", "--steps"]),
        ("--layers=20", "renamed-flag", ["--layers", "--depth"]),
        ("--steps=ten", "flag-not-a-number", ["--steps=ten"]),
        ("--rate=fast", "flag-not-a-number", ["--rate=fast"]),
        ("--network=cmm", "flag-unknown-choice", ["--network=cmm", "cnn"]),
        ("--network=", "flag-without-value", ["--network"]),
        ("--width=0", "flag-out-of-range", ["--width=0", "1"]),
        ("--rate=0.1,0.2", "not-a-factor", ["--rate=0.1,0.2", "STUDY.factors"]),
        ("--width=4,x", "flag-not-a-number", ["--width=x"]),
        ("--seeds=0", "flag-out-of-range", ["--seeds=0", "1"]),
        ("--seeds=", "flag-without-value", ["--seeds"]),
        ("--seeds_by=vamp", "flag-unknown-choice", ["--seeds_by=vamp", "vmap"]),
        ("--download=maybe", "flag-not-boolean", ["--download=maybe"]),
        ("mnist", "not-a-flag", ["mnist", "--"]),
    ],
)
def test_mistakes_are_named(argument, error_id, names):
    with user_error(error_id, *names):
        parse_flags(argument)


def sections(text):
    """{title: the flags listed below it} of a --help."""
    flags = {}
    for line in text.splitlines():
        if line and not line.startswith(" "):
            title = line.split(" (")[0].removesuffix(":")
            flags[title] = []
        elif line.startswith("  --"):
            flags[title].append(line.split("=")[0].split()[0].removeprefix("--"))
    return flags


def test_help_has_own_flags_first_and_common_ones_by_group():
    own, *common = sections(describe(Config, FACTORS)).items()
    assert own[1] == ["network", "width", "rate", "depth"]
    for title, names in common:
        assert {COMMON_FIELDS[name].metadata["group"] for name in names} == {title}
    listed = [name for _, names in [own, *common] for name in names]
    assert sorted(listed) == sorted(f.name for f in dataclasses.fields(Config))


def test_help_shows_levels_choices_and_an_experiments_defaults():
    text = describe(OtherDefaults, FACTORS)
    assert "seeds" in sections(text)["Seeds and devices"]
    for part in ("--network=cnn,mlp", "--width=8,16", "8, 20", "--seeds=20 "):
        assert part in text


def test_help_of_common_flags_is_short():
    lines = describe(Config, FACTORS).splitlines()
    assert len(lines) <= 60
    assert all(len(line) <= HELP_WIDTH for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "error_id", "name"),
    [
        (["--stepz=3"], USAGE, "unknown-flag", "--stepz"),
        (["--network=cmm"], USAGE, "flag-unknown-choice", "cnn"),
        (["--dataset=nosuch"], USAGE, "unknown-dataset", "--dataset=nosuch"),
        (["--dataset=mnist"], USAGE, "dataset-not-prepared", "--manual_dir"),
        (
            ["--dataset=mnist", "--manual_dir=nowhere"],
            USAGE,
            "manual-dir-incomplete",
            "--manual_dir=nowhere",
        ),
        (["--workdir=/dev/null/x"], DISK, "directory-not-writable", "--workdir"),
    ],
)
def test_a_mistake_is_one_line_before_jax_is_imported(
    arguments, code, error_id, name, tmp_path
):
    script = (
        "import sys, experiments.cnn_vs_mlp as e\n"
        "from dljax import cli\n"
        "code = cli.guarded(lambda: cli.run(e, sys.argv[1:]))\n"
        "assert not {'jax', 'tensorflow_datasets'} & set(sys.modules)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, f"--data_dir={tmp_path}", *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    check_stderr(done.stderr, error_id, name)


@pytest.mark.parametrize(
    ("text", "error_id"),
    [
        ("1", "flag-out-of-range"),
        ("-0.1", "flag-out-of-range"),
        ("nan", "flag-not-finite"),
        ("inf", "flag-not-finite"),
    ],
)
def test_numbers_have_bounds(text, error_id):
    from experiments.cnn_vs_mlp import Config

    with user_error(error_id, f"--dropout={text}"):
        parse(Config, [f"--dropout={text}"], factors={})
