"""Imports go downward; flax and Orbax are imported in one place, TensorFlow nowhere."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[1]
LAYERS = (
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
    {"report", "replay", "evaluate", "sample", "judge"},  # former python -m dljax.NAME
)


def sources():
    for folder in ("dljax", "experiments"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text())
            yield path.relative_to(ROOT), list(imported(path.relative_to(ROOT), tree))


def imported(path, tree):
    """The names that a file imports, fully qualified.

    Only experiments import relatively: a wheel holds them as `dljax.experiments`.
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


def layer(name):
    """The index of the layer of a file or directory of dljax/."""
    layers = [i for i, names in enumerate(LAYERS) if name in names]
    assert layers, f"{name} has no layer"
    return layers[0]


def test_imports_go_downward():
    for path, names in sources():
        if (
            path.parts[0] != "dljax"
            or path.name == "__init__.py"
            and len(path.parts) == 2
        ):
            continue
        own = path.parts[1].removesuffix(".py")
        for name in names:
            if name.startswith("dljax."):
                other = name.split(".")[1]
                assert layer(other) <= layer(own), f"{path} imports {name}"
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
    imports = {name: names & imports.keys() for name, names in imports.items()}

    def reached(name, seen):
        for other in imports[name] - seen:
            seen.add(other)
            reached(other, seen)
        return seen

    cycles = [name for name in imports if name in reached(name, set())]
    assert not cycles
