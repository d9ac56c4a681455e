"""The command `dljax`: `dljax COMMAND ...`, or `python -m dljax COMMAND ...`."""

import importlib
import sys
from typing import Any

COMMANDS = ("report", "record", "replay", "evaluate", "sample", "judge")


def main() -> None:
    """Runs a command of `dljax.commands` and exits with its code."""
    from dljax.cli import guarded

    sys.exit(guarded(lambda: run(sys.argv[1:])))


def run(arguments: list[str]) -> int:
    """Runs the command that the first argument names; returns its exit code.

    Raises:
      UserError: an unknown command; see `main` of the command, too.
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
            "unknown-command", f"dljax {name}: {hint}commands: {', '.join(COMMANDS)}"
        )
    command = importlib.import_module(f"dljax.commands.{name}")
    if {"--help", "-h"} & set(rest):
        print(_help(command))
        return DONE
    return command.main(rest)


def refuse_old_form(name: str) -> None:
    """Answers `python -m dljax.NAME`, the form of earlier versions; exit code 2."""
    from dljax.errors import USAGE

    old = f"python -m dljax.{name}"
    print(f"error: {old}: the command is now `dljax {name}`", file=sys.stderr)
    sys.exit(USAGE)


def _overview() -> str:
    """Every command with the first line of its help."""
    lines = ["usage: dljax COMMAND ...; dljax COMMAND --help says more", ""]
    for name in COMMANDS:
        doc = importlib.import_module(f"dljax.commands.{name}").__doc__ or ""
        lines.append(f"  {doc.splitlines()[0]}")
    return "\n".join(lines)


def _help(command: Any) -> str:
    """A command's docstring, and the flags of its Config where it has one."""
    from dljax import config as configs

    text = command.__doc__.strip()
    if hasattr(command, "Config"):
        text += f"\n\n{configs.describe(command.Config, {})}"
    return text


if __name__ == "__main__":
    main()
