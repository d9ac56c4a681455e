"""An import never climbs; flax, Orbax and TensorFlow stay where they belong."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[1]
FLOORS = (
    {"errors"},
    {"contract", "config", "backend"},
    {"models"},
    {"data", "tasks", "probes"},
    {"train"},
    {"runs"},
    {"studies"},
    {"loading"},
    {"cli"},
    {"report", "evaluate", "replay", "sample", "judge"},
)


def sources():
    for folder in ("dljax", "experiments"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor(name):
    rooms = [i for i, rooms in enumerate(FLOORS) if name in rooms]
    assert rooms, f"{name} has no floor"
    return rooms[0]


def test_an_import_never_climbs():
    for path, tree in sources():
        if (
            path.parts[0] != "dljax"
            or path.name == "__init__.py"
            and len(path.parts) == 2
        ):
            continue
        room = path.parts[1].removesuffix(".py")
        for name in imported(tree):
            if name.startswith("dljax.") and name.count(".") == 1:
                other = name.split(".")[1]
                assert floor(other) <= floor(room), f"{path} imports {name}"
            assert not name.startswith("experiments"), f"{path} imports {name}"


def test_flax_is_imported_in_models_only():
    for path, tree in sources():
        if path.parts[:2] != ("dljax", "models"):
            assert not [n for n in imported(tree) if n.split(".")[0] == "flax"], path


def test_orbax_is_imported_by_one_file():
    users = [
        str(path)
        for path, tree in sources()
        if any(name.split(".")[0] == "orbax" for name in imported(tree))
    ]
    assert users == ["dljax/runs/checkpoint.py"]


def test_tensorflow_is_never_imported():
    for path, tree in sources():
        assert not [n for n in imported(tree) if n.split(".")[0] == "tensorflow"], path


def test_no_file_is_over_300_lines():
    for path, _ in sources():
        assert len((ROOT / path).read_text().splitlines()) <= 300, path
