"""Command lines of scripts that analyse one run of a finished trial."""

import dataclasses

from dljax import config as configs
from dljax.config import flag


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFlags:
    """Flags of each of these scripts."""

    run: str = flag("", "directory of a trial, as runs/STUDY/TRIAL")
    seed: int = flag(-1, "seed of the run (-1: the trial's first)", low=-1)


def parse(cls, arguments, *, doc):
    """Parses a command line; prints the help for --help.

    Args:
      cls: a dataclass that extends `RunFlags`.
      arguments: the command line without the program's name.
      doc: the script's docstring, the first part of the help.

    Returns:
      (config, the trial's directory), or None after --help.

    Raises:
      UserError: a wrong flag, or a directory that does not exist or is not writable.
    """
    if {"--help", "-h"} & set(arguments):
        print(f"{doc.strip()}\n\n{configs.describe(cls, {})}")
        return None
    config = configs.parse(cls, arguments, factors={}).config
    from dljax import backend
    from dljax.studies import loading

    directory = loading.writable(config.run)
    backend.prepare()
    return config, directory


def load(config):
    """Loads a trial.

    Args:
      config: has `run` and `seed`.

    Returns:
      (the trial, the seed of the run, the run's state); see `loading.Loaded`.

    Raises:
      UserError: no checkpoint is usable, or the trial has no run of this seed.
    """
    import jax

    import dljax
    from dljax.errors import UserError

    trial = dljax.load(config.run)
    seeds = [run.seed for run in trial.runs]
    if config.seed not in (-1, *seeds):
        raise UserError(
            "unknown-seed",
            f"--seed={config.seed}: not in {config.run}; "
            f"seeds are {', '.join(map(str, seeds))}",
        )
    index = 0 if config.seed == -1 else seeds.index(config.seed)
    return trial, seeds[index], jax.tree.map(lambda leaf: leaf[index], trial.tested)
