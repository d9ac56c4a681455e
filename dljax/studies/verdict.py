"""Applies a study's decision rule to its results."""

import collections
import traceback
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from dljax.errors import UserError
from dljax.studies import statistics
from dljax.studies.results import Results
from dljax.studies.study import VERDICTS, Study
from dljax.studies.study_spec import StudySpec


class HasValues(Protocol):
    """Test metrics per variant and seed: `Results` or a recorded result."""

    def values(self, variant: str, metric: str) -> Mapping[int, float]:
        """Returns {seed: value} of one test metric."""

    @property
    def test_train_ratio(self) -> float:
        """Test over training examples if seeds are folds, else 0."""


def comparisons(study: Study, results: HasValues) -> dict[str, statistics.Comparison]:
    """Computes {contrast: comparison} over the seeds that all its variants finished."""
    compared = {}
    for name, contrast in study.parsed_contrasts.items():
        values = [
            (sign, results.values(term.variant, term.metric or study.primary_metric))
            for sign, term in contrast.terms
        ]
        seeds = sorted(set.intersection(*(set(v) for _, v in values)))
        compared[name] = statistics.compare(
            str(contrast.a),
            str(contrast.b),
            [contrast.constant + sum(sign * v[s] for sign, v in values) for s in seeds],
            test_train_ratio=results.test_train_ratio,
        )
    adjusted = statistics.holm(list(compared.values()), looks=len(study.looks) or 1)
    return dict(zip(compared, adjusted, strict=True))


class Verdict(NamedTuple):
    """A verdict.

    decision: one of `VERDICTS`. why: the reason why no verdict is given, or "".
    """

    decision: str
    why: str


def decide(
    study: Study, results: Results, compared: Mapping[str, statistics.Comparison]
) -> Verdict:
    """Applies the rule; "undecided" if there is a reason against a verdict.

    Raises:
      UserError: the rule raises, or returns no verdict.
    """
    spec = results.spec
    if results.unfinished:
        trials = ", ".join(sorted(set(results.unfinished)))
        return Verdict("undecided", f"unfinished trials: {trials}")
    why = list(results.changed)
    if results.failed:
        count = collections.Counter(run.variant for run in results.failed)
        runs = ", ".join(f"{n} of {variant}" for variant, n in count.items())
        why.append(f"failed runs: {runs}")
    if spec.not_judged_because:
        why.append(f"reduced study: {spec.not_judged_because}")
    seeds = len(spec.seeds)
    lacking = study.uncompared(spec.variants)
    complete = {name: c for name, c in compared.items() if name not in lacking}
    if lacking:
        why.append(f"contrasts without all their variants: {', '.join(lacking)}")
    if too_few := too_few_seeds(study, seeds):
        why.append(too_few)
    short = [(name, c.n) for name, c in complete.items() if c.n < seeds]
    if short and not why:
        name, n = short[0]
        why.append(f"only {n} of {seeds} seeds have all values of contrast {name}")
    few = [c for c in complete.values() if not c.decides]
    if few and not why:
        why.append(_too_few(few[0].n, study, few[0].needed))
    if why:
        return Verdict("undecided", "; ".join(why))
    return Verdict(_apply_rule(study, compared), "")


def too_few_seeds(study: Study, seeds: int) -> str:
    """Returns the reason why this number of seeds gives no verdict, or ""."""
    needed = _seeds_needed(study)
    return "" if seeds >= needed else _too_few(seeds, study, needed)


def _seeds_needed(study: Study) -> int:
    return statistics.seeds_needed(len(study.contrasts) * max(1, len(study.looks)))


def _too_few(seeds: int, study: Study, needed: int) -> str:
    return (
        f"{_count(seeds, 'seed')}: too few for {_family(study)} (at least {needed} "
        "needed)"
    )


def _family(study: Study) -> str:
    """The contrasts and looks that share the error, in words."""
    contrasts, looks = len(study.contrasts), len(study.looks)
    family = _count(contrasts, "contrast")
    return f"{family} at {_count(looks, 'look')}" if looks else family


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def describe_in_advance(study: Study, spec: StudySpec) -> list[str]:
    """Describes, before training, whether a verdict can be given.

    Returns:
      a line on the number of seeds and, if any, a line with all other reasons against a
      verdict.
    """
    seeds = len(spec.seeds)
    reasons = [spec.not_judged_because] if spec.not_judged_because else []
    if missing := ", ".join(study.uncompared(spec.variants)):
        reasons.append(f"contrasts without all their variants: {missing}")
    if too_few := too_few_seeds(study, seeds):
        lines = [f"{too_few}; no verdict is given"]
    else:
        lines = [f"{_count(seeds, 'seed')}: enough for {_family(study)}"]
    if reasons:
        lines.append(f"no verdict is given: {'; '.join(reasons)}")
    return lines


def check_rule(study: Study) -> None:
    """Calls the rule on example differences, before training starts.

    Raises:
      UserError: the rule raises, or returns no verdict.
    """
    examples = [
        statistics.compare(str(contrast.a), str(contrast.b), range(8))
        for contrast in study.parsed_contrasts.values()
    ]
    _apply_rule(
        study, dict(zip(study.contrasts, statistics.holm(examples), strict=True))
    )


def _apply_rule(study: Study, compared: Mapping[str, statistics.Comparison]) -> str:
    """Calls the rule; raises UserError if it raises or returns no verdict."""
    try:
        decision = study.rule(**compared)
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            "rule-raised",
            f"STUDY.rule: raised {type(error).__name__}: {error} ({line.filename}:"
            f"{line.lineno}); correct the rule",
        ) from None
    if decision not in VERDICTS:
        raise UserError(
            "bad-verdict",
            f"STUDY.rule: returned {decision!r}; return one of {', '.join(VERDICTS)}",
        )
    return decision
