"""Names are the field's terms: words that name nothing are no identifiers."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = sorted(
    path.relative_to(ROOT)
    for folder in ("dljax", "experiments")
    for path in (ROOT / folder).rglob("*.py")
)
BANNED = frozenset(
    ["told", "found", "its", "said", "made", "those", "kept", "given", "asked"]
    + ["seen", "each", "one", "heard", "hushed"]
)
LOOP_LINES = 2  # a loop's or comprehension's variable may be any word this long


def banned_identifiers(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, name) of each banned parameter, attribute, function, class or variable."""
    exempt = {
        id(name)
        for loop in ast.walk(tree)
        if isinstance(loop, ast.For | ast.comprehension)
        and _lines(loop, tree) <= LOOP_LINES
        for name in ast.walk(loop.target)
    }
    return sorted(
        (node.lineno, name)
        for node in ast.walk(tree)
        if id(node) not in exempt and (name := _identifier(node)) in BANNED
    )


def _lines(loop: ast.For | ast.comprehension, tree: ast.AST) -> int:
    """How many lines a loop's body has, or the expression of a comprehension."""
    if isinstance(loop, ast.For):
        body = loop.body
        return (body[-1].end_lineno or 0) - body[0].lineno + 1
    (owner,) = (
        node for node in ast.walk(tree) if loop in getattr(node, "generators", ())
    )
    return (owner.end_lineno or 0) - owner.lineno + 1


def _identifier(node: ast.AST) -> str | None:
    """The name that a node defines or refers to as an attribute or a keyword."""
    match node:
        case ast.arg(arg=name) | ast.keyword(arg=name) | ast.Attribute(attr=name):
            return name
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Name(id=name, ctx=ast.Store()):
            return name
    return None


@pytest.mark.parametrize("path", FILES, ids=str)
def test_identifiers_are_terms(path):
    names = banned_identifiers(ast.parse((ROOT / path).read_text()))
    assert not names, f"{path}: " + ", ".join(f"{n} (line {at})" for at, n in names)


def test_banned_identifiers_are_noticed():
    code = "def f(given):\n    found = given.kept\n    return g(said=1)\n"
    assert banned_identifiers(ast.parse(code)) == [
        (1, "given"),
        (2, "found"),
        (2, "kept"),
        (3, "said"),
    ]
    short = "x = [one for one in y]\nfor one in y:\n    g(one)\n"
    assert not banned_identifiers(ast.parse(short))
    long = "for one in y:\n    g(one)\n    g(one)\n    g(one)\n"
    assert banned_identifiers(ast.parse(long)) == [(1, "one")]
