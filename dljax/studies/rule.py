"""The rule of a study as text and as a hash, and the hash of what makes its numbers."""

import ast
import hashlib
import inspect
import json
from typing import Any

from dljax.studies.study import Study

SIMPLE = (int, float, str, bool, tuple, list, dict, type(None))
DECLARING = ("STUDY", "Config")  # names of a script that make no number by themselves


def rule_text(study: Study) -> str:
    """The rule as it is written, with what it compares and the names it uses."""
    contrasts = "\n".join(f"{k} = {c}" for k, c in study.parsed_contrasts.items())
    names = "".join(f"{name} = {value!r}\n" for name, value in _names(study.rule))
    return f"{contrasts}\n\n{names}{inspect.getsource(study.rule)}"


def _names(rule: Any) -> list[tuple[str, Any]]:
    """The constants that a rule uses, and the source of the functions it calls."""
    variables = inspect.getclosurevars(rule)
    names = sorted({**variables.globals, **variables.nonlocals}.items())
    constants = [(k, v) for k, v in names if isinstance(v, SIMPLE)]
    called = [(k, inspect.getsource(v)) for k, v in names if inspect.isfunction(v)]
    return constants + called


def rule_words(study: Study) -> str:
    """The rule in words: its docstring, on one line."""
    return " ".join((inspect.getdoc(study.rule) or "").split())


def rule_hash(study: Study) -> str:
    """A hash of what decides: claim, metric, selection, rule, looks and tuning."""
    parts: list[Any] = [study.claim, study.primary_metric, study.higher, study.select]
    parts.append(rule_text(study))
    if study.looks:
        parts.append(list(study.looks))
    if study.tune:
        parts.append([{k: list(v) for k, v in study.tune.items()}, study.tune_seeds])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def task_hash(source: str, rule: str) -> str:
    """A hash of a script without what declares: docstrings, STUDY, Config, the rule.

    Args:
      source: the script's text.
      rule: the name of its rule.
    """
    statements = []
    for node in ast.parse(source).body:
        names = [getattr(node, "name", "")]
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
            names = [t.id for t in targets if isinstance(t, ast.Name)]
        if isinstance(node, ast.Expr | ast.Import | ast.ImportFrom | ast.If):
            continue
        if not {*names} & {*DECLARING, rule}:
            statements.append(_plain(node))
    return hashlib.sha256("\n".join(statements).encode()).hexdigest()


def _plain(node: ast.AST) -> str:
    """The node without docstrings, comments and layout."""
    for inner in ast.walk(node):
        body = getattr(inner, "body", None)
        if isinstance(body, list) and len(body) > 1:
            first = getattr(body[0], "value", None)
            if isinstance(body[0], ast.Expr) and isinstance(first, ast.Constant):
                del body[0]
    return ast.dump(node)
