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
            tree = ast.parse(path.read_text())
            yield path.relative_to(ROOT), list(imported(path.relative_to(ROOT), tree))


def imported(path, tree):
    """The names that a file imports; relative imports stand in experiments/ alone,
    which a wheel holds as dljax.experiments.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not (node.level and path.parts[0] == "dljax"), path
            package = path.parts[: -node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            assert node.level or not module.startswith("experiments"), path
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def floor(name):
    rooms = [i for i, rooms in enumerate(FLOORS) if name in rooms]
    assert rooms, f"{name} has no floor"
    return rooms[0]


def test_an_import_never_climbs():
    for path, names in sources():
        if (
            path.parts[0] != "dljax"
            or path.name == "__init__.py"
            and len(path.parts) == 2
        ):
            continue
        room = path.parts[1].removesuffix(".py")
        for name in names:
            if name.startswith("dljax."):
                other = name.split(".")[1]
                assert floor(other) <= floor(room), f"{path} imports {name}"
            assert not name.startswith("experiments"), f"{path} imports {name}"


def test_flax_is_imported_in_models_only():
    for path, names in sources():
        if path.parts[:2] != ("dljax", "models"):
            assert not [n for n in names if n.split(".")[0] == "flax"], path


def test_orbax_is_imported_by_one_file():
    users = [
        str(path)
        for path, names in sources()
        if any(name.split(".")[0] == "orbax" for name in names)
    ]
    assert users == ["dljax/trials/checkpoint.py"]


def test_tensorflow_is_never_imported():
    for path, names in sources():
        assert not [n for n in names if n.split(".")[0] == "tensorflow"], path


def test_no_two_files_import_each_other():
    imports = {}
    for path, names in sources():
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        imports[name] = {n for n in names if n not in (name, "dljax")}
    imports = {name: its & imports.keys() for name, its in imports.items()}

    def reached(name, seen):
        for other in imports[name] - seen:
            seen.add(other)
            reached(other, seen)
        return seen

    circles = [name for name in imports if name in reached(name, set())]
    assert not circles
