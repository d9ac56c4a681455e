"""The language of the code: identifiers are terms, and private phrases are absent."""

import ast
import pathlib
import re

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
PAGES = sorted(
    path.relative_to(ROOT) for path in (ROOT / "dljax/reporting/pages").iterdir()
)
# Phrases that readers did not understand, each with the words that replace it.
PRIVATE_PHRASES = {
    r"\barray (field|factor)s?\b": "vmapped factor",
    r"\bnumeric factors?\b": "vmapped factor",
    r"\b(not|may be) judged\b": "no verdict is given; a verdict may be given",
    r"\b(is|are|was|were) told\b": "is given, receives",
    r"\bwhat is right\b": "the correct answer",
    r"\bcannot be meant\b": "is invalid",
    r"\bmakes? of (it|this|them|each|every)\b": "outputs, predicts, generates",
    r"\b(seconds|steps|updates|epochs|FLOPs?) an? (step|second|epoch|update)\b": "per",
    r"\b(line|row|dot|panel) an? (run|seed|variant|trial|example|factor)\b": "per",
    r"\bso (many|much) as\b": "as many as",
    r"\bto be heard\b": "audio",
    r"\bat the least\b": "at least",
    r"\bin turns\b": "interleaved, alternating",
}
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


@pytest.mark.parametrize("path", [*FILES, *PAGES], ids=str)
def test_private_phrases_are_absent(path):
    phrases = private_phrases((ROOT / path).read_text())
    assert not phrases, f"{path}: " + "; ".join(f"{p!r} ({w})" for p, w in phrases)


def private_phrases(text: str) -> list[tuple[str, str]]:
    """(phrase, its replacement) of each private phrase, also across lines."""
    line = re.sub(r"\s+(# )?", " ", text)
    return [
        (match[0], words)
        for pattern, words in PRIVATE_PHRASES.items()
        for match in re.finditer(pattern, line)
    ]


def test_private_phrases_are_detected():
    comment = "# The levels of a numeric\n# factor, and 20 steps a second."
    phrases = [phrase for phrase, _ in private_phrases(comment)]
    assert phrases == ["numeric factor", "steps a second"]
    assert not private_phrases("A row of numbers, one line per trial, 20 steps/s.")


def test_banned_identifiers_are_detected():
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
