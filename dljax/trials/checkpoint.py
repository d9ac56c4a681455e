"""Checkpoints of a trial; the only file that imports Orbax, which it does lazily.

A checkpoint holds the state of all runs as host arrays, independent of the placement of
the runs on devices. Its metadata is JSON: the step, a digest of each array, the values
that determine the results, the environment, and the length of metrics.jsonl at that
step. Orbax restores a flipped bit silently; the digests detect it.
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

FORMAT = 2  # of the metadata; tests/golden holds a checkpoint of this format
KEEP = 2
TRASH = ".trash"  # a checkpoint is renamed into it before it is deleted


class Checkpoint(NamedTuple):
    """A checkpoint as it is stored. leaves: {name: host array}."""

    step: int
    leaves: dict[str, np.ndarray]
    metadata: dict[str, Any]


class Restored(NamedTuple):
    """A checkpoint whose arrays are restored to a tree."""

    step: int
    tree: Any
    metadata: dict[str, Any]


class DamagedError(Exception):
    """The content of a checkpoint differs from its digests."""


class MismatchError(Exception):
    """A file that an undamaged checkpoint refers to has changed since."""


class Saver:
    """Writes the checkpoints of one directory; keeps the newest two.

    A class, because Orbax's manager writes in the background and must be closed.
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
        """Waits for the previous save, then starts to write a tree of host arrays.

        Raises:
          OSError: the disk is full or not writable, in this save or the previous one.
        """
        if step in self._manager.all_steps():
            return  # resumed at the last step: this state is already saved
        leaves = flatten_names(tree)
        metadata = {"format": FORMAT, "step": step, **metadata}
        metadata["leaves"] = describe_leaves(leaves)
        metadata["digest"] = _digest_metadata(metadata)
        self._empty_trash()
        nonempty = {k: v for k, v in leaves.items() if v.size}  # Orbax needs size > 0
        args = self._args.Composite(
            state=self._args.StandardSave(nonempty),
            metadata=self._args.JsonSave(metadata),
        )
        call_orbax(lambda: self._manager.save(step, args=args, force=True))

    def wait(self) -> None:
        """Waits until every save is on disk; raises as `save`."""
        call_orbax(self._manager.wait_until_finished)

    def close(self) -> None:
        """Ends the background writes and removes unfinished checkpoints."""
        with contextlib.suppress(Exception):  # already raised by `save` or `wait`
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
        # Not the folder itself: Orbax may be about to move a checkpoint into it.
        for removed in self._directory.glob(f"{TRASH}/*"):
            shutil.rmtree(removed, ignore_errors=True)


def steps(directory: pathlib.Path) -> list[int]:
    """Lists the steps of the checkpoints in a directory, newest first."""
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
    """Reads the newest undamaged checkpoint as named arrays, without a network.

    Args:
      directory: the checkpoints/ directory of a trial.
      log: called with one line per checkpoint that is skipped.
      check: called with the metadata before the arrays are read; may raise
        `MismatchError` (skip this checkpoint) or `UserError`.
      set_aside: move unusable checkpoints to damaged/ beside the directory. Only the
        holder of the trial's lock may do this.

    Returns:
      None if no checkpoint has ever been saved.

    Raises:
      UserError: no checkpoint is usable, or the newest one has another format.
    """
    damaged = directory.parent / "damaged"
    mismatched: list[tuple[pathlib.Path, str]] = []

    def skip(path, reason):
        where = f"moved to {_move(path, damaged)}" if set_aside else "skipped"
        log(f"checkpoint {path}: {reason}; {where}")

    for step in steps(directory):
        path = directory / f"{step:08d}"
        try:
            metadata = _read_metadata(path)
            check(metadata)
            saved = Checkpoint(step, _read_leaves(path, metadata), metadata)
        except MismatchError as error:  # moved only if an older checkpoint is usable
            mismatched.append((path, str(error)))
        except DamagedError as error:
            if path.is_dir():  # else the process that trains here just removed it
                skip(path, f"damaged ({error})")
        else:
            for skipped, reason in mismatched:
                skip(skipped, f"does not match the trial's files ({reason})")
            return saved
    if mismatched or damaged.is_dir() or steps(directory):
        fault, way_out = "", ""
        if mismatched:
            fault, way_out = f" ({mismatched[0][1]})", "restore that file, or "
        raise UserError(
            "no-usable-checkpoint",
            f"{directory.parent}: no usable checkpoint left{fault}; {way_out}delete "
            "the directory, and the command of the study trains the trial again",
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
    """Reads the newest undamaged checkpoint into the tree structure of `like`.

    Args:
      like: a tree whose leaves have a shape and a dtype.
      fixed: the values that determine the results; must equal those of the checkpoint.
      log, check, set_aside: as for `read`.

    Returns:
      host arrays in the structure of `like`; None if no checkpoint was ever saved.

    Raises:
      UserError: as `read`; or the checkpoint has another config or network. The message
        names each difference.
    """

    def check_all(metadata):
        differences = config_differences(metadata["fixed"], fixed)
        differences += leaf_differences(metadata["leaves"], flatten_names(like))
        if differences:
            raise UserError(
                "checkpoint-differs",
                f"{directory}: saved with another config or network: "
                f"{'; '.join(differences)}; give the saved values, or another "
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
    """Reads the metadata of a checkpoint.

    Raises:
      DamagedError: the metadata differ from their digest.
      UserError: the metadata have another format.
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
        raise DamagedError("its metadata differ from their digest")
    if metadata["format"] != FORMAT:
        raise _format_error(path, metadata["format"])
    return metadata


def _format_error(path: pathlib.Path, number: int) -> UserError:
    return UserError(
        "checkpoint-format",
        f"{path}: has checkpoint format {number}, and this version of dljax reads "
        f"format {FORMAT}; use the version that wrote it, or another --workdir",
    )


def _read_leaves(
    path: pathlib.Path, metadata: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Reads the arrays of a checkpoint; raises DamagedError if a digest differs."""
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
        raise DamagedError(f"{', '.join(bad)}: differs from its digest")
    return leaves


def _move(path: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Moves a checkpoint into a folder, under an unused name; returns its new path."""
    folder.mkdir(exist_ok=True)
    names = [path.name, *(f"{path.name}-{i}" for i in range(2, 1000))]
    target = next(folder / name for name in names if not (folder / name).exists())
    return path.rename(target)
