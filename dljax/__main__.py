"""The command `dljax`: `dljax COMMAND ...`, or `python -m dljax COMMAND ...`."""

import importlib
import sys

COMMANDS = ("report", "replay", "evaluate", "sample", "judge")


def main() -> None:
    """Runs a command of `dljax.commands` and exits with its code."""
    from dljax.cli import guarded
    from dljax.errors import UserError, nearest

    def run() -> int:
        name, *arguments = sys.argv[1:] or ["--help"]
        if name in ("--help", "-h"):
            print(f"usage: dljax COMMAND ...\n\ncommands: {', '.join(COMMANDS)}")
            return 0
        if name not in COMMANDS:
            near = nearest(name, COMMANDS)
            hint = f"did you mean {near}? " if near else ""
            raise UserError(f"dljax {name}: {hint}commands: {', '.join(COMMANDS)}")
        return importlib.import_module(f"dljax.commands.{name}").main(arguments)

    sys.exit(guarded(run))


if __name__ == "__main__":
    main()
