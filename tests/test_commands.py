"""The command `dljax`: its help, its mistakes, and the form of earlier versions."""

import subprocess
import sys

import pytest

from dljax import __main__ as dljax_command
from dljax.errors import DONE, USAGE, UserError


@pytest.mark.parametrize("name", dljax_command.COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_answers_help(name, flag, capsys):
    assert dljax_command.run([name, flag]) == DONE
    assert capsys.readouterr().out.startswith(f"dljax {name} ")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(arguments, capsys):
    assert dljax_command.run(arguments) == DONE
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for name in dljax_command.COMMANDS:
        assert any(line.startswith(f"dljax {name} ") for line in lines)


def test_an_unknown_command_names_the_nearest():
    with pytest.raises(UserError, match="did you mean replay?") as raised:
        dljax_command.run(["reply", "RUN"])
    assert raised.value.code == USAGE


@pytest.mark.parametrize("name", ["report", "replay", "evaluate", "sample", "judge"])
def test_the_old_form_names_the_new_one(name):
    done = subprocess.run(
        [sys.executable, "-m", f"dljax.{name}", "RUN"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert f"dljax {name}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_needs_no_jax():
    script = (
        "import sys\n"
        "from dljax.__main__ import run\n"
        "run(['--help'])\n"
        "run(['judge', '--help'])\n"
        "assert 'jax' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
