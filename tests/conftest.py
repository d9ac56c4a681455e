"""Eight devices on one CPU, and strict shapes."""

import gc
import importlib.util
import os
import pathlib
import warnings

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from dljax import backend  # noqa: E402
from dljax.trials.progress import Progress  # noqa: E402

backend.prepare()
jax.config.update("jax_numpy_rank_promotion", "raise")


MAPS = pathlib.Path("/proc/self/maps")


@pytest.fixture(autouse=True)
def _clear_compilation_caches():
    """Compiled programs hold memory maps, of which Linux gives a process 65,530."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > 25_000:
        jax.clear_caches()
        gc.collect()


def _compiled_fast():
    """Programs are compiled in a fifth to two thirds of the time, and are slower: where
    they only have to run, or their numbers to be close.
    """
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


compiled_fast = pytest.fixture(_compiled_fast, scope="module")
fast = pytest.fixture(_compiled_fast)  # for one test


def _close_figure(figure, folder, name):
    from dljax.reporting import figures

    del name
    folder.mkdir(parents=True, exist_ok=True)
    figures.plt().close(figure)
    return ""


@pytest.fixture(autouse=True)
def _skip_drawing(request, monkeypatch):
    """Figures are not drawn, which takes half of a short study's time, except
    where a test is marked `drawn`, and in shared fixtures.
    """
    if not request.node.get_closest_marker("drawn"):
        monkeypatch.setattr("dljax.reporting.figures.save", _close_figure)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A place for prepared data sets that all tests of a session share."""
    return str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def experiment():
    """The experiment on tiny tasks, tests/families_experiment.py."""
    import families_experiment

    from dljax.studies.experiment import import_experiment

    return import_experiment(families_experiment.__file__)


@pytest.fixture(scope="session", params=["kept", "live"])
def golden(request):
    """PyTorch's arrays: those kept in the repository, and made anew where it is."""
    return golden_arrays(request.param, "torch.npz", "make")


def golden_arrays(which, kept, script):
    """The "kept" arrays of tests/golden, or the "live" ones that a script makes."""
    folder = pathlib.Path(__file__).with_name("golden")
    if which == "kept":
        with np.load(folder / kept) as arrays:
            return dict(arrays)
    torch = pytest.importorskip("torch", reason="PyTorch is in the extra `bench`")
    spec = importlib.util.spec_from_file_location(script, folder / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # oneDNN's gradient of a strided kernel of one pixel is wrong at times (2.13, AVX2).
    with warnings.catch_warnings(action="ignore"), torch.backends.mkldnn.flags(False):
        return module.make()


class Quiet(Progress):
    """Collects the lines that are logged."""

    def __init__(self):
        self.lines = []

    def log(self, line):
        self.lines.append(line)


@pytest.fixture
def quiet():
    return Quiet()


LAWS = {
    "test_training": "trains",
    "test_update_is_pure": "pure, jit = no jit",
    "test_a_program_is_compiled_once": "compiled once",
    "test_a_seed_in_a_map": "map = single (bits)",
    "test_spreading": "cores = single (bits)",
    "test_dispatches": "resumed (bits)",
    "test_vmapped": "vmap",
    "test_sharded": "shard",
    "test_pmapped": "pmap",
    "test_evaluation_counts": "padding",
}


# A file runs on one worker: the longest begin first, so that none is waited for.
SLOWEST_FIRST = (
    "interruption",
    "laws",
    "documents",
    "killed_study",
    "launcher",
    "study",
)


def pytest_collection_modifyitems(items):
    places = {f"test_{name}.py": place for place, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_terminal_summary(terminalreporter):
    """Prints the conformance matrix: which law holds for which family."""
    found = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            name = report.nodeid.split("::")[-1]
            for begin, law in LAWS.items():
                if name.startswith(begin) and name.endswith("]"):
                    family = name.split("[")[1][:-1]
                    found.setdefault(family, {})[law] = outcome
    if len(found) > 1:
        terminalreporter.write_line("")
        laws = list(LAWS.values())
        terminalreporter.write_line("| family | " + " | ".join(laws) + " |")
        terminalreporter.write_line("|---" * (len(laws) + 1) + "|")
        marks = {"passed": "yes", "failed": "NO"}
        for family, held in found.items():
            cells = [marks.get(held.get(law), "–") for law in laws]
            terminalreporter.write_line(f"| {family} | " + " | ".join(cells) + " |")
