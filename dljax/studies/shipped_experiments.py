"""The experiments that come with dljax, in a wheel or in a checkout.

A wheel holds them as the package `dljax.experiments`. In a checkout they are the
directory experiments/ beside dljax/; `python -m experiments.NAME` runs one there.
"""

import importlib
import importlib.util
import pathlib
import sys
from types import ModuleType

PACKAGE = "dljax.experiments"
CHECKOUT = pathlib.Path(__file__).resolve().parents[2] / "experiments"


def package() -> ModuleType:
    """Imports `dljax.experiments`; in a checkout, from the directory experiments/."""
    try:
        return importlib.import_module(PACKAGE)
    except ModuleNotFoundError:
        if not CHECKOUT.is_dir():
            raise
    spec = importlib.util.spec_from_file_location(
        PACKAGE,
        CHECKOUT / "__init__.py",
        submodule_search_locations=[str(CHECKOUT)],
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)
    return module


def directory() -> pathlib.Path:
    """The directory of the package; its results/ holds the recorded results."""
    return pathlib.Path(next(iter(package().__path__))).resolve()


def scripts(directory: pathlib.Path) -> list[pathlib.Path]:
    """The scripts below a directory that define a STUDY, sorted."""
    paths = sorted(directory.rglob("*.py"))
    return [path for path in paths if "\nSTUDY = " in path.read_text("utf-8")]


def module_name(path: pathlib.Path, root: pathlib.Path) -> str:
    """The dotted name of a script below a directory, as "reference.adding"."""
    return ".".join(path.relative_to(root).with_suffix("").parts)


def has(name: str) -> bool:
    """Whether there is an experiment of this name, as "reference.adding"."""
    return directory().joinpath(*name.split(".")).with_suffix(".py").is_file()


def import_module(name: str) -> ModuleType:
    """Imports an experiment by its name below the package, as "reference.adding"."""
    package()
    return importlib.import_module(f"{PACKAGE}.{name}")


def command_prefix() -> str:
    """The package's name in a command: "experiments" where a checkout is the cwd."""
    is_cwd = directory() == pathlib.Path("experiments").resolve()
    return "experiments" if is_cwd else PACKAGE
