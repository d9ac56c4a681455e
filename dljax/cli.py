"""The command line of an experiment: `cli.main(sys.modules[__name__])`."""

import os
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from dljax import config as configs
from dljax.datasets import location
from dljax.errors import DONE, EXIT_CODES, PREEMPTED, UserError
from dljax.launch.processes import PARENT_PID
from dljax.launch.run_study import run_study
from dljax.studies.experiment import Experiment, of_module, parse_request
from dljax.studies.shipped_experiments import PACKAGE
from dljax.studies.study_spec import workdir
from dljax.trials.disk import check_writable


def main(module: Any, arguments: Sequence[str] | None = None) -> None:
    """Runs an experiment's command line and exits with the exit code.

    Args:
      module: the experiment. It defines Config (a frozen dataclass that extends
        RunConfig), STUDY, task(config, source, numbers) and source(config). The
        docstring is the first part of --help.
      arguments: the command line without the program's name; None for `sys.argv`.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    sys.exit(guarded(lambda: run(module, arguments)))


def run(module: Any, arguments: Sequence[str]) -> int:
    """Runs an experiment's command line; returns the exit code.

    Args:
      module: see `main`.
      arguments: the command line without the program's name.

    Raises:
      UserError: a wrong flag, or any error with an exit code in `dljax.errors`.
    """
    stop = stop_on_signals()
    experiment = of_module(module)
    if {"--help", "-h", "--helpfull"} & set(arguments):
        print(_help(experiment))
        return DONE
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
        stop_at_once()  # a plan writes nothing
    else:
        check_writable(workdir(request, experiment.name), "workdir")

    from dljax import backend
    from dljax.trials.progress import TerminalProgress

    backend.prepare()
    return run_study(experiment, request, stop=stop, progress=TerminalProgress())


def _help(experiment: Experiment) -> str:
    """The text of --help: the experiment's docstring, its flags, the exit codes."""
    doc = experiment.doc.strip()
    if experiment.module.startswith(PACKAGE):  # an installed experiment
        doc = doc.replace("-m experiments.", f"-m {PACKAGE}.")
    codes = ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    return "\n\n".join(
        [
            doc,
            configs.describe(experiment.config, experiment.study.factors),
            textwrap.fill(f"Exit codes: {codes}.", configs.HELP_WIDTH),
        ]
    )


def guarded(command: Callable[[], int]) -> int:
    """Runs a command; prints a `UserError` as one line and returns its exit code."""
    try:
        return command()
    except UserError as error:
        print(f"error[{error.error_id}]: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return PREEMPTED
    except BrokenPipeError:  # nobody reads stdout any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR2")
    if hasattr(signal, name)
]


def stop_at_once() -> None:
    """Restores the default handlers: a signal ends the process."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


STOPPING = b"stopping after the current step or evaluation; Ctrl-C exits at once\n"


def stop_on_signals() -> Callable[[], bool]:
    """Handles SIGINT, SIGTERM and SIGUSR2 as requests to stop gracefully.

    A second Ctrl-C exits at once, with code 75. State on disk stays consistent.

    Returns:
      stop() -> whether a signal was received, or the launcher that started this
      process has died.
    """
    received: list[int] = []
    parent = os.environ.get(PARENT_PID)  # only a launcher sets it, a shell does not

    def handle(number, frame):
        del frame
        if received and number == signal.SIGINT:
            os.write(2, b"interrupted\n")
            os._exit(PREEMPTED)  # C code drops an exception raised in its callback
        if not received and parent is None:
            os.write(2, STOPPING)
        received.append(number)

    for number in SIGNALS:
        signal.signal(number, handle)
    return lambda: bool(received) or parent not in (None, str(os.getppid()))
