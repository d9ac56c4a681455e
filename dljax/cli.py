"""What every experiment calls: `cli.main(sys.modules[__name__])`."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from dljax import config as configs
from dljax.datasets import location
from dljax.errors import DONE, PREEMPTED, UserError
from dljax.launch.processes import PARENT_PID
from dljax.launch.run_study import run_study
from dljax.studies.experiment import of_module, parse_request
from dljax.studies.study_spec import workdir
from dljax.trials.disk import check_writable


def main(module: Any, arguments: Sequence[str] | None = None) -> None:
    """Runs an experiment's script as a command, and exits with its code.

    Args:
      module: has Config (a frozen dataclass that extends RunConfig), STUDY,
        task(config, source, numbers) and source(config); its docstring is the head of
        --help.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    sys.exit(guarded(lambda: run(module, arguments)))


def run(module: Any, arguments: Sequence[str]) -> int:
    """`main` without exiting: returns the exit code, raises UserError."""
    stop = stop_on_signals()
    experiment = of_module(module)
    if {"--help", "-h", "--helpfull"} & set(arguments):
        print(f"{experiment.doc.strip()}\n")
        print(configs.describe(experiment.config, experiment.study.factors))
        return 0
    request = parse_request(experiment, arguments)
    config = request.config
    location.find(
        config.dataset,
        data_dir=config.data_dir,
        manual_dir=config.manual_dir,
        download=config.download,
        resize=config.resize,
    )
    if config.plan:
        stop_at_once()  # nothing is lost
    else:
        check_writable(workdir(request, experiment.name), "workdir")

    from dljax import backend
    from dljax.trials.progress import TerminalProgress

    backend.prepare()
    return run_study(experiment, request, stop=stop, progress=TerminalProgress())


def guarded(command: Callable[[], int]) -> int:
    """Runs a command; a user's mistake becomes one line on stderr and an exit code."""
    try:
        return command()
    except UserError as error:
        print(f"error[{error.error_id}]: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return PREEMPTED
    except BrokenPipeError:  # the reader of the output is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR2")
    if hasattr(signal, name)
]


def stop_at_once() -> None:
    """Undoes `stop_on_signals`: a signal ends the process."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


STOPPING = (
    b"stopping, once the step or the test that was begun is done and saved; "
    b"Ctrl-C again ends at once\n"
)


def stop_on_signals() -> Callable[[], bool]:
    """Makes the first SIGINT, SIGTERM or SIGUSR2 a request to stop gracefully.

    A second Ctrl-C exits at once, with code 75. State on disk stays consistent.

    Returns:
      whether a signal came, or the process that started this one as a job has died.
    """
    received: list[int] = []
    parent = os.environ.get(PARENT_PID)  # a shell may go, and its runs go on

    def handle(number, frame):
        del frame
        if received and number == signal.SIGINT:
            os.write(2, b"interrupted\n")
            os._exit(PREEMPTED)  # what is raised in a callback of C is ignored
        if not received and parent is None:
            os.write(2, STOPPING)
        received.append(number)

    for number in SIGNALS:
        signal.signal(number, handle)
    return lambda: bool(received) or parent not in (None, str(os.getppid()))
