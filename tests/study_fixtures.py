"""Running a study in this process, as the tests of studies do."""

import json

import jax
import numpy as np
from conftest import Quiet

from dljax.errors import DONE
from dljax.launch.run_study import run_study
from dljax.studies.experiment import parse_request


def parse(experiment, *arguments):
    return parse_request(experiment, arguments)


def run(experiment, directory, *arguments, stop=lambda: False, code=DONE):
    """Runs a study in `directory`; returns the logged lines."""
    progress = Quiet()
    request = parse(experiment, *arguments, f"--workdir={directory}")
    assert run_study(experiment, request, stop=stop, progress=progress) == code
    return progress.lines


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def trials(directory):
    """{name: directory} of the finished trials."""
    return {path.parent.name: path.parent for path in directory.glob("*/DONE")}


def assert_equal_trees(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)
