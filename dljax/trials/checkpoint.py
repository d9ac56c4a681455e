"""Checkpoints of a trial: the only file that imports Orbax, and lazily.

A checkpoint holds the state of all runs as host arrays, independent of how the runs
were spread over devices. Its metadata is JSON: the step, a digest of every array, what
determines the numbers, the environment, and the length of metrics.jsonl at that step.
Orbax restores a flipped bit silently; the digests detect it.
"""

import contextlib
import hashlib
import json
import pathlib
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from dljax.errors import FAILED_RUNS, UserError
from dljax.trials.orbax_errors import (
    call_orbax,
    suppress_thread_errors,
    wait_for_threads,
)
from dljax.trials.tree_digests import (
    config_differences,
    describe_leaves,
    flatten_names,
    leaf_differences,
)

FORMAT = 2  # of the metadata; tests/golden has a checkpoint of it
KEEP = 2
TRASH = ".trash"  # a checkpoint is renamed into it before it is deleted


class Checkpoint(NamedTuple):
    """leaves: {name: host array}."""

    step: int
    leaves: dict[str, np.ndarray]
    metadata: dict[str, Any]


class Restored(NamedTuple):
    """A `Checkpoint` whose arrays are a tree."""

    step: int
    tree: Any
    metadata: dict[str, Any]


class DamagedError(Exception):
    """A checkpoint's content is not what was written."""


class MismatchError(Exception):
    """A file that belongs to an undamaged checkpoint is not what it was."""


class Saver:
    """Writes the checkpoints of one directory.

    A class, because Orbax's manager writes in the background and has to be closed.
    """

    def __init__(self, directory: pathlib.Path):
        import orbax.checkpoint as ocp
        from orbax.checkpoint import checkpoint_managers

        self._args = ocp.args
        self._directory = directory.absolute()
        self._suppressed = contextlib.ExitStack()
        self._suppressed.enter_context(suppress_thread_errors())
        self._empty_trash()
        self._manager = ocp.CheckpointManager(
            self._directory,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=checkpoint_managers.LatestN(KEEP),
                cleanup_tmp_directories=True,
                step_format_fixed_length=8,
                todelete_subdir=TRASH,
            ),
        )

    def save(self, step: int, tree: Any, metadata: Mapping[str, Any]) -> None:
        """Starts to write a tree of host arrays; waits for the previous save.

        Raises OSError where the disk refuses either.
        """
        if step in self._manager.all_steps():
            return  # resumed at the last step: the same bits are there
        leaves = flatten_names(tree)
        metadata = {"format": FORMAT, "step": step, **metadata}
        metadata["leaves"] = describe_leaves(leaves)
        metadata["digest"] = _digest_metadata(metadata)
        self._empty_trash()
        nonempty = {k: v for k, v in leaves.items() if v.size}  # Orbax refuses others
        args = self._args.Composite(
            state=self._args.StandardSave(nonempty),
            metadata=self._args.JsonSave(metadata),
        )
        call_orbax(lambda: self._manager.save(step, args=args, force=True))

    def wait(self) -> None:
        """Waits until everything is on disk; raises as `save`."""
        call_orbax(self._manager.wait_until_finished)

    def close(self) -> None:
        """Ends the background's work and removes unfinished saves."""
        with contextlib.suppress(Exception):  # `save` and `wait` have raised it
            self._manager.close()
        if sys.exc_info()[0] is not None:
            wait_for_threads()
        self._suppressed.close()
        self._empty_trash()
        with contextlib.suppress(FileNotFoundError):
            (self._directory / TRASH).rmdir()
        for part in self._directory.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(part, ignore_errors=True)

    def _empty_trash(self) -> None:
        # Not the folder itself: the background may be about to move something there.
        for removed in self._directory.glob(f"{TRASH}/*"):
            shutil.rmtree(removed, ignore_errors=True)


def steps(directory: pathlib.Path) -> list[int]:
    """The steps of the checkpoints in a directory, newest first."""
    if not directory.is_dir():
        return []
    names = [path.name for path in directory.iterdir()]
    return sorted((int(n) for n in names if len(n) == 8 and n.isdigit()), reverse=True)


def read(
    directory: pathlib.Path,
    *,
    log: Callable[[str], None],
    check: Callable[[dict[str, Any]], None] = lambda metadata: None,
    set_aside: bool = False,
) -> Checkpoint | None:
    """The newest undamaged checkpoint; needs no network to read it into.

    Args:
      log: called with a line for every damaged checkpoint.
      check: called with the metadata before the arrays are read; may raise
        `MismatchError` or `UserError`.
      set_aside: move unusable checkpoints to `damaged` beside the directory. Only the
        holder of the trial's lock may.

    Returns:
      None if no checkpoint was ever there.

    Raises:
      UserError: none that is or was there can be used, or it is of another format.
    """
    damaged = directory.parent / "damaged"
    mismatched: list[tuple[pathlib.Path, str]] = []

    def skip(path, reason):
        where = f"set aside in {_move(path, damaged)}" if set_aside else "passed over"
        log(f"checkpoint {path} {reason}; {where}")

    for step in steps(directory):
        path = directory / f"{step:08d}"
        try:
            metadata = _read_metadata(path)
            check(metadata)
            saved = Checkpoint(step, _read_leaves(path, metadata), metadata)
        except MismatchError as error:  # may be repaired: wait for an older one
            mismatched.append((path, str(error)))
        except DamagedError as error:
            if path.is_dir():  # else a process at work there has just removed it
                skip(path, f"is damaged ({error})")
        else:
            for skipped, reason in mismatched:
                skip(skipped, f"does not go with what is there ({reason})")
            return saved
    if mismatched or damaged.is_dir() or steps(directory):
        reason = (
            f"; {mismatched[0][1]}: put that back as it was, or" if mismatched else ";"
        )
        raise UserError(
            "no-usable-checkpoint",
            f"{directory.parent}: no usable checkpoint is left in it{reason} delete it,"
            " and the study's command runs this trial from its start",
            FAILED_RUNS,
        )
    return None


def restore(
    directory: pathlib.Path,
    like: Any,
    *,
    fixed: Mapping[str, Any],
    log: Callable[[str], None],
    check: Callable[[dict[str, Any]], None] = lambda metadata: None,
    set_aside: bool = True,
) -> Restored | None:
    """The newest undamaged checkpoint, as host arrays in the structure of `like`.

    Args:
      like: a tree of arrays, or of anything with a shape and a dtype.
      fixed: what determines the numbers; must be what the checkpoint was saved with.
      log, check, set_aside: as for `read`.

    Raises:
      UserError: as `read`; or the checkpoint is of another config or network, every
        difference named.
    """

    def check_all(metadata):
        differences = config_differences(metadata["fixed"], fixed)
        differences += leaf_differences(metadata["leaves"], flatten_names(like))
        if differences:
            raise UserError(
                "checkpoint-differs",
                f"{directory}: is of another config or network: "
                f"{'; '.join(differences)}; give what it was made with, or another "
                "--workdir",
            )
        check(metadata)

    saved = read(directory, log=log, check=check_all, set_aside=set_aside)
    if saved is None:
        return None
    leaves = [saved.leaves[name] for name in flatten_names(like)]
    tree = jax.tree.unflatten(jax.tree.structure(like), leaves)
    return Restored(saved.step, tree, saved.metadata)


def _digest_metadata(metadata: Mapping[str, Any]) -> str:
    rest = {k: v for k, v in metadata.items() if k != "digest"}
    text = json.dumps(rest, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _read_metadata(path: pathlib.Path) -> dict[str, Any]:
    """The metadata of a checkpoint.

    Raises:
      DamagedError: it is not what was written.
      UserError: it is of another format.
    """
    import orbax.checkpoint as ocp

    item = path / "metadata"
    if (path / "page").is_dir() and not item.is_dir():
        raise _format_error(path, 1)
    reader = ocp.Checkpointer(ocp.JsonCheckpointHandler())
    metadata = call_orbax(lambda: reader.restore(item), error_type=DamagedError)
    if not isinstance(metadata, dict) or metadata.get("digest") != _digest_metadata(
        metadata
    ):
        raise DamagedError("its metadata is not what was written")
    if metadata["format"] != FORMAT:
        raise _format_error(path, metadata["format"])
    return metadata


def _format_error(path: pathlib.Path, number: int) -> UserError:
    return UserError(
        "checkpoint-format",
        f"{path}: is of checkpoint format {number}, and this version of dljax reads "
        f"format {FORMAT}; use the version that wrote it, or another --workdir",
    )


def _read_leaves(
    path: pathlib.Path, metadata: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """The arrays, with every digest checked; raises DamagedError."""
    import orbax.checkpoint as ocp

    expected = metadata["leaves"]
    zeros = {k: np.zeros(s, np.dtype(d)) for k, (d, s, _) in expected.items()}
    item = path / "state"
    reader = ocp.Checkpointer(ocp.StandardCheckpointHandler())
    args = ocp.args.StandardRestore({k: v for k, v in zeros.items() if v.size})
    arrays = call_orbax(
        lambda: reader.restore(item, args=args), error_type=DamagedError
    )
    leaves = zeros | {name: np.asarray(array) for name, array in arrays.items()}
    actual = describe_leaves(leaves)
    if bad := [name for name in zeros if actual.get(name) != expected[name]]:
        raise DamagedError(f"{', '.join(bad)}: not what was written")
    return leaves


def _move(path: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Moves a checkpoint into a folder under a name that is free; returns its path."""
    folder.mkdir(exist_ok=True)
    names = [path.name, *(f"{path.name}-{i}" for i in range(2, 1000))]
    target = next(folder / name for name in names if not (folder / name).exists())
    return path.rename(target)
