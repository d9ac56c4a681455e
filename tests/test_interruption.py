"""Real training processes, killed at random moments, produce the same bits."""

import concurrent.futures
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from conftest import DEVICES

from dljax.errors import DONE, PREEMPTED
from dljax.trials import checkpoint

STEPS = {"classifier": 15_000, "dcgan": 6_000, "diffusion": 2_500}
STEPS |= {"transformer": 3_000, "gan": 15_000, "seq2seq": 3_000}
SHORT_FAMILIES = ("dcgan",)  # of the short test
# Processes are forked from one that has imported all modules, which halves their time.
OUTPUT = "output.txt"  # stdout and stderr of the processes
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *("families_experiment", "families", "networks", "orbax.checkpoint"),
        *("dljax.trials.run_trial", "dljax.reporting.report"),
    ]
)


def _work(directory, family, *more, steps=0, optimized=False):
    import families_experiment

    from dljax import cli

    if optimized:  # as for use
        os.environ["XLA_FLAGS"] = DEVICES
        jax.config.update("jax_disable_most_optimizations", False)
    log = os.open(directory.parent / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    cli.main(
        families_experiment,
        [
            *(
                f"--family={family}",
                f"--steps={steps or STEPS[family]}",
                "--log_every=500",
            ),
            *(f"--workdir={directory}", "--save_every_secs=0.1", *more),
        ],
    )


def start(directory, family, *more, **options):
    process = FORKS.Process(
        target=_work, args=(directory, family, *more), kwargs=options
    )
    process.start()
    return process


def saved(directory):
    """The steps of all checkpoints of each trial."""
    return [checkpoint.steps(p) for p in directory.glob("*/checkpoints")]


def kill(process, directory, number, draw):
    """Sends a signal at a random moment; False if the process finished before."""
    until = time.monotonic() + draw.uniform(0, 1.5)
    before = saved(directory)
    if draw.random() < 0.75:  # while it trains and saves, rather than starts
        while process.is_alive() and saved(directory) == before:
            time.sleep(0.01)
        until = time.monotonic() + draw.uniform(0, 0.4)
    while process.is_alive() and time.monotonic() < until:
        time.sleep(0.005)
    if not process.is_alive():
        process.join()
        return False
    os.kill(process.pid, number)
    process.join(60)
    # The process may have ended, or may not handle signals yet, at that moment.
    expected = {
        signal.SIGKILL: {-signal.SIGKILL, DONE},
        signal.SIGTERM: {PREEMPTED, DONE, -signal.SIGTERM},
    }[number]
    assert process.exitcode in expected, (directory.parent / OUTPUT).read_text()
    return process.exitcode != DONE


def result(directory):
    """(bytes of metrics.jsonl, step, {name: array} of the last and the best state)."""
    (trial,) = directory.glob("*/DONE")
    metrics = (trial.parent / "metrics.jsonl").read_bytes()
    newest = checkpoint.read(trial.parent / "checkpoints", log=pytest.fail)
    return metrics, newest.step, newest.leaves


def assert_same(a, b):
    assert a[:2] == b[:2]
    assert a[2].keys() == b[2].keys()
    assert {"state.step", "state.key", "best.score"} <= a[2].keys()
    jax.tree.map(np.testing.assert_array_equal, a[2], b[2])


def interrupt(family, root, kills, terms, **options):
    """Trains once without and then with interruptions; compares the results."""
    root.mkdir()
    reference = start(root / "reference", family, **options)
    reference.join()
    assert reference.exitcode == DONE, (root / OUTPUT).read_text()
    expected = result(root / "reference")
    draw = random.Random(family)
    numbers = [signal.SIGKILL] * kills + [signal.SIGTERM] * terms
    draw.shuffle(numbers)
    ends = resumed = 0
    directory = root / "work"
    queue = iter([*numbers, None])
    number = next(queue)
    while True:
        process = start(directory, family, **options)
        if number is None:
            process.join()
        elif kill(process, directory, number, draw):
            resumed += any(saved(directory))
            number = next(queue)
            continue
        assert process.exitcode == DONE, (root / OUTPUT).read_text()
        assert_same(result(directory), expected)
        ends += 1
        shutil.rmtree(directory)
        if number is None:
            break
    output = (root / OUTPUT).read_text()
    assert "Traceback" not in output, output
    assert "damaged" not in output, output
    assert "resuming" in output
    return {"family": family, "ends": ends, "resumed": resumed}


def interrupt_all(families, root, kills, terms, **options):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [
            pool.submit(interrupt, family, root / family, kills, terms, **options)
            for family in families
        ]
        return [future.result() for future in futures]


def test_kills_and_terminations_change_no_bit(tmp_path):
    for counts in interrupt_all(SHORT_FAMILIES, tmp_path, 2, 2, steps=3_000):
        assert counts["resumed"] > 1, counts


LONG = [pytest.param(n, marks=pytest.mark.long) for n in ("SIGINT", "SIGUSR2")]


@pytest.mark.parametrize("name", ["SIGTERM", *LONG])
def test_a_signal_while_it_compiles_is_a_clean_stop(tmp_path, name):
    process = start(tmp_path / "work", "gan")
    output = tmp_path / OUTPUT
    while not (output.is_file() and "parameters" in output.read_text()):
        assert process.is_alive()
        time.sleep(0.01)
    os.kill(process.pid, getattr(signal, name))
    process.join()
    assert process.exitcode == PREEMPTED
    assert str(tmp_path / "work") in output.read_text().splitlines()[-1]
    assert max(saved(tmp_path / "work")) == [1]  # the step was finished and saved


def test_a_second_ctrl_c_ends_at_once():
    lines = (
        "import os, signal",
        "from dljax import cli",
        "stop = cli.stop_on_signals()",
        "os.kill(os.getpid(), signal.SIGINT)",
        "assert stop()",
        "os.kill(os.getpid(), signal.SIGINT)",
        "raise SystemExit('it goes on')",
    )
    command = [sys.executable, "-c", "\n".join(lines)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == PREEMPTED
    assert len(ended.stderr.splitlines()) == 2


def test_run_prints_no_line_of_a_library(tmp_path):
    process = start(tmp_path / "work", "gan", "--steps=2000")
    process.join()
    assert process.exitcode == DONE
    expected = (
        r"families_experiment: |\d+ seeds?: |no verdict |gan: |  \w+/Dense_|variant"
        r"|gan  |contrast|gap  |claim|verdict|report  |$"
    )
    output = (tmp_path / OUTPUT).read_text()
    lines = output.splitlines()
    assert not [line for line in lines if not re.match(expected, line)], output


@pytest.mark.long
def test_three_hundred_kills_change_no_bit(tmp_path):
    for counts in interrupt_all(STEPS, tmp_path, 100, 20, optimized=True):
        assert counts["resumed"] > 60, counts
        print(json.dumps(counts), file=sys.stderr)
