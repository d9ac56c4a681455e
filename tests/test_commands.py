"""The command `dljax`: its help, its mistakes, and the form of earlier versions."""

import importlib
import subprocess
import sys

import pytest
from user_errors import check_stderr, user_error

from dljax import __main__ as dljax_command
from dljax.errors import DONE, USAGE

OLD_FORMS = ("report", "replay", "evaluate", "sample", "judge")


def command_module(name):
    return importlib.import_module(f"dljax.commands.{name}")


@pytest.mark.parametrize("name", dljax_command.COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_answers_help(name, flag, capsys):
    assert dljax_command.run([name, flag]) == DONE
    text = capsys.readouterr().out
    module = command_module(name)
    assert text.startswith(f"usage: dljax {name} {module.USAGE}\n")
    assert module.__doc__.strip() in text
    codes = [line.split()[0] for line in text.splitlines() if line[2:3].isdigit()]
    assert {int(code) for code in codes} == {*module.EXIT_CODES, USAGE}
    assert all(line.startswith("dljax ") for line in module.EXAMPLES)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(arguments, capsys):
    assert dljax_command.run(arguments) == DONE
    lines = capsys.readouterr().out.splitlines()
    for name in dljax_command.COMMANDS:
        sentence = command_module(name).__doc__.splitlines()[0]
        assert f"  {name:<10}{sentence}" in lines


def test_an_unknown_command_names_the_nearest():
    with user_error("unknown-command", "dljax reply", "replay"):
        dljax_command.run(["reply", "TRIAL"])


@pytest.mark.parametrize("name", OLD_FORMS)
def test_the_old_form_names_the_new_one(name):
    done = subprocess.run(
        [sys.executable, "-m", f"dljax.{name}", "TRIAL"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert len(done.stderr.strip().splitlines()) == 1
    check_stderr(done.stderr, "renamed-command", f"dljax.{name}", f"dljax {name}")


def test_help_needs_no_jax():
    script = (
        "import sys\n"
        "from dljax.__main__ import run\n"
        "run(['--help'])\n"
        "run(['judge', '--help'])\n"
        "assert 'jax' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
