"""README's tables of claims and of published numbers, made from claims.toml.

python -m dljax.reporting.readme_tables
"""

import pathlib
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The fields of a row of claims.toml, beside the experiment.
CLAIM = ("sentence", "verdict", "evidence")
REFERENCE = ("measured", "published", "here")


def table(rows: list[dict[str, str]], head: str, fields: tuple[str, ...]) -> str:
    """A Markdown table of `fields`, with a link to the experiment after the first."""
    names = head.split()
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for row in rows:
        name = row["experiment"]
        link = f"[{name}](experiments/{name.replace('.', '/')}.py)"
        cells = [row[field] for field in fields]
        lines.append(f"| {' | '.join([cells[0], link, *cells[1:]])} |")
    return "\n".join(lines)


def replace_tables(readme: str, rows: dict[str, list[dict[str, str]]]) -> str:
    """README's text with its tables replaced."""
    claims = table(rows["claim"], "claim experiment verdict evidence", CLAIM)
    numbers = table(rows["reference"], "number experiment published here", REFERENCE)
    for name, text in {"claims": claims, "references": numbers}.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        head, rest = readme.split(begin)
        _, tail = rest.split(end)
        readme = f"{head}{begin}\n{text}\n{end}{tail}"
    return readme


def read_claims() -> dict[str, list[dict[str, str]]]:
    """The rows of claims.toml: {"claim" or "reference": rows}."""
    return tomllib.loads((ROOT / "claims.toml").read_text())


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(replace_tables(path.read_text(), read_claims()))
