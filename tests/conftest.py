"""Eight devices on one CPU, quick compilation, strict shapes; time and memory."""

import contextlib
import ctypes
import gc
import importlib.util
import itertools
import os
import pathlib
import resource
import sys
import time
import warnings
from multiprocessing import forkserver

DEVICES = "--xla_force_host_platform_device_count=8"
# The short suite compiles with few optimizations, here and in the processes that tests
# start, which halves its time; the laws of equal bits use the fixture `optimized`
# instead. `make test-all` sets the variable to 0, and compiles as for use.
QUICK = os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") != "0"
QUICK_FLAGS = " --xla_cpu_use_fusion_emitters=false" if QUICK else ""
os.environ["XLA_FLAGS"] = DEVICES + QUICK_FLAGS

import jax  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
import pytest  # noqa: E402

from dljax import backend  # noqa: E402
from dljax.training import strategies  # noqa: E402
from dljax.trials.progress import Progress  # noqa: E402

backend.prepare()
jax.config.update("jax_numpy_rank_promotion", "raise")


def _resident_gigabytes():
    pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize() / 1e9


def _release(gigabytes):
    """Drops compiled programs if this process holds more than so much memory.

    They hold memory maps too, of which Linux gives a process 65,530. What is freed goes
    back to the system, against `backend.keep_buffers_mapped`.
    """
    maps = pathlib.Path("/proc/self/maps")
    if maps.exists() and (
        _resident_gigabytes() > gigabytes or maps.read_bytes().count(b"\n") > 25_000
    ):
        jax.clear_caches()
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@pytest.fixture(autouse=True)
def _release_after_test():
    yield
    _release(1.4)


@pytest.fixture(autouse=True, scope="module")
def _release_after_file():
    yield
    _release(0.9)


def _optimized():
    """Programs are compiled as for use."""
    options = {**strategies.compiler_options(), "xla_cpu_use_fusion_emitters": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategies, "compiler_options", lambda: options)
        jax.config.update("jax_disable_most_optimizations", False)
        yield
        jax.config.update("jax_disable_most_optimizations", QUICK)


optimized = pytest.fixture(_optimized)  # for one test
optimized_file = pytest.fixture(_optimized, scope="module")


def others_long(values, short):
    """Parameters of which the short suite has those in `short`."""
    return [
        pytest.param(v, marks=() if v in short else pytest.mark.long) for v in values
    ]


def in_turn(**levels):
    """Parametrizes over all combinations of levels; the short suite has each level.

    Its combinations are the first levels, the second ones and so on, of which the
    factors with fewer levels begin again; the others are long.
    """
    sizes = [len(values) for values in levels.values()]
    short = {tuple(i % size for size in sizes) for i in range(max(sizes))}
    cases = [
        pytest.param(
            *(values[i] for values, i in zip(levels.values(), indices, strict=True)),
            marks=() if indices in short else pytest.mark.long,
        )
        for indices in itertools.product(*map(range, sizes))
    ]
    names = ",".join(levels)
    return pytest.mark.parametrize(names, cases)


FIGURES = ("_result_figures", "_sample_figures")  # of dljax.reporting.report


@pytest.fixture(autouse=True, scope="session")
def _skip_figures():
    """Reports of studies have no figures, which take a third of a short study's time,
    except where a test is marked `drawn` or a fixture uses `drawing`.
    """
    from dljax.reporting import report

    with pytest.MonkeyPatch.context() as patch:
        for name in FIGURES:
            DRAWN[name] = getattr(report, name)
            patch.setattr(report, name, lambda *args: [])
        yield


DRAWN = {}


@contextlib.contextmanager
def drawing():
    """Reports of studies have their figures."""
    from dljax.reporting import report

    with pytest.MonkeyPatch.context() as patch:
        for name, function in DRAWN.items():
            patch.setattr(report, name, function)
        yield


@pytest.fixture(autouse=True)
def _draw(request):
    drawn = request.node.get_closest_marker("drawn")
    with drawing() if drawn else contextlib.nullcontext():
        yield


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
    "killed_study",
    "study",
    "launcher",
    "array",
    "documents",
)


def pytest_collection_modifyitems(items):
    places = {f"test_{name}.py": place for place, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def _costs():
    """Wall clock and CPU seconds, with those of child processes that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() + children.ru_utime + children.ru_stime
    if pid := forkserver._forkserver._forkserver_pid:
        cpu += sum(psutil.Process(pid).cpu_times()[:4])  # its children included
    return time.perf_counter(), cpu


def _peak_gigabytes():
    """Peak resident memory of this process and of its largest child."""
    kibi = 2**10 if sys.platform == "linux" else 1
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return [resource.getrusage(w).ru_maxrss * kibi / 1e9 for w in who]


_mark = _costs()


def pytest_collection_finish():
    global _mark
    _mark = _costs()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds what a test and its fixtures cost to the last of its three reports."""
    global _mark
    report = yield
    if report.when == "teardown":
        now = _costs()
        spent = [end - begin for begin, end in zip(_mark, now, strict=True)]
        report.user_properties.append(("cost", [*spent, *_peak_gigabytes()]))
        _mark = now
    return report


def _write_time_by_part(terminalreporter):
    """Prints the ten files that cost the most, the total, and each worker's memory."""
    parts, peaks = {}, {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, cost in getattr(report, "user_properties", ()):
                if name == "cost" and report.when == "teardown":
                    wall, cpu, *memory = cost
                    file = report.nodeid.split("::")[0]
                    total = parts.setdefault(file, [0.0, 0.0])
                    total[:] = total[0] + wall, total[1] + cpu
                    worker = getattr(report, "worker_id", "main")
                    peaks[worker] = memory  # of all until then
    if len(parts) < 2:
        return
    write = terminalreporter.write_line
    write("")
    write("| part | wall s | CPU s |")
    write("|---|---|---|")
    slowest = sorted(parts.items(), key=lambda part: -part[1][1])
    for file, (wall, cpu) in slowest[:10]:
        write(f"| {file} | {wall:.0f} | {cpu:.0f} |")
    wall, cpu = (sum(column) for column in zip(*parts.values(), strict=True))
    write(f"| all {len(parts)} files | {wall:.0f} | {cpu:.0f} |")
    for worker, (own, child) in sorted(peaks.items()):
        write(f"{worker}: at most {own:.1f} GB; its largest child {child:.1f} GB")


def pytest_terminal_summary(terminalreporter):
    """Prints the conformance matrix, and time and memory by part."""
    _write_conformance(terminalreporter)
    _write_time_by_part(terminalreporter)


def _write_conformance(terminalreporter):
    """Prints which law holds for which family."""
    held = {}
    for outcome, mark in (("passed", "yes"), ("failed", "NO")):
        for report in terminalreporter.stats.get(outcome, []):
            name = report.nodeid.split("::")[-1]
            for begin, law in LAWS.items():
                if name.startswith(begin) and name.endswith("]"):
                    held[name.split("[")[1][:-1], law] = mark
    if len(held) > 1:
        terminalreporter.write_line("")
        for line in conformance_table(held):
            terminalreporter.write_line(line)


def conformance_table(held):
    """Lines of Markdown, of {(family, law): "yes" or "NO"}."""
    from families import FAMILIES
    from networks import NETWORKS

    laws = list(LAWS.values())
    lines = [f"| family | {' | '.join(laws)} |", "|---" * (len(laws) + 1) + "|"]
    for family in (*FAMILIES, *NETWORKS):
        cells = [held.get((family, law), "–") for law in laws]
        if {*cells} != {"–"}:
            lines.append(f"| {family} | {' | '.join(cells)} |")
    return lines
