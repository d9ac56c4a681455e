"""Checkpoints of a trial: the only file that knows Orbax, which it imports lazily.

A checkpoint holds the state of all seeds as host arrays, so that it does not depend on
how the seeds were spread over devices, and beside it as JSON what belongs to it (the
step, and how long metrics.jsonl was then).
"""

import pathlib
from typing import Any, NamedTuple

KEEP = 2


class Restored(NamedTuple):
    step: int
    state: Any
    meta: dict[str, Any]


class Checkpoints:
    """The checkpoints in one directory.

    A class, because Orbax's manager writes in the background and has to be closed.
    """

    def __init__(self, directory: pathlib.Path):
        import orbax.checkpoint as ocp
        from orbax.checkpoint import checkpoint_managers

        self._ocp = ocp
        self._manager = ocp.CheckpointManager(
            directory.absolute(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=checkpoint_managers.LatestN(KEEP),
                cleanup_tmp_directories=True,
                step_format_fixed_length=8,
            ),
        )

    def save(self, step: int, state: Any, meta: dict[str, Any]) -> None:
        """Begins to write; `state` is a tree of host arrays."""
        if step in self._manager.all_steps():
            return  # resumed at its very end: the same bits are there
        args = self._ocp.args
        self._manager.save(
            step,
            args=args.Composite(
                state=args.StandardSave(_plain(state)),
                meta=args.JsonSave({**meta, "step": step}),
            ),
            force=True,
        )

    def restore(self, like: Any) -> Restored | None:
        """The newest checkpoint, in the structure of `like`; None if there is none."""
        step = self._manager.latest_step()
        if step is None:
            return None
        args = self._ocp.args
        found = self._manager.restore(
            step,
            args=args.Composite(
                state=args.StandardRestore(_plain(like)), meta=args.JsonRestore()
            ),
        )
        import jax

        leaves = jax.tree.leaves(found.state)
        return Restored(
            step, jax.tree.unflatten(jax.tree.structure(like), leaves), found.meta
        )

    def close(self) -> None:
        """Waits until all is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()


def _plain(state: Any) -> dict[str, Any]:
    """{"path of the leaf": array}: on disk, no Python class matters."""
    import jax

    flat, _ = jax.tree_util.tree_flatten_with_path(state)
    width = len(str(len(flat)))
    return {
        f"{i:0{width}d}{jax.tree_util.keystr(path)}".replace("/", "|"): leaf
        for i, (path, leaf) in enumerate(flat)
    }
