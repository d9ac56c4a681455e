"""README, BUILD and docs: code runs, commands and flags exist, links lead somewhere."""

import ast
import contextlib
import dataclasses
import importlib
import importlib.util
import io
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tomllib
from typing import NamedTuple

import pytest

from dljax import __main__ as console
from dljax import errors
from dljax.config import parse
from dljax.datasets.registry import REGISTRY
from dljax.studies.experiment import of_module, parse_request
from dljax.studies.study import Study

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "BUILD.md",
    *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts),
]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
GUIDES = (
    *("install", "quickstart", "concepts", "write_an_experiment", "add_a_model"),
    *("add_a_task", "add_a_dataset", "your_own_data", "running_many"),
    *("when_things_go_wrong", "look_inside", "statistics", "guarantees"),
    *("file_formats", "speed", "experiments", "references", "gallery", "architecture"),
)
SOURCE_PACKAGE = "dljax.sources"


class Block(NamedTuple):
    """A fenced block of code: its language, its text and the line it begins at."""

    language: str
    text: str
    line: int


def blocks(name: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = (ROOT / name).read_text()
    return [
        Block(match[1], match[2], text[: match.start()].count("\n") + 1)
        for match in re.finditer(r"^```([\w{}-]*)\n(.*?)^```$", text, re.M | re.S)
    ]


def python_blocks(name: str) -> list[Block]:
    """The blocks of a page that are Python code."""
    return [block for block in blocks(name) if block.language == "python"]


def experiments(name: str) -> list[Block]:
    """The blocks of a page that are complete experiments."""
    return [block for block in python_blocks(name) if "cli.main(" in block.text]


def prose(name: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(), flags=re.M | re.S)


def code_spans(name: str) -> list[str]:
    """The inline code of a page."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(name))


WITH_PYTHON = [name for name in NAMES if python_blocks(name)]
WITH_EXPERIMENTS = [name for name in NAMES if experiments(name)]


def test_the_guides_have_code_and_an_experiment():
    assert {"README.md", "docs/write_an_experiment.md"} == {*WITH_EXPERIMENTS}
    expected = ["add_a_dataset", "add_a_model", "add_a_task", "concepts"]
    expected += ["quickstart", "write_an_experiment", "your_own_data"]
    assert {*WITH_PYTHON} >= {f"docs/{name}.md" for name in expected}


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_python_blocks_import_what_exists(name):
    for block in python_blocks(name):
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and not node.level:
                module = importlib.import_module(node.module)
                missing = [a.name for a in node.names if not _has(module, a.name)]
                assert not missing, (name, block.line, node.module)


def _has(module, name):
    """Whether a module has an attribute or a submodule."""
    if hasattr(module, name):
        return True
    return importlib.util.find_spec(f"{module.__name__}.{name}") is not None


RUN_BLOCKS = """
import json, sys
namespace = {"__name__": "page"}
for page, line, text in json.load(sys.stdin):
    exec(compile("\\n" * line + text, page, "exec"), namespace)
"""


def run(words, *, folder, data_dir, stdin=None):
    """Runs a Python command in a folder; fails with its standard error."""
    environment = {
        "PYTHONPATH": str(ROOT),
        "TFDS_DATA_DIR": data_dir,
        "JAX_NUMPY_RANK_PROMOTION": "raise",
    }
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | environment,
        input=stdin,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.long
@pytest.mark.parametrize("name", WITH_PYTHON)
def test_python_blocks_run_in_order(name, tmp_path, data_dir):
    if "runs/cnn_vs_mlp-digits" in "".join(b.text for b in python_blocks(name)):
        small = ["--steps=3", "--seeds=2", "--channels=2", "--hidden=4"]
        one = ["--network=cnn", "--pixels=in_place"]
        words = ["-m", "experiments.cnn_vs_mlp", *small, *one]
        run(words, folder=tmp_path, data_dir=data_dir)
    code = [(name, block.line, block.text) for block in python_blocks(name)]
    run(["-c", RUN_BLOCKS], folder=tmp_path, data_dir=data_dir, stdin=json.dumps(code))


@pytest.mark.long
@pytest.mark.parametrize("name", WITH_EXPERIMENTS)
def test_experiments_of_pages_run(name, tmp_path, data_dir):
    (block,) = experiments(name)
    path = tmp_path / "example.py"
    path.write_text(block.text)
    words = [str(path), "--smoke", "--steps=5", "--seeds=2"]
    run(words, folder=tmp_path, data_dir=data_dir)
    report = tmp_path / "runs/example-digits-smoke/report.json"
    assert json.loads(report.read_text())["smoke"]


def commands(name: str) -> list[tuple[int, list[str]]]:
    """[(line, words)] of the commands in a page's shell blocks and inline code."""
    lines = []
    for block in blocks(name):
        if block.language in ("bash", "text"):
            for number, line in enumerate(block.text.splitlines(), block.line + 1):
                lines.append((number, line.removeprefix("!")))
    lines += [(0, span) for span in code_spans(name)]
    found = []
    for number, line in lines:
        with contextlib.suppress(ValueError):  # a quotation mark in running output
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            found.append((number, words))
    return [(number, words) for number, words in found if words]


def own_experiment(name: str, tmp_path) -> object:
    """The module of a page's own experiment."""
    path = tmp_path / "own_experiment.py"
    path.write_text(experiments(name)[0].text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_experiment_commands_name_modules_and_flags(name, tmp_path):
    for line, words in commands(name):
        program, *rest = words
        if not program.endswith("python") or rest[:1] != ["-m"]:
            continue
        module_name, *flags = rest[1:]
        flags = [flag for flag in flags if flag != "..."]
        if module_name in ("pytest", "pip") or module_name.endswith(".NAME"):
            continue
        module_name = module_name.removeprefix("dljax.")
        if importlib.util.find_spec(module_name) is None:
            module = own_experiment(name, tmp_path)
        else:
            module = importlib.import_module(module_name)
        flags = [flag for flag in flags if flag != "--help"]
        if hasattr(module, "STUDY"):
            parse_request(of_module(module), flags)
        elif flags:
            parse(module.Config, flags, factors={})
        assert hasattr(module, "STUDY") or hasattr(module, "main"), (name, line)


def help_of(command: str) -> str:
    """What `dljax COMMAND --help` prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert console.run([command, "--help"]) == 0
    return output.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_dljax_commands_exist_with_their_flags(name):
    for line, words in commands(name):
        if words[0] != "dljax" or len(words) < 2 or words[1] in ("COMMAND", "..."):
            continue
        text = help_of(words[1])
        for flag in words[2:]:
            if flag.startswith("--"):
                assert flag.split("=")[0] in text, (name, line, flag)


TARGETS = {*re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)}
EXTRAS = {
    *tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
}


@pytest.mark.parametrize("name", NAMES)
def test_make_targets_and_extras_exist(name):
    for line, words in commands(name):
        if words[0] == "make":
            targets = [word for word in words[1:] if "=" not in word]
            assert {*targets} <= TARGETS, (name, line)
        if "pip" in words[0] and "install" in words:
            for word in words:
                if match := re.fullmatch(r"\.\[([\w,]+)\]", word):
                    assert {*match[1].split(",")} <= {*EXTRAS, "NAME"}, (name, line)


def slug(heading: str) -> str:
    """The anchor of a heading, as code hosts and MyST derive it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")


def anchors(page: pathlib.Path) -> set[str]:
    """The anchors of a Markdown page."""
    text = prose(str(page.relative_to(ROOT)))
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)}


@pytest.mark.parametrize("name", NAMES)
def test_links_and_pictures_lead_somewhere(name):
    text = prose(name)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    links += re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for link in links:
        if re.match(r"https?:|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), (name, link)
        assert target.resolve().is_relative_to(ROOT), (name, link)
        if anchor:
            assert anchor in anchors(target.resolve()), (name, link)


@pytest.mark.parametrize("name", NAMES)
def test_code_in_prose_names_what_exists(name):
    for span in code_spans(name):
        if re.fullmatch(r"(dljax|experiments|tests|docs)/[\w./-]*", span):
            invented = "_build" in span or "gated_layer" in span
            if not invented and not re.search(r"/[A-Z][A-Z-]*\b", span):
                assert (ROOT / span).exists(), (name, span)
        elif match := re.fullmatch(r"(dljax(?:\.\w+)*)\.(\w+)(?:\(.*\))?", span):
            if not match[2].isupper() and match[2] != "experiments":
                assert _exists(match[1], match[2]), (name, span)
        elif match := re.fullmatch(r"(\w+)\.(\w+)\(.*\)", span):
            module = f"{SOURCE_PACKAGE}.{match[1]}"
            if importlib.util.find_spec(module):
                assert _exists(module, match[2]), (name, span)


def _exists(path: str, name: str) -> bool:
    """Whether a dotted path leads to a module or a function with the attribute."""
    try:
        return _has(importlib.import_module(path), name)
    except ModuleNotFoundError:
        parent, _, last = path.rpartition(".")
        return hasattr(getattr(importlib.import_module(parent), last), name)


def test_readme_is_short_and_has_a_short_experiment():
    assert len((ROOT / "README.md").read_text().split()) <= 1200
    (block,) = experiments("README.md")
    assert sum(bool(line.strip()) for line in block.text.splitlines()) <= 30


def test_docs_has_its_pages_and_index_lists_all():
    index = (DOCS / "index.md").read_text()
    listed = {*re.findall(r"^([\w/]+)$", index, re.M)}
    assert listed == {*GUIDES, "api/index"}
    for page in listed:
        assert (DOCS / f"{page}.md").is_file()
        assert f"({page}.md)" in index


MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "dljax").glob("*/*.py")
    if path.stem != "__init__"
)


def test_every_module_is_in_the_api_reference():
    pages = {path.stem: path.read_text() for path in (DOCS / "api").glob("*.md")}
    listed = re.findall(r"^\.\. automodule:: (\S+)$", "\n".join(pages.values()), re.M)
    core = {"dljax", "dljax.types", "dljax.config", "dljax.cli", "dljax.rendering"}
    core |= {"dljax.errors", "dljax.backend"}
    assert sorted({*listed} - core) == MODULES
    assert len(listed) == len({*listed})
    for page in pages:
        assert page == "index" or f"({page}.md)" in pages["index"]


def rows(name: str, head: str) -> list[list[str]]:
    """The cells of the tables of a page whose first column has this head."""
    found, inside = [], False
    for line in (ROOT / name).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == head:
            inside = True
        elif inside and not line.startswith("|---"):
            found.append(cells)
    return found


CODE = [*(ROOT / "dljax").rglob("*.py"), *(ROOT / "experiments").rglob("*.py")]


def raised_errors() -> dict[str, set[int]]:
    """{id: exit codes} of every UserError that the code constructs."""
    codes: dict[str, set[int]] = {}
    for path in [
        *(ROOT / "dljax").rglob("*.py"),
        *(ROOT / "experiments").rglob("*.py"),
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "id", "")
            if isinstance(node, ast.Call) and name == "UserError":
                code = node.args[2] if len(node.args) > 2 else None
                code = next((k.value for k in node.keywords if k.arg == "code"), code)
                number = getattr(errors, code.id) if code else errors.USAGE
                assert isinstance(node.args[0], ast.Constant), path
                codes.setdefault(node.args[0].value, set()).add(number)
    return codes


def test_every_error_is_listed_with_its_exit_codes():
    table = rows("docs/when_things_go_wrong.md", "id")
    listed = {
        row[0].strip("`"): {int(code) for code in row[1].split(",")} for row in table
    }
    assert len(listed) == len(table)
    assert listed == raised_errors()
    assert all(row[2] for row in table)


def test_every_exit_code_is_listed():
    listed = [int(row[0]) for row in rows("docs/when_things_go_wrong.md", "code")]
    assert listed == sorted(errors.EXIT_CODES)


def test_every_data_set_is_listed():
    cells = [row[0] for row in rows("docs/your_own_data.md", "`--dataset=`")]
    assert {*re.findall(r"`(\w+)`", " ".join(cells))} == {*REGISTRY}


def test_every_extra_is_listed():
    cells = [row[0] for row in rows("docs/install.md", "extra")]
    assert {*re.findall(r"`(\w+)`", " ".join(cells))} == EXTRAS


def test_every_field_of_a_study_is_listed():
    cells = [row[0] for row in rows("docs/write_an_experiment.md", "field")]
    assert {*re.findall(r"`(\w+)`", " ".join(cells))} == {*Study._fields}


def test_every_target_is_listed():
    cells = [row[0] for row in rows("BUILD.md", "command")]
    assert {*re.findall(r"`make ([\w-]+)", " ".join(cells))} == TARGETS


def test_the_contract_is_listed():
    from dljax import types

    listed = [row[0].strip("`") for row in rows("docs/concepts.md", "record")]
    assert listed == ["Net", "Turn", "Task", "Source", "State"]
    text = (DOCS / "concepts.md").read_text()
    for name in types.State._fields:
        assert f"`{name}`" in text
    assert not dataclasses.is_dataclass(types.State)


def test_the_quickstart_shows_the_recorded_numbers():
    path = ROOT / "experiments/results/cnn_vs_mlp-digits.json"
    result = json.loads(path.read_text())
    text = (DOCS / "quickstart.md").read_text()
    for variant in result["variants"]:
        accuracy = variant["metrics"][result["primary_metric"]]
        for key in ("mean", "ci_low", "ci_high"):
            assert f"{accuracy[key]:.4f}" in text
    for contrast in result["contrasts"]:
        for key in ("difference", "simultaneous_low", "simultaneous_high"):
            assert f"{contrast[key]:+.4f}" in text
    assert f"verdict  {result['verdict'].upper()}" in text


@pytest.mark.long
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="Sphinx is in the extra `docs`")
    words = ["-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    run(
        [*words, str(DOCS), str(tmp_path / "html")],
        folder=tmp_path,
        data_dir=str(tmp_path),
    )
    assert (tmp_path / "html/api/core.html").is_file()
