"""The committed results fit the studies that they are results of."""

import importlib
import pathlib
import re

import pytest

from dljax.datasets.registry import REGISTRY
from dljax.studies import recorded_results
from dljax.studies.rule import rule_hash
from dljax.studies.study import variants

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = recorded_results.read_all(ROOT / "experiments/results")
# Metrics of sample evaluators and of tasks that no contrast names.
OTHERS = re.compile(
    r"(frechet|precision|recall|ngrams)(_[a-z]+)?|(min|max)_class_share(_[a-z]+)?"
    r"|class_accuracy(_[a-z]+)?|[a-z_]+_hit|loss|gap|bleu|chrf|evaluator_accuracy"
    r"|kl_[a-z]+|iw_nll_[a-z]+|accuracy_\d_[a-zA-Z_0-9]+|r2_\d_[a-zA-Z_0-9]+"
    r"|(shift|rotation|noise)_\d|trained_\d+"
)


def study_of(result):
    return importlib.import_module(f"experiments.{result.experiment}").STUDY


def metric_means(result):
    return {row.variant: row.metrics for row in result.variants}


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.name)
def test_a_result_has_the_names_of_its_study(result):
    study = study_of(result)
    assert result.dataset in REGISTRY
    assert result.primary_metric == study.primary_metric
    names = list(variants(study.factors, study.design))
    assert {row.variant for row in result.variants} <= {*names}
    contrasts = study.parsed_contrasts
    for recorded in result.contrasts:
        contrast = contrasts[recorded.name]
        assert recorded.a in (None, str(contrast.a))
        assert recorded.b in (None, str(contrast.b))
    known = {*study.decisive_metrics(names)}
    known |= {metric for profile in study.profiles for metric in profile.points}
    for row in result.variants:
        assert row.n <= len(result.seeds)
        for metric in row.metrics.keys() - known:
            assert OTHERS.fullmatch(metric), metric


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.name)
def test_differences_are_those_of_the_means(result):
    study, means = study_of(result), metric_means(result)
    for recorded in result.contrasts:
        contrast = study.parsed_contrasts[recorded.name]
        terms = [
            (sign, means.get(term.variant, {}).get(term.metric or study.primary_metric))
            for sign, term in contrast.terms
        ]
        if any(metric is None for _, metric in terms):
            continue
        difference = contrast.constant + sum(sign * m.mean for sign, m in terms)
        # Prose rounds the means and the difference.
        largest = max(abs(m.mean) for _, m in terms)
        assert recorded.difference == pytest.approx(
            difference, abs=max(0.0021, 0.011 * largest)
        ), recorded.name


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.name)
def test_intervals_hold_what_they_are_of(result):
    for row in result.variants:
        for name, m in row.metrics.items():
            if m.ci_low is not None:
                assert m.ci_low <= m.mean <= m.ci_high, name
    for c in result.contrasts:
        if c.simultaneous_low is not None:
            assert c.simultaneous_low <= c.difference <= c.simultaneous_high, c.name


def test_every_experiment_but_one_has_a_result():
    directory = ROOT / "experiments"
    scripts = [*directory.glob("*.py"), *directory.glob("reference/*.py")]
    studies = {
        ".".join(path.relative_to(directory).with_suffix("").parts)
        for path in scripts
        if "\nSTUDY = Study(" in path.read_text()
    }
    lacking = studies - {result.experiment for result in RESULTS}
    assert lacking == {"reference.resnet_cifar10"}  # takes an accelerator


RECORDED = [result for result in RESULTS if result.origin == "recorded"]


@pytest.mark.parametrize("result", RECORDED, ids=lambda result: result.experiment)
def test_a_recorded_result_is_of_the_rule_of_today(result):
    module = importlib.import_module(f"experiments.{result.experiment}")
    assert result.rule_sha256 == rule_hash(module.STUDY)
