"""What a user can do wrong, said in one line, and the exit codes of every command."""

DONE = 0
FAILED_RUNS = 1  # finished, but some runs failed or no usable checkpoint is left
USAGE = 2  # bad flags or config, or a data set that is not prepared
DAMAGED_DATA = 66
LOCKED = 73
DISK = 74  # a directory that cannot be written, or a full disk
PREEMPTED = 75  # stopped by a signal; the same command resumes


class Refusal(Exception):
    """A user's mistake or a bad surrounding: one line for them, never a traceback.

    Args:
      message: names the flag or path and says what to do.
      code: the exit code of the process.
    """

    def __init__(self, message: str, code: int = USAGE):
        super().__init__(message)
        self.code = code
