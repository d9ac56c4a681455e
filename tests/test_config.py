"""Flags and fields are the same thing, and mistakes are answered at once."""

import dataclasses
import subprocess
import sys

import pytest

from dljax.config import (
    RunConfig,
    StudyRequest,
    describe,
    field_names,
    flag,
    parse,
)
from dljax.errors import UserError


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
    with pytest.raises(UserError, match="--depth=9: must be one of 8, 20"):
        parse_flags("--depth=9")
    assert "(one of 8, 20)" in describe(Config, FACTORS)


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
    ("argument", "says"),
    [
        ("--stepz=3", ["--stepz", "--steps"]),
        ("--layers=20", ["--layers", "is now --depth"]),
        ("--steps=ten", ["--steps=ten", "whole number"]),
        ("--rate=fast", ["--rate=fast", "number"]),
        ("--network=cmm", ["--network=cmm", "did you mean cnn?"]),
        ("--network=", ["--network"]),
        ("--width=0", ["--width=0", "at least 1"]),
        ("--width=4,x", ["--width=x"]),
        ("--seeds=0", ["--seeds=0", "at least 1"]),
        ("--seeds=", ["--seeds"]),
        ("--seeds_by=vamp", ["--seeds_by=vamp", "vmap"]),
        ("--download=maybe", ["download", "maybe"]),
        ("mnist", ["mnist", "--"]),
    ],
)
def test_mistakes_are_named(argument, says):
    with pytest.raises(UserError) as raised:
        parse_flags(argument)
    assert raised.value.code == 2
    message = str(raised.value)
    assert "\n" not in message
    assert all(part in message for part in says), message


def test_help_lists_own_flags_first():
    text = describe(Config, FACTORS)
    assert text.index("--rate") < text.index("--seeds")
    assert "--network=cnn,mlp" in text
    assert all(f"--{f.name}" in text for f in dataclasses.fields(Config))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--stepz=3"], 2, "--stepz"),
        (["--network=cmm"], 2, "cnn"),
        (["--dataset=nosuch"], 2, "--dataset=nosuch"),
        (["--dataset=mnist"], 2, "--manual_dir"),
        (["--dataset=mnist", "--manual_dir=nowhere"], 2, "--manual_dir=nowhere"),
        (["--workdir=/dev/null/x"], 74, "--workdir"),
    ],
)
def test_a_mistake_is_one_line_before_jax_is_imported(arguments, code, says, tmp_path):
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
    assert says in done.stderr


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1", "less than 1"),
        ("-0.1", "at least 0"),
        ("nan", "finite"),
        ("inf", "finite"),
    ],
)
def test_numbers_have_bounds(text, what):
    from experiments.cnn_vs_mlp import Config

    with pytest.raises(UserError, match=what):
        parse(Config, [f"--dropout={text}"], factors={})
