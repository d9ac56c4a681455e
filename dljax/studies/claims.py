"""README's table of claims, made from claims.toml: python -m dljax.studies.claims."""

import pathlib
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- claims -->", "<!-- /claims -->"


def table(claims: list[dict[str, str]]) -> str:
    """A Markdown table: claim, experiment, verdict, evidence."""
    rows = ["| claim | experiment | verdict | evidence |", "|---|---|---|---|"]
    for claim in claims:
        name = claim["experiment"]
        link = f"[{name}](experiments/{name}.py)" if name else "to come"
        verdict, evidence = claim.get("verdict", ""), claim.get("evidence", "")
        rows.append(f"| {claim['sentence']} | {link} | {verdict} | {evidence} |")
    return "\n".join(rows)


def with_table(readme: str, claims: list[dict[str, str]]) -> str:
    """README's text with its table of claims replaced."""
    head, rest = readme.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{table(claims)}\n{END}{tail}"


def read() -> list[dict[str, str]]:
    """The claims of claims.toml."""
    return tomllib.loads((ROOT / "claims.toml").read_text())["claim"]


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_table(path.read_text(), read()))
