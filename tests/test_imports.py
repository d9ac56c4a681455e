"""An import never climbs; flax, Orbax and TensorFlow stay where they belong."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[1]
FLOORS = (
    {"errors"},
    {"types", "rendering", "config", "backend"},
    {"ops"},
    {"models"},
    {"datasets"},
    {"metrics"},
    {"sources"},
    {"interpret"},
    {"tasks"},
    {"training"},
    {"trials"},
    {"studies"},
    {"reporting"},
    {"launch"},
    {"cli"},
    {"commands"},
    {"__main__"},
    {"report", "replay", "evaluate", "sample", "judge"},  # name the new command
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
            if name.startswith("dljax."):
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
    assert users == ["dljax/trials/checkpoint.py"]


def test_tensorflow_is_never_imported():
    for path, tree in sources():
        assert not [n for n in imported(tree) if n.split(".")[0] == "tensorflow"], path


def test_no_two_files_import_each_other():
    imports = {}
    for path, tree in sources():
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        imports[name] = {n for n in imported(tree) if n not in (name, "dljax")}
    imports = {name: its & imports.keys() for name, its in imports.items()}

    def reached(name, seen):
        for other in imports[name] - seen:
            seen.add(other)
            reached(other, seen)
        return seen

    circles = [name for name in imports if name in reached(name, set())]
    assert not circles
