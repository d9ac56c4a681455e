"""A wheel holds the library and the experiments, and nothing else."""

import pathlib
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
LEFT_OUT = "dljax.experiments.bench"


def package_files():
    """{path in a wheel: path in the repository} of every Python file."""
    paths = [*(ROOT / "dljax").rglob("*.py"), *(ROOT / "experiments").rglob("*.py")]
    files = {}
    for path in paths:
        relative = path.relative_to(ROOT).as_posix()
        if relative.startswith("experiments/"):
            relative = f"dljax/{relative}"
        if not relative.startswith(f"{LEFT_OUT.replace('.', '/')}/"):
            files[relative] = path
    return files


def test_every_package_is_declared():
    folders = {path.rpartition("/")[0].replace("/", ".") for path in package_files()}
    assert set(SETUPTOOLS["packages"]) == folders


def test_every_data_file_is_declared():
    declared = {
        path
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in _folder(package).glob(pattern)
    }
    data = {
        path
        for folder in ("dljax", "experiments")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert data == declared


def _folder(package):
    return ROOT / package.removeprefix("dljax.").replace(".", "/")


def has_index():
    """Whether pip can fetch the build requirements."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet"]
    words = ["--ignore-installed", "--no-deps", "setuptools>=77"]
    return subprocess.run([*command, *words], capture_output=True).returncode == 0


@pytest.mark.long
def test_a_wheel_holds_library_and_experiments(tmp_path):
    if not has_index():
        pytest.skip("pip has no index to build from")
    tree = tmp_path / "tree"  # a build leaves files behind
    for folder in ("dljax", "experiments"):
        shutil.copytree(ROOT / folder, tree / folder)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*command, f"--wheel-dir={tmp_path}", str(tree)], check=True)
    (wheel,) = tmp_path.glob("dljax-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    results = {
        f"dljax/experiments/results/{path.name}"
        for path in (ROOT / "experiments/results").glob("*.json")
    }
    pages = {
        f"dljax/reporting/pages/{path.name}"
        for path in (ROOT / "dljax/reporting/pages").iterdir()
    }
    data = {"dljax/datasets/checksums.tsv", *results, *pages}
    assert names == {*package_files(), *data}
