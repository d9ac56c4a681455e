"""The decision rule of a study as text, and hashes of the rule and of the script."""

import ast
import hashlib
import inspect
import json
import textwrap
from typing import Any

from dljax.studies.study import Study

SIMPLE = (int, float, str, bool, tuple, list, dict, type(None))
DECLARING = ("STUDY", "Config")  # names of a script that `task_hash` ignores


def rule_text(study: Study) -> str:
    """Returns the rule's source code, with its contrasts and the names it uses."""
    contrasts = "\n".join(f"{k} = {c}" for k, c in study.parsed_contrasts.items())
    names = sorted(_names(study.rule), key=lambda pair: inspect.isfunction(pair[1]))
    sources = [
        (k, inspect.getsource(v) if inspect.isfunction(v) else v) for k, v in names
    ]
    lines = "".join(f"{name} = {value!r}\n" for name, value in sources)
    return f"{contrasts}\n\n{lines}{inspect.getsource(study.rule)}"


def _names(rule: Any) -> list[tuple[str, Any]]:
    """Returns the constants that a rule uses and the functions it calls, by name."""
    variables = inspect.getclosurevars(rule)
    names = sorted({**variables.globals, **variables.nonlocals}.items())
    return [(k, v) for k, v in names if isinstance(v, SIMPLE) or inspect.isfunction(v)]


def _rule_code(study: Study) -> str:
    """Returns what `rule_text` does, without docstrings, comments and layout."""
    contrasts = [[k, str(c)] for k, c in study.parsed_contrasts.items()]
    values = [
        [k, _code_of(v) if inspect.isfunction(v) else repr(v)]
        for k, v in _names(study.rule)
    ]
    return json.dumps([contrasts, values, _code_of(study.rule)])


def _code_of(function: Any) -> str:
    """Returns a function's code, without docstrings and comments."""
    return _plain(ast.parse(textwrap.dedent(inspect.getsource(function))))


def rule_words(study: Study) -> str:
    """Returns the rule in words: its docstring, on one line."""
    return " ".join((inspect.getdoc(study.rule) or "").split())


def rule_hash(study: Study) -> str:
    """Returns the SHA-256 of all that determines the verdict, except the numbers.

    These are claim, primary metric, selection of the state, contrasts, rule, looks and
    tuning. The rule's code counts, its docstring and comments do not.
    """
    parts: list[Any] = [study.claim, study.primary_metric, study.higher, study.select]
    parts.append(_rule_code(study))
    if study.looks:
        parts.append(list(study.looks))
    if study.tune:
        parts.append([{k: list(v) for k, v in study.tune.items()}, study.tune_seeds])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def task_hash(source: str, rule: str) -> str:
    """Returns the SHA-256 of a script's code: its functions and constants.

    Docstrings, comments, imports, STUDY, Config and the rule are left out.

    Args:
      source: the script's text.
      rule: the name of the rule's function.
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
    """Returns a node as code, without docstrings, comments and layout."""
    for inner in ast.walk(node):
        body = getattr(inner, "body", None)
        if isinstance(body, list) and len(body) > 1:
            first = getattr(body[0], "value", None)
            if isinstance(body[0], ast.Expr) and isinstance(first, ast.Constant):
                del body[0]
    return ast.unparse(node)
