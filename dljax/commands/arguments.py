"""Command lines of `dljax COMMAND`: directories and flags.

A module of `dljax.commands` is a command. Its docstring says what the command does; the
first line stands in the list of commands. It defines `USAGE`, the arguments of the
usage line; `EXIT_CODES`, {code: meaning}; `EXAMPLES`, command lines; `Config`, a
dataclass of its flags, if it has any; and `main(arguments) -> exit code`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from dljax import config as configs
from dljax.errors import UserError

MANY = 1000  # more directories than a command line has


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoFlags:
    """The Config of a command without flags."""


def parse(
    name: str,
    usage: str,
    arguments: Sequence[str],
    config: type = NoFlags,
    *,
    count: tuple[int, int] = (1, 1),
) -> tuple[list[str], Any]:
    """Separates a command line into its arguments and its flags.

    Args:
      name: the command.
      usage: the command's USAGE.
      arguments: the words after the command's name.
      config: a dataclass whose fields are declared with `config.flag`.
      count: the smallest and the largest number of arguments that are no flags.

    Returns:
      the arguments, and an instance of `config`.

    Raises:
      UserError: too few or too many arguments, an unknown flag or an invalid value.
    """
    words, flags = configs.parse_words(config, arguments)
    if not count[0] <= len(words) <= count[1]:
        raise usage_error(name, usage, words)
    return words, flags


def usage_error(name: str, usage: str, words: Sequence[str]) -> UserError:
    """The error for a wrong number of arguments; shows the usage line."""
    problem = f"got {' '.join(words)}" if words else "arguments are missing"
    return UserError(
        "usage",
        f"dljax {name}: {problem}; give: dljax {name} {usage}",
    )
