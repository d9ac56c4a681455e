"""Judging a study again after more seeds: only where it was declared before."""

import json

import pytest
import small
from studies import run

from dljax.studies.declaration import looked
from dljax.studies.experiment import import_experiment

FIRST, MORE = [*range(8)], [*range(8, 16)]


@pytest.mark.parametrize(
    ("looks", "seeds", "blocks", "allowed"),
    [
        ((), FIRST, [FIRST], True),
        ((), FIRST + MORE, [FIRST, MORE], False),  # added after a look
        ((), FIRST, [FIRST, MORE], True),  # the first look's own verdict
        ((), FIRST, [FIRST + MORE], False),  # fewer, once more were seen
        ((), MORE, [FIRST, MORE], False),  # others instead
        ((8, 16), FIRST, [FIRST], True),
        ((8, 16), FIRST + MORE, [FIRST, MORE], True),
        ((8, 16), FIRST + MORE[:2], [FIRST, MORE[:2]], False),  # at 10
        ((8, 16), MORE, [FIRST, MORE], False),
    ],
)
def test_when_a_study_may_be_judged(looks, seeds, blocks, allowed):
    study = small.STUDY._replace(looks=looks)
    assert (looked(study, seeds, blocks) == "") == allowed


@pytest.fixture(scope="module")
def found():
    experiment = import_experiment(small.__file__)
    study = experiment.study._replace(tune={}, factors={"width": (0, 16)})
    study = study._replace(contrasts={"wider": ("16", "0")})
    return experiment._replace(study=study)


def judged(found, directory, seeds):
    run(found, directory, f"--seeds={seeds}")
    return json.loads((directory / "report.json").read_text())


def test_seeds_added_after_a_look_are_not_judged(tmp_path, found):
    assert judged(found, tmp_path, 8)["why"] == ""
    why = judged(found, tmp_path, 10)["why"]
    assert "seeds were added or changed after a look" in why
    assert judged(found, tmp_path, 8)["why"] == ""


def test_declared_looks_share_the_error(tmp_path, found):
    once = judged(found, tmp_path / "once", 8)
    found = found._replace(study=found.study._replace(looks=(8, 10)))
    first = judged(found, tmp_path, 8)
    assert first["why"] == ""
    (alone,), (shared,) = once["comparisons"], first["comparisons"]
    assert shared["alpha"] == pytest.approx(alone["alpha"] / 2)
    assert shared["sure_low"] < alone["sure_low"]
    assert judged(found, tmp_path, 10)["why"] == ""
    assert "may be judged at 8 or 10" in judged(found, tmp_path, 9)["why"]


def test_folds_are_corrected_for_what_they_share(tmp_path, found):
    report = judged(found, tmp_path, 8)
    (c,) = report["comparisons"]
    assert c["shared"] == pytest.approx(360 / 1077)
    low, high = report["variants"][0]["ci_low"], report["variants"][0]["ci_high"]
    sd = report["variants"][0]["sd"]
    # Nadeau and Bengio 2003, eq. 9, with Student's t of 7 degrees of freedom, 2.3646.
    assert high - low == pytest.approx(
        2 * 2.3646 * sd * (1 / 8 + 360 / 1077) ** 0.5, 1e-4
    )
    assert "Nadeau and Bengio" in (tmp_path / "report.html").read_text()
