"""Validation of an experiment's script: one-line errors for mistakes in STUDY."""

import dataclasses
import inspect
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dljax.config import RunConfig, parse_value
from dljax.errors import UserError, closest_match
from dljax.studies.study import DESIGNS, SELECTIONS, Study, variants


def check(module: Any) -> Study:
    """Validates an experiment's script.

    Args:
      module: the imported script, with Config, STUDY, task and source.

    Returns:
      its STUDY, with levels and candidates converted to the types of their fields.

    Raises:
      UserError: names the part of the script and its mistake.
    """
    for name in ("Config", "STUDY", "task", "source"):
        if not hasattr(module, name):
            raise UserError(
                "bad-experiment", f"{module.__file__}: has no {name}; define it"
            )
    config, study = module.Config, module.STUDY
    if not issubclass(config, RunConfig):
        raise UserError("bad-experiment", "Config: must extend dljax.config.RunConfig")
    _check_signature(module.task, "task", ("config", "source", "numbers"))
    _check_signature(module.source, "source", ("config",))
    return check_study(study, config)


def _check_signature(function: Any, name: str, arguments: Sequence[str]) -> None:
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        raise UserError(
            "bad-experiment",
            f"{name}{inspect.signature(function)}: must be "
            f"{name}({', '.join(arguments)})",
        ) from None


def check_study(study: Study, config: type) -> Study:
    """Validates a study against its Config class; see `check`."""
    fields = {f.name: f for f in dataclasses.fields(config)}
    types = typing.get_type_hints(config)
    _check_names("factors", study.factors, fields)
    _check_names("tune", study.tune, fields)
    if isinstance(study.vmapped_factors, str):
        raise UserError(
            "bad-study",
            f"STUDY.vmapped_factors: must be names, as in ({study.vmapped_factors!r},)",
        )
    _check_names("vmapped_factors", study.vmapped_factors, fields)
    for name in study.vmapped_factors:
        if types[name] is not float:
            raise UserError(
                "bad-study",
                f"STUDY.vmapped_factors: {name} must be a field of type float",
            )
    for size in (*study.sizes.values(), *study.full.values(), study.smoke):
        _check_names("sizes, full and smoke", size, fields)
    if repeated := study.factors.keys() & study.tune.keys():
        names = ", ".join(sorted(repeated))
        raise UserError(
            "bad-study", f"STUDY.tune: {names} is also in STUDY.factors; remove one"
        )
    study = study._replace(
        factors=_typed("factors", study.factors, fields, types),
        tune=_typed("tune", study.tune, fields, types),
        contrasts=study.parsed_contrasts,
    )
    if study.tune_seeds < 1:
        raise UserError("bad-study", "STUDY.tune_seeds: must be at least 1")
    if list(study.looks) != sorted(set(study.looks)):
        raise UserError("bad-study", "STUDY.looks: must be increasing numbers of seeds")
    if study.select not in SELECTIONS:
        raise UserError(
            "bad-study", f"STUDY.select: must be one of {', '.join(SELECTIONS)}"
        )
    if isinstance(study.design, str) and study.design not in DESIGNS:
        raise UserError(
            "bad-study",
            f"STUDY.design: must be one of {', '.join(DESIGNS)}, or a list of "
            "{factor: level}",
        )
    _check_rule(study)
    _check_contrasts(study)
    return study


def _check_names(part: str, names: Iterable[str], fields: Iterable[str]) -> None:
    for name in names:
        if name not in fields:
            near = closest_match(name, fields)
            hint = f"; did you mean {near}?" if near else ""
            raise UserError(
                "bad-study", f"STUDY.{part}: Config has no field {name}{hint}"
            )


def _typed(
    part: str,
    levels: Mapping[str, Any],
    fields: Mapping[str, dataclasses.Field],
    types: Mapping[str, type],
) -> dict[str, tuple[Any, ...]]:
    """Returns {field: values}, each value parsed as the field's flag parses it."""
    values_of = {}
    for name, values in levels.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise UserError(
                "bad-study", f"STUDY.{part}: {name} must be a tuple of values, (a, b)"
            )
        try:
            typed = [parse_value(fields[name], types[name], str(v)) for v in values]
        except UserError as error:
            raise UserError("bad-study", f"STUDY.{part}: {error}") from None
        values_of[name] = tuple(dict.fromkeys(typed))
    return values_of


def _check_rule(study: Study) -> None:
    if not study.contrasts:
        raise UserError("bad-study", "STUDY.contrasts: declare at least one contrast")
    if not inspect.getdoc(study.rule):
        raise UserError(
            "bad-study", "STUDY.rule: add a docstring that states the rule in words"
        )
    try:
        inspect.signature(study.rule).bind(**study.contrasts)
    except TypeError as error:
        raise UserError(
            "bad-study",
            "STUDY.rule: must take the contrasts as keyword arguments "
            f"({', '.join(study.contrasts)}); {error}",
        ) from None


def _check_contrasts(study: Study) -> None:
    """Checks that all variants of the contrasts exist, unless the data set decides."""
    sizes = [*study.sizes.values(), *study.full.values()]
    if any(name in study.factors for size in sizes for name in size):
        return
    names = variants(study.factors, study.design)
    for name, contrast in study.parsed_contrasts.items():
        if not contrast.terms:
            raise UserError(
                "bad-study",
                f"STUDY.contrasts: {name} compares two numbers; name a variant",
            )
        for variant in (term.variant for _, term in contrast.terms):
            if variant not in names:
                near = closest_match(variant, names)
                hint = f"did you mean {near}? " if near else ""
                if variant.count("/") != len(study.factors) - 1:
                    form = "/".join(study.factors)
                    hint = f"a variant's name has one level of each factor, {form}; "
                raise UserError(
                    "bad-study",
                    f"STUDY.contrasts: {name} names the unknown variant {variant}; "
                    f"{hint}variants are {', '.join(names)}",
                )
