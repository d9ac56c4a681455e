"""Eight devices on one CPU, and strict shapes."""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax  # noqa: E402
import pytest  # noqa: E402

from dljax import backend  # noqa: E402

backend.prepare()
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A place for prepared data sets that all tests of a session share."""
    return str(tmp_path_factory.mktemp("data"))


class Quiet:
    """A progress bar that only remembers what was said."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)

    def begin(self, total, start, label):
        pass

    def update(self, step, metrics):
        pass

    def end(self):
        pass


@pytest.fixture
def quiet():
    return Quiet()
