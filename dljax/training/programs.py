"""The compiled functions of a trial: all its runs together, on all its devices.

A run is one seed, or one seed with one level of each vmapped factor: levels are an
array axis, as seeds are. `update.py` computes one run; `strategies.py` compiles a
function of one run for many runs.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from dljax.errors import UserError
from dljax.training import strategies, update
from dljax.training.host_metrics import score_samples
from dljax.types import Source, State, Task

MIN_STEPS_PER_SHUFFLE = 256  # several short epochs are permuted in one call


class Inputs(NamedTuple):
    """Arguments of the compiled functions other than the state.

    The run axis s includes padding: every device computes the same number of runs.

    Attributes:
      keys: (s,), the root key of each run.
      numbers: {vmapped factor: its level in each run, float32 (s,)}.
      arrays: the source's arrays.
      train_rows: int32 (s, n), example indices.
      eval_rows: {split: int32 (s, batches, size)} on the host, where -1 is padding.
      split_rows: {split: one int array of example indices per run} on the host.
    """

    keys: jax.Array
    numbers: dict[str, jax.Array]
    arrays: dict[str, Any]
    train_rows: jax.Array
    eval_rows: dict[str, np.ndarray]
    split_rows: dict[str, list[np.ndarray]]


class Functions(NamedTuple):
    """Compiled functions of states with a leading run axis.

    `evaluate` and `evaluate_run` map False and True to functions without and with
    `Task.final_metrics`.

    Attributes:
      init: (keys, numbers) -> State.
      shuffle: (key, rows, first_epoch) -> permutations.
      train_steps: (state, numbers, permutations, arrays, offset, num_steps) -> (State,
        report); donates the state.
      evaluate: {with final metrics: (state, numbers, rows, arrays) -> metrics}.
      sample: (state, numbers, rows, arrays) -> batch and samples.
      evaluate_run: `evaluate` of one run, not compiled.
    """

    init: Callable[..., State]
    shuffle: Callable[..., Any]
    train_steps: Callable[..., Any]
    evaluate: Mapping[bool, Any]
    sample: Callable[..., Any]
    evaluate_run: Mapping[bool, Callable[..., Any]]


@dataclasses.dataclass(frozen=True)
class Program:
    """A trial's compiled functions; states have a leading run axis (s, ...).

    Attributes:
      task: the task of the first run.
      seeds: the seed of each run.
      steps_per_epoch: updates per epoch.
      epochs_per_shuffle: epochs that one call of `shuffle` permutes.
      inputs: arguments of the functions.
      functions: the compiled functions.
      run_placement: the device or sharding of arrays with a run axis.
    """

    task: Task
    seeds: tuple[int, ...]
    steps_per_epoch: int
    epochs_per_shuffle: int
    inputs: Inputs
    functions: Functions
    run_placement: Any

    @property
    def steps_per_shuffle(self) -> int:
        """Number of updates that the permutations of one `shuffle` cover."""
        return self.steps_per_epoch * self.epochs_per_shuffle

    @property
    def eval_splits(self) -> tuple[str, ...]:
        """The splits that `evaluate` accepts."""
        return tuple(self.inputs.eval_rows)

    def init(self) -> State:
        """Returns the states before the first update."""
        state = self.functions.init(self.inputs.keys, self.inputs.numbers)
        return jax.device_put(state, self.run_placement)

    def shuffle(self, state: State, index: int) -> Any:
        """Permutations (s, epochs, n) of the training examples.

        Args:
          state: the states, for their keys.
          index: shuffle i covers the updates from i * steps_per_shuffle on.
        """
        first_epoch = np.int32(index * self.epochs_per_shuffle)
        return self.functions.shuffle(state.key, self.inputs.train_rows, first_epoch)

    def train_steps(
        self, state: State, permutations: Any, offset: int, num_steps: int
    ) -> tuple[State, dict[str, Any]]:
        """Does `num_steps` updates; donates the state.

        Args:
          state: the states.
          permutations: from `shuffle`.
          offset: number of updates already done with these permutations.
          num_steps: number of updates.

        Returns:
          the states, and {"metrics": of the last update, "alive", "step"}, each (s,).
        """
        return self.functions.train_steps(
            state,
            self.inputs.numbers,
            permutations,
            self.inputs.arrays,
            np.int32(offset),
            np.int32(num_steps),
        )

    def evaluate(
        self,
        state: State,
        split: str,
        *,
        final_metrics: bool = False,
        samples: bool = False,
    ) -> dict[str, Any]:
        """Metrics over all examples of a split: {name: (sum (s,), count (s,))}.

        Args:
          state: the states.
          split: one of `eval_splits`.
          final_metrics: also computes `Task.final_metrics`.
          samples: also computes the metrics of `Task.sample_evaluator`, on the host.
        """
        metrics = self.functions.evaluate[final_metrics](
            *self._evaluate_args(state, split)
        )
        evaluator = self.task.sample_evaluator
        if not samples or evaluator is None:
            return metrics
        runs = self.inputs.split_rows[split][: len(self.seeds)]
        lengths = [len(rows[: evaluator.max_examples]) for rows in runs]
        arrays = self.sample(state, evaluator.max_examples, split)
        return {**metrics, **score_samples(evaluator, arrays, self.seeds, lengths)}

    def compile_evaluate(
        self, state: State, split: str, *, final_metrics: bool = False
    ) -> None:
        """Compiles `evaluate` without running it."""
        arguments = self._evaluate_args(state, split)
        self.functions.evaluate[final_metrics].lower(*arguments).compile()

    def metric_names(
        self,
        state: State,
        split: str,
        *,
        final_metrics: bool = False,
        samples: bool = False,
    ) -> tuple[str, ...]:
        """The names of the metrics that `evaluate` returns; compiles nothing."""
        function = self.functions.evaluate_run[final_metrics]
        metrics = jax.eval_shape(
            jax.vmap(function, in_axes=(0, 0, 0, None)),
            *self._evaluate_args(state, split),
        )
        evaluator = self.task.sample_evaluator
        return (*metrics, *(evaluator.names if samples and evaluator else ()))

    def sample(
        self, state: State, num_examples: int | None, split: str = "test"
    ) -> dict[str, Any]:
        """Batch and samples (s, num_examples, ...) for examples of a split.

        The examples are in a fixed shuffled order.

        Args:
          state: the states.
          num_examples: number of examples; None: all.
          split: the split's name.
        """
        chosen = [_shuffled(r)[:num_examples] for r in self.inputs.split_rows[split]]
        rows = update.batches(chosen, max(map(len, chosen)), 1)[:, 0]
        rows = jax.device_put(rows, self.run_placement)
        inputs = self.inputs
        return self.functions.sample(state, inputs.numbers, rows, inputs.arrays)

    def to_host(self, tree: Any) -> Any:
        """Copies a tree with a run axis to the host; drops the padding of the run axis.

        The arrays do not depend on the distribution of runs over devices. Keys of
        states become their uint32 data.
        """
        host = jax.device_get(_map_keys(jax.random.key_data, tree))
        return jax.tree.map(lambda leaf: leaf[: len(self.seeds)], host)

    def to_devices(self, tree: Any) -> Any:
        """Inverts `to_host`."""
        missing = len(self.inputs.keys) - len(self.seeds)
        padded = jax.tree.map(
            lambda leaf: np.concatenate([leaf, *[leaf[-1:]] * missing]), tree
        )
        return _map_keys(
            jax.random.wrap_key_data, jax.device_put(padded, self.run_placement)
        )

    def _evaluate_args(self, state: State, split: str) -> tuple[Any, ...]:
        inputs = self.inputs
        return state, inputs.numbers, inputs.eval_rows[split], inputs.arrays


def make_program(
    task: Task | Callable[[Mapping[str, Any]], Task],
    source: Source,
    seeds: Sequence[int],
    *,
    strategy: str,
    batch_size: int,
    numbers: Mapping[str, Sequence[float]] | None = None,
    eval_batch_size: int = 500,
    devices: Sequence[Any] | None = None,
) -> Program:
    """Compiles the functions of a trial.

    Args:
      task: the task, or a function of {vmapped factor: level, traced} that returns it.
      source: where batches come from.
      seeds: the seed of each run.
      strategy: "map", "cores", "vmap", "shard" or "pmap"; see `strategies`.
      batch_size: examples per step.
      numbers: {vmapped factor: one level per run}, the argument of `task`.
      eval_batch_size: examples per batch of evaluation.
      devices: the devices to use; by default all.

    Raises:
      UserError: the batch size does not fit the data, the turns or the devices, or the
        runs do not fit the devices of "pmap".
    """
    make_task = (lambda numbers: task) if isinstance(task, Task) else task
    numbers = numbers or {}
    first = make_task({name: values[0] for name, values in numbers.items()})
    mesh = strategies.make_mesh(strategy, len(seeds), devices or jax.devices())
    _check_batch_size(batch_size, first, mesh)
    if strategy == "shard":
        gather = strategies.shard_batches(source.gather, mesh)
        source = source._replace(gather=gather)
    placements = strategies.placements(strategy, mesh)
    inputs = _make_inputs(source, seeds, numbers, mesh, placements, eval_batch_size)
    steps_per_epoch = inputs.train_rows.shape[1] // batch_size
    if steps_per_epoch == 0:
        raise UserError(
            "batch-too-large",
            f"--batch_size={batch_size}: larger than the "
            f"{inputs.train_rows.shape[1]} training examples; give a smaller one",
        )
    epochs_per_shuffle = -(-MIN_STEPS_PER_SHUFFLE // steps_per_epoch)
    functions = _compile(
        make_task,
        source,
        partial(strategies.jit_over_runs, strategy=strategy, mesh=mesh),
        batch_size=batch_size,
        epochs_per_shuffle=epochs_per_shuffle,
    )
    return Program(
        task=first,
        seeds=tuple(seeds),
        steps_per_epoch=steps_per_epoch,
        epochs_per_shuffle=epochs_per_shuffle,
        inputs=inputs,
        functions=functions,
        run_placement=placements[0],
    )


def _check_batch_size(batch_size: int, task: Task, mesh: jax.sharding.Mesh) -> None:
    if task.split_batch and batch_size < (turns := len(task.turns)):
        raise UserError(
            "batch-too-small",
            f"--batch_size={batch_size}: smaller than the {turns} turns that share it; "
            "give a larger one",
        )
    if batch_size % (devices := mesh.shape["data"]):
        raise UserError(
            "batch-not-divisible",
            f"--batch_size={batch_size}: not divisible by the {devices} devices that "
            "share a batch; give a multiple",
        )


def _make_inputs(
    source: Source,
    seeds: Sequence[int],
    numbers: Mapping[str, Sequence[float]],
    mesh: jax.sharding.Mesh,
    placements: tuple[Any, Any],
    eval_batch_size: int,
) -> Inputs:
    """Puts the splits, keys and numbers of each run, and the data, on the devices.

    Every device gets the same number of runs: the last run is repeated, and `to_host`
    drops the copies.
    """
    missing = -len(seeds) % mesh.shape["seed"]
    padded_seeds = [*seeds, *[seeds[-1]] * missing]
    padded_numbers = {
        name: np.array([*values, *[values[-1]] * missing], np.float32)
        for name, values in numbers.items()
    }
    splits = [source.split(seed) for seed in padded_seeds]
    split_rows = {name: [rows[name] for rows in splits] for name in splits[0]}
    train_rows = np.stack(split_rows["train"]).astype(np.int32)
    eval_rows = {
        name: update.batches(rows, eval_batch_size, mesh.shape["data"])
        for name, rows in split_rows.items()
        if name != "train"
    }
    by_run, replicated = placements
    train_rows, on_devices = jax.device_put((train_rows, padded_numbers), by_run)
    return Inputs(
        keys=jax.vmap(jax.random.key)(np.array(padded_seeds, np.uint32)),
        numbers=on_devices,
        arrays=jax.device_put(source.arrays, replicated),
        train_rows=train_rows,
        eval_rows=eval_rows,
        split_rows=split_rows,
    )


def _compile(
    make_task: Callable[[Any], Task],
    source: Source,
    jit_over_runs: Callable[..., Any],
    *,
    batch_size: int,
    epochs_per_shuffle: int,
) -> Functions:
    """Compiles the functions of `update` over a run axis."""

    def init(key, numbers):
        return update.init(make_task(numbers), key)

    def shuffle(key, rows, first_epoch):
        return update.permutations(source, key, rows, first_epoch, epochs_per_shuffle)

    def train_steps(state, numbers, permutations, arrays, offset, num_steps):
        state, metrics = update.train_steps(
            make_task(numbers),
            source,
            state,
            permutations,
            arrays,
            offset,
            num_steps,
            batch_size=batch_size,
        )
        return state, {"metrics": metrics, "alive": state.alive, "step": state.step}

    def evaluate(state, numbers, rows, arrays, *, final_metrics):
        task = make_task(numbers)
        return update.evaluate(
            task, source, state, rows, arrays, final_metrics=final_metrics
        )

    def sample(state, numbers, rows, arrays):
        return update.sample(make_task(numbers), source, state, rows, arrays)

    in_axes = (0, 0, 0, None)
    evaluate_run = {
        final: partial(evaluate, final_metrics=final) for final in (False, True)
    }
    return Functions(
        init=jit_over_runs(init, (0, 0)),
        shuffle=jit_over_runs(shuffle, (0, 0, None)),
        train_steps=jit_over_runs(
            train_steps, (0, 0, 0, None, None, None), donate=True
        ),
        evaluate={p: jit_over_runs(f, in_axes) for p, f in evaluate_run.items()},
        sample=jit_over_runs(sample, in_axes),
        evaluate_run=evaluate_run,
    )


def _shuffled(rows: np.ndarray) -> np.ndarray:
    """The rows in a fixed random order, because files are often sorted by class."""
    return np.random.default_rng(0).permutation(rows)


def _map_keys(function: Callable, tree: Any) -> Any:
    """Applies `function` to the key of each `State` in a tree."""
    return jax.tree.map(
        lambda s: s._replace(key=function(s.key)) if isinstance(s, State) else s,
        tree,
        is_leaf=lambda s: isinstance(s, State),
    )
