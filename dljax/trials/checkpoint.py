"""Checkpoints of a trial: the only file that knows Orbax, which it imports lazily.

A checkpoint holds the state of all seeds as host arrays, so that it does not depend on
how the seeds were spread over devices, and beside it a page of JSON: the step, a digest
of every array, what determined the numbers, the versions, and how long metrics.jsonl
was then. Orbax restores a flipped bit without a word; the digests do not let it pass.
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
from dljax.trials.orbax_errors import quietly, settle, silence_threads
from dljax.trials.tree_digests import (
    config_differences,
    described,
    leaf_differences,
    named,
)

FORMAT = 1  # of the page; restored for as long as tests/golden has a checkpoint of it
KEEP = 2
TRASH = ".trash"  # what is removed is renamed into it first, so never half there


class Found(NamedTuple):
    """step: of the checkpoint. leaves: {name: host array}. page: what lies beside."""

    step: int
    leaves: dict[str, np.ndarray]
    page: dict[str, Any]


class Restored(NamedTuple):
    """As `Found`, with the arrays as a tree."""

    step: int
    tree: Any
    page: dict[str, Any]


class Damaged(Exception):
    """What is wrong with a checkpoint."""


class Unmatched(Exception):
    """What is wrong with what belongs to a checkpoint, which is whole itself."""


class Saver:
    """Writes the checkpoints of one directory.

    A class, because Orbax's manager writes in the background and has to be closed.
    """

    def __init__(self, directory: pathlib.Path):
        import orbax.checkpoint as ocp
        from orbax.checkpoint import checkpoint_managers

        self._args = ocp.args
        self._directory = directory.absolute()
        self._silence = contextlib.ExitStack()
        self._silence.enter_context(silence_threads())
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

    def save(self, step: int, tree: Any, page: Mapping[str, Any]) -> None:
        """Begins to write a tree of host arrays; waits for the save before.

        Raises OSError where the disk refuses either.
        """
        if step in self._manager.all_steps():
            return  # resumed at its very end: the same bits are there
        leaves = named(tree)
        page = {"format": FORMAT, "step": step, **page, "leaves": described(leaves)}
        page["digest"] = _digest_of_page(page)
        self._empty_trash()
        some = {k: v for k, v in leaves.items() if v.size}  # Orbax refuses empty ones
        args = self._args.Composite(
            state=self._args.StandardSave(some), page=self._args.JsonSave(page)
        )
        quietly(lambda: self._manager.save(step, args=args, force=True))

    def wait(self) -> None:
        """Waits until all is on disk; raises as `save`."""
        quietly(self._manager.wait_until_finished)

    def close(self) -> None:
        """Ends the background's work, whatever came of it; leaves no half of a save."""
        with contextlib.suppress(Exception):  # `save` and `wait` have raised it
            self._manager.close()
        if sys.exc_info()[0] is not None:
            settle()
        self._silence.close()
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
    check: Callable[[dict[str, Any]], None] = lambda page: None,
    set_aside: bool = False,
) -> Found | None:
    """The newest whole checkpoint; needs no network to read it into.

    Args:
      log: called with a line for every checkpoint that is damaged.
      check: looks at the page before the arrays are read; raises `Unmatched` for what
        does not go with it, or a `UserError`.
      set_aside: move what cannot be used to `damaged` beside the directory. Only the
        holder of the trial's lock may.

    Returns:
      None if no checkpoint was ever there.

    Raises:
      UserError: none that is or was there can be used.
    """
    aside = directory.parent / "damaged"
    unmatched: list[tuple[pathlib.Path, str]] = []

    def leave(path, wrong):
        where = f"set aside in {_move(path, aside)}" if set_aside else "passed over"
        log(f"checkpoint {path} {wrong}; {where}")

    for step in steps(directory):
        path = directory / f"{step:08d}"
        try:
            page = _read_page(path)
            check(page)
            checkpoint = Found(step, _read_leaves(path, page), page)
        except Unmatched as wrong:  # once mended it may be good: wait for another
            unmatched.append((path, str(wrong)))
        except Damaged as damage:
            if path.is_dir():  # else a run at work there has just removed it
                leave(path, f"is damaged ({damage})")
        else:
            for whole, why in unmatched:
                leave(whole, f"does not go with what is there ({why})")
            return checkpoint
    if unmatched or aside.is_dir() or steps(directory):
        why = f"; {unmatched[0][1]}: put that back as it was, or" if unmatched else ";"
        raise UserError(
            f"{directory.parent}: no usable checkpoint is left in it{why} delete it, "
            "and the study's command runs this trial from its start",
            FAILED_RUNS,
        )
    return None


def restore(
    directory: pathlib.Path,
    like: Any,
    *,
    fixed: Mapping[str, Any],
    log: Callable[[str], None],
    check: Callable[[dict[str, Any]], None] = lambda page: None,
    set_aside: bool = True,
) -> Restored | None:
    """The newest whole checkpoint, as host arrays in the structure of `like`.

    Args:
      like: a tree of arrays, or of anything with a shape and a dtype.
      fixed: what determines the numbers; must be what the checkpoint was saved with.
      log, check, set_aside: as for `read`.

    Raises:
      UserError: as `read`; or the checkpoint is whole but of another config or network,
        every difference named.
    """

    def checked(page):
        if differences := _differences(page, like, fixed):
            raise UserError(
                f"{directory}: is of another config or network: "
                f"{'; '.join(differences)}; "
                "give what it was made with, or another --workdir"
            )
        check(page)

    checkpoint = read(directory, log=log, check=checked, set_aside=set_aside)
    if checkpoint is None:
        return None
    leaves = [checkpoint.leaves[name] for name in named(like)]
    return Restored(
        checkpoint.step,
        jax.tree.unflatten(jax.tree.structure(like), leaves),
        checkpoint.page,
    )


def _differences(
    page: Mapping[str, Any], like: Any, fixed: Mapping[str, Any]
) -> list[str]:
    """How what is asked for differs from what a checkpoint holds, by name."""
    if page["format"] != FORMAT:
        return [f"format {page['format']}, known is {FORMAT}"]
    return config_differences(page["fixed"], fixed) + leaf_differences(
        page["leaves"], named(like)
    )


def _digest_of_page(page: Mapping[str, Any]) -> str:
    rest = {k: v for k, v in page.items() if k != "digest"}
    text = json.dumps(rest, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _read_page(path: pathlib.Path) -> dict[str, Any]:
    """The page of a checkpoint; raises Damaged where it is not what was written."""
    import orbax.checkpoint as ocp

    item = path / "page"
    reader = ocp.Checkpointer(ocp.JsonCheckpointHandler())
    page = quietly(lambda: reader.restore(item), raises=Damaged)
    if not isinstance(page, dict) or page.get("digest") != _digest_of_page(page):
        raise Damaged("its page is not what was written")
    return page


def _read_leaves(path: pathlib.Path, page: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays, every digest checked; raises Damaged."""
    import orbax.checkpoint as ocp

    zeros = {k: np.zeros(s, np.dtype(d)) for k, (d, s, _) in page["leaves"].items()}
    item = path / "state"
    reader = ocp.Checkpointer(ocp.StandardCheckpointHandler())
    some = {k: v for k, v in zeros.items() if v.size}
    args = ocp.args.StandardRestore(some)
    leaves = quietly(lambda: reader.restore(item, args=args), raises=Damaged)
    leaves = zeros | {name: np.asarray(leaf) for name, leaf in leaves.items()}
    digests = described(leaves)
    if bad := [name for name in zeros if digests.get(name) != page["leaves"][name]]:
        raise Damaged(f"{', '.join(bad)}: not what was written")
    return leaves


def _move(path: pathlib.Path, aside: pathlib.Path) -> pathlib.Path:
    aside.mkdir(exist_ok=True)
    names = [path.name, *(f"{path.name}-{i}" for i in range(2, 1000))]
    target = next(aside / name for name in names if not (aside / name).exists())
    return path.rename(target)
