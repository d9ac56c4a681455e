"""The command `dljax`: `dljax COMMAND ...`, or `python -m dljax COMMAND ...`."""

import importlib
import os
import sys
from typing import Any

COMMANDS = ("list", "report", "record", "replay", "evaluate", "sample", "judge")


def main() -> None:
    """Runs a command of `dljax.commands` and exits with its code."""
    from dljax.cli import guarded

    if not {"", os.getcwd()} & set(sys.path):  # the console script, unlike python -m
        sys.path.insert(0, os.getcwd())  # experiments of the current project
    sys.exit(guarded(lambda: run(sys.argv[1:])))


def run(arguments: list[str]) -> int:
    """Runs a command and returns the exit code.

    Args:
      arguments: the command's name, then its arguments and flags.

    Raises:
      UserError: an unknown command, or an error of the command.
    """
    from dljax.errors import DONE, UserError, closest_match

    name, *rest = arguments or ["--help"]
    if name in ("--help", "-h"):
        print(_overview())
        return DONE
    if name not in COMMANDS:
        near = closest_match(name, COMMANDS)
        hint = f"did you mean {near}? " if near else ""
        raise UserError(
            "unknown-command",
            f"dljax {name}: unknown command; {hint}commands are {', '.join(COMMANDS)}",
        )
    command = importlib.import_module(f"dljax.commands.{name}")
    if {"--help", "-h"} & set(rest):
        print(_help(name, command))
        return DONE
    return command.main(rest)


def refuse_old_form(name: str) -> None:
    """Exits with an error that names the command in place of `python -m dljax.NAME`."""
    from dljax.cli import guarded
    from dljax.errors import UserError

    def refuse() -> int:
        raise UserError(
            "renamed-command", f"python -m dljax.{name}: renamed; use `dljax {name}`"
        )

    sys.exit(guarded(refuse))


def _overview() -> str:
    """The help of `dljax`: every command with one sentence."""
    lines = ["usage: dljax COMMAND [ARGUMENTS] [--FLAG=VALUE]", ""]
    for name in COMMANDS:
        doc = importlib.import_module(f"dljax.commands.{name}").__doc__ or ""
        lines.append(f"  {name:<10}{doc.splitlines()[0]}")
    lines += ["", "dljax COMMAND --help describes the arguments and the flags."]
    return "\n".join(lines)


def _help(name: str, command: Any) -> str:
    """The help of one command; see `dljax.commands.arguments`."""
    from dljax import config as configs
    from dljax.errors import EXIT_CODES, USAGE

    parts = [f"usage: dljax {name} {command.USAGE}", command.__doc__.strip()]
    if hasattr(command, "Config"):
        parts.append(configs.describe(command.Config, {}))
    codes = {**command.EXIT_CODES, USAGE: EXIT_CODES[USAGE]}
    lines = [f"  {code:<4}{codes[code]}" for code in sorted(codes)]
    parts.append("\n".join(["Exit codes:", *lines]))
    parts.append("\n".join(["Examples:", *(f"  {line}" for line in command.EXAMPLES)]))
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
