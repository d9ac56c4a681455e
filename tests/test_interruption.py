"""Real training processes, killed at random moments, end with the same bits."""

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

from dljax.errors import DONE, PREEMPTED
from dljax.trials import checkpoint

STEPS = {"classifier": 15_000, "dcgan": 6_000, "diffusion": 2_500}
STEPS |= {"transformer": 3_000, "gan": 15_000, "seq2seq": 3_000}
SHORTLY = ("dcgan",)  # in the short test
# Processes are forked from one that has imported everything, which halves their lives.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *("families_experiment", "families", "networks", "orbax.checkpoint"),
        *("dljax.trials.run_trial", "dljax.reporting.report"),
    ]
)


def _work(directory, family, *more):
    import families_experiment

    from dljax import cli

    log = os.open(directory.parent / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    cli.main(
        families_experiment,
        [
            *(f"--family={family}", f"--steps={STEPS[family]}", "--log_every=500"),
            *(f"--workdir={directory}", "--save_every_secs=0.1", *more),
        ],
    )


def start(directory, family, *more):
    process = FORKS.Process(target=_work, args=(directory, family, *more))
    process.start()
    return process


def saved(directory):
    """What a life leaves behind when it saves."""
    return [checkpoint.steps(p) for p in directory.glob("*/checkpoints")]


def kill(process, directory, number, draw):
    """Sends a signal at a random moment; False if the process was done before it."""
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
    # A process may end by itself, or be signalled before it listens, at that moment.
    expected = {
        signal.SIGKILL: {-signal.SIGKILL, DONE},
        signal.SIGTERM: {PREEMPTED, DONE, -signal.SIGTERM},
    }[number]
    assert process.exitcode in expected, (directory.parent / "said").read_text()
    return process.exitcode != DONE


def result(directory):
    """(bytes of metrics.jsonl, step, {name: array} of the last and the best state)."""
    (trial,) = directory.glob("*/DONE")
    metrics = (trial.parent / "metrics.jsonl").read_bytes()
    kept = checkpoint.read(trial.parent / "checkpoints", log=pytest.fail)
    return metrics, kept.step, kept.leaves


def assert_same(a, b):
    assert a[:2] == b[:2]
    assert a[2].keys() == b[2].keys()
    assert {"state.step", "state.key", "best.score"} <= a[2].keys()
    jax.tree.map(np.testing.assert_array_equal, a[2], b[2])


def interrupt(family, root, kills, terms):
    """Trains once in peace, then with interruptions; the results must be the same."""
    root.mkdir()
    peace = start(root / "peace", family)
    peace.join()
    assert peace.exitcode == DONE, (root / "said").read_text()
    expected = result(root / "peace")
    draw = random.Random(family)
    numbers = [signal.SIGKILL] * kills + [signal.SIGTERM] * terms
    draw.shuffle(numbers)
    ends = resumed = 0
    place = root / "work"
    queue = iter([*numbers, None])
    number = next(queue)
    while True:
        process = start(place, family)
        if number is None:
            process.join()
        elif kill(process, place, number, draw):
            resumed += any(saved(place))
            number = next(queue)
            continue
        assert process.exitcode == DONE, (root / "said").read_text()
        assert_same(result(place), expected)
        ends += 1
        shutil.rmtree(place)
        if number is None:
            break
    said = (root / "said").read_text()
    assert "Traceback" not in said, said
    assert "damaged" not in said, said
    assert "resuming at step" in said
    return {"family": family, "ends": ends, "resumed": resumed}


def interrupt_all(families, root, kills, terms):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [
            pool.submit(interrupt, family, root / family, kills, terms)
            for family in families
        ]
        return [future.result() for future in futures]


def test_kills_and_terminations_change_no_bit(tmp_path):
    for found in interrupt_all(SHORTLY, tmp_path, kills=2, terms=2):
        assert found["resumed"] > 1, found


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR2"])
def test_a_signal_while_it_compiles_is_a_clean_stop(tmp_path, name):
    process = start(tmp_path / "work", "gan")
    said = tmp_path / "said"
    while not (said.is_file() and "parameters" in said.read_text()):
        assert process.is_alive()
        time.sleep(0.01)
    os.kill(process.pid, getattr(signal, name))
    process.join()
    assert process.exitcode == PREEMPTED
    assert "stopped; the same command resumes in" in said.read_text()
    assert max(saved(tmp_path / "work")) == [1]  # it finished the step, and saved


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
    first, second = ended.stderr.splitlines()
    assert first.startswith("stopping, ")
    assert second == "interrupted"


def test_run_prints_only_its_own_lines(tmp_path):
    process = start(tmp_path / "work", "gan", "--steps=2000")
    process.join()
    assert process.exitcode == DONE
    expected = (
        r"families_experiment: 1 trial of|gan: |  \w+/Dense_|variant|gan  |contrast"
        r"|gap  |claim|verdict|report  |$"
    )
    output = (tmp_path / "said").read_text()
    lines = output.splitlines()
    assert not [line for line in lines if not re.match(expected, line)], output


@pytest.mark.long
def test_three_hundred_kills_change_no_bit(tmp_path):
    for found in interrupt_all(STEPS, tmp_path, kills=100, terms=20):
        assert found["resumed"] > 60, found
        print(json.dumps(found), file=sys.stderr)
