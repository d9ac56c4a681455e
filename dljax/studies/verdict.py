"""From results to a verdict, by the study's rule."""

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
    """Final test metrics per seed: `Results`, or a recorded result."""

    def values(self, variant: str, metric: str) -> Mapping[int, float]:
        """{seed: value} of one test metric."""

    @property
    def test_train_ratio(self) -> float:
        """See `statistics.interval`."""


def comparisons(study: Study, results: HasValues) -> dict[str, statistics.Comparison]:
    """{contrast: comparison}, over the seeds that all of its variants finished."""
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
    """decision: one of `VERDICTS`. why: why the rule was not applied, or ""."""

    decision: str
    why: str


def decide(
    study: Study, results: Results, compared: Mapping[str, statistics.Comparison]
) -> Verdict:
    """The rule's verdict, or "undecided" where something stands against a verdict."""
    spec = results.spec
    if results.unfinished:
        trials = ", ".join(sorted(set(results.unfinished)))
        return Verdict("undecided", f"unfinished: {trials}")
    why = list(results.changed)
    if results.failed:
        count = collections.Counter(run.variant for run in results.failed)
        runs = ", ".join(f"{n} of {variant}" for variant, n in count.items())
        why.append(f"failed runs: {runs}")
    if spec.not_judged_because:
        why.append(f"reduced: {spec.not_judged_because}")
    seeds = len(spec.seeds)
    lacking = study.uncompared(spec.variants)
    complete = {name: c for name, c in compared.items() if name not in lacking}
    if lacking and not spec.not_judged_because:
        why.append(f"not compared at this size: {', '.join(lacking)}")
    short = [(name, c.n) for name, c in complete.items() if c.n < seeds]
    if short and not why:
        name, n = short[0]
        why.append(f"{n} of {seeds} seeds have all numbers of {name}")
    few = [c for c in complete.values() if not c.decides]
    if few and not why:
        why.append(
            f"descriptive: {few[0].n} seeds, and {len(compared)} comparisons need "
            f"{few[0].needed}"
        )
    if why:
        return Verdict("undecided", "; ".join(why))
    return Verdict(_apply_rule(study, compared), "")


def too_few_seeds(study: Study, seeds: int) -> str:
    """Why no verdict is possible with so many seeds, or ""."""
    m = len(study.contrasts)
    needed = statistics.seeds_needed(m * max(1, len(study.looks)))
    if seeds >= needed:
        return ""
    return f"{seeds} seeds, and {m} comparisons need {needed}: it will be undecided"


def undecided_in_advance(study: Study, spec: StudySpec) -> list[str]:
    """Why the verdict will be undecided, as far as it is known before training."""
    if spec.not_judged_because:
        return []
    missing = ", ".join(study.uncompared(spec.variants))
    lines = [f"not compared at this size: {missing}: it will be undecided"]
    few = too_few_seeds(study, len(spec.seeds))
    return (lines if missing else []) + ([few] if few else [])


def check_rule(study: Study) -> None:
    """Calls the rule on example differences, before anything is trained.

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
    """The rule's verdict; raises UserError where it gives none."""
    try:
        decision = study.rule(**compared)
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            "rule-raised",
            f"STUDY.rule: {type(error).__name__}: {error} ({line.filename}:"
            f"{line.lineno})",
        ) from None
    if decision not in VERDICTS:
        raise UserError(
            "bad-verdict",
            f"STUDY.rule: returned {decision!r}, not one of {', '.join(VERDICTS)}",
        )
    return decision
