"""How tests expect a user's mistake: by its id, exit code and what the line names."""

import contextlib
from collections.abc import Iterator

import pytest

from dljax.errors import USAGE, UserError


@contextlib.contextmanager
def user_error(
    error_id: str, *names: object, code: int = USAGE
) -> Iterator[pytest.ExceptionInfo[UserError]]:
    """Expects a `UserError` with this id and exit code.

    Args:
      names: flags, paths, values and commands that its one line has to contain.
    """
    with pytest.raises(UserError) as caught:
        yield caught
    check_error(caught.value, error_id, *names, code=code)


def check_error(
    error: UserError, error_id: str, *names: object, code: int = USAGE
) -> None:
    """Checks an error's id and exit code, and that its one line contains `names`."""
    line = str(error)
    assert (error.error_id, error.code) == (error_id, code), line
    assert "\n" not in line
    for name in names:
        assert str(name) in line


def check_stderr(stderr: str, error_id: str, *names: object) -> None:
    """Checks that stderr's last line is that error and contains `names`."""
    line = stderr.strip().splitlines()[-1]
    assert line.startswith(f"error[{error_id}]: "), stderr
    for name in names:
        assert str(name) in line
