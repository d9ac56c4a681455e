"""The declaration of a study: its meaning, and one-line errors for mistakes."""

import dataclasses
import types

import pytest
from user_errors import user_error

from dljax.config import RunConfig, flag
from dljax.studies.check import check, check_study
from dljax.studies.study import (
    Contrast,
    Difference,
    Study,
    Term,
    parse_contrast,
    variants,
)


def rule(gap):
    """Always undecided."""
    del gap
    return "undecided"


STUDY = Study(
    claim="",
    factors={"width": (1, 2), "rate": (0.1, 0.2)},
    primary_metric="accuracy",
    contrasts={"gap": ("1/0.1", "2/0.1")},
    rule=rule,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    width: int = flag(1, "")
    rate: float = flag(0.1, "", low=0)
    decay: float = flag(0.0, "", low=0)


def rule_of_nothing():
    """Always undecided."""


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"factors": {"widht": (1,)}}, ("factors", "widht", "width")),
        ({"vmapped_factors": ("width",)}, ("vmapped_factors", "width", "float")),
        ({"tune": {"rate": (0.1,)}}, ("tune", "rate", "STUDY.factors")),
        ({"tune": {"momentum": (0.1,)}}, ("tune", "momentum")),
        ({"looks": (20, 10)}, ("looks",)),
        ({"select": "last"}, ("select", "final", "best_valid")),
        ({"design": "gird"}, ("design", "grid", "one_at_a_time")),
        (
            {"contrasts": {"gap": ("1/0.1 - 3/0.1", "2/0.1")}},
            ("contrasts", "gap", "3/0.1", "1/0.1"),
        ),
        (
            {"contrasts": {"gap": ("1", "2/0.1")}},
            ("contrasts", "gap", "width/rate", "1/0.1", "1/0.2", "2/0.1", "2/0.2"),
        ),
        ({"rule": rule_of_nothing}, ("rule", "gap")),
        ({"rule": lambda gap: "undecided"}, ("rule", "docstring")),
        ({"contrasts": {}}, ("contrasts",)),
        ({"vmapped_factors": "rate"}, ("vmapped_factors", "('rate',)")),
        ({"tune": {"decay": ()}}, ("tune", "decay", "(a, b)")),
        ({"tune": {"decay": 0.1}}, ("tune", "decay", "(a, b)")),
        ({"tune": {"decay": (-1,)}}, ("tune", "decay=-1", "0")),
        ({"factors": {"width": (1, "big")}}, ("factors", "width=big")),
        ({"smoke": {"stepz": 5}}, ("smoke", "stepz", "steps")),
        ({"tune_seeds": 0}, ("tune_seeds", "1")),
    ],
)
def test_a_mistake_in_a_declaration_is_one_line(wrong, named):
    with user_error("bad-study", "STUDY.", *named):
        check_study(STUDY._replace(**wrong), Config)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (
            {"task": lambda config: None},
            ("task(config)", "task(config, source, numbers)"),
        ),
        ({"source": lambda: None}, ("source()", "source(config)")),
    ],
)
def test_a_script_with_another_signature_is_refused(wrong, named):
    right = {
        "task": lambda config, source, numbers: None,
        "source": lambda config: None,
    }
    script = {"__file__": "script.py", "Config": Config, "STUDY": STUDY, **right}
    assert check(types.SimpleNamespace(**script)).factors == STUDY.factors
    with user_error("bad-experiment", *named):
        check(types.SimpleNamespace(**script | wrong))


def test_levels_have_the_type_of_their_flag():
    study = STUDY._replace(vmapped_factors=("rate",), tune={"decay": (0, 0.1)})
    assert check_study(study, Config).tune == {"decay": (0.0, 0.1)}


def test_variants_of_a_design():
    grid = variants({"a": (1, 2), "b": ("x", "y")})
    assert list(grid) == ["1/x", "1/y", "2/x", "2/y"]
    assert grid["2/x"] == {"a": 2, "b": "x"}
    assert list(variants({"a": (1, 2, 3), "b": ("x", "y")}, "one_at_a_time")) == [
        *("1/x", "1/y", "2/x", "3/x")
    ]
    listed = [{"a": 2, "b": "y"}, {"a": 1, "b": "x"}, {"a": 9, "b": "x"}]
    assert list(variants({"a": (1, 2), "b": ("x", "y")}, listed)) == ["2/y", "1/x"]


def test_short_contrasts_are_parsed_and_print_the_same():
    contrast = parse_contrast(("1/x - 2/y@loss", 0.5))
    difference = Difference(Term("1/x"), (Term("2/y", "loss"),))
    assert contrast == Contrast(difference, 0.5)
    assert contrast.terms == [(1, Term("1/x")), (-1, Term("2/y", "loss"))]
    assert contrast.constant == -0.5
    assert str(contrast) == "(1/x - 2/y@loss) - (0.5)"
    assert parse_contrast(contrast) is contrast


def test_a_contrast_of_another_metric():
    contrast = Contrast(Term("1"), Difference(Term("2"), (Term("3", "loss"),)), "nll")
    signed = [(1, Term("1", "nll")), (-1, Term("2", "nll")), (1, Term("3", "loss"))]
    assert contrast.terms == signed
    assert contrast.variants == {"1", "2", "3"}
    assert contrast.constant == 0
