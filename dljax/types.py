"""The records that all of dljax shares: pure functions, and trees of arrays.

A *run* is one variant with one seed; a seed determines everything random about a run.
Programs that train many runs at once give every leaf of `State` a leading run axis.

Keys are derived with `fold_in`, and no split key is kept in the state: at step t,
`fold(root_key, t, purpose)` is the key of one purpose, where `purpose` is one of the
constants below.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from dljax.rendering import Renderings

Tree = Any  # a pytree of arrays
Batch = dict[str, jax.Array]
Metrics = dict[str, tuple[jax.Array, jax.Array]]  # name -> (sum, count)

INIT, ORDER, EVALUATE, SAMPLE, TURN = range(5)  # turn i of a step uses TURN + i


class Net(NamedTuple):
    """A network as pure functions.

    init(key, example) -> (params, model_state). `example` is one batch of inputs;
      `model_state` holds arrays that training changes without gradients, such as
      BatchNorm's running averages.
    apply(params, model_state, x, *, key, train) -> (y, model_state). `key` may be None
      if `train` is false.
    generate(params, model_state, x, *, steps, key, draw) -> {"prediction": (b, steps,
      ...), ...}, for autoregressive nets; greedy if `key` is None.
      draw(logits (b, k), key) -> int32 (b,) selects tokens; by default a categorical
      sample.
    """

    init: Callable[..., tuple[Tree, Tree]]
    apply: Callable[..., tuple[Any, Tree]]
    generate: Callable[..., Any] | None = None


class Turn(NamedTuple):
    """One player's turn: minimise `loss` over `params[name]`, all other params fixed.

    loss(params, model_state, batch, key, step) -> (scalar, (metrics, model_state))
    optimizer: if it holds a `training.optimizers.params_ema`, evaluation and sampling
      use the moving averages of the player's params and of model_state.
    """

    name: str
    loss: Callable[..., tuple[jax.Array, tuple[Metrics, Tree]]]
    optimizer: Any  # optax.GradientTransformationExtraArgs


class SampleEvaluator(NamedTuple):
    """Computes metrics of samples on the host, for example with strings or files.

    names: of the metrics.
    score({name: array (n, ...)}, seed) -> {metric: number}. The arrays are those of the
      batch and of `Task.sample`: one run's test split, in a fixed shuffled order.
    max_examples: the number of test examples to sample for, at most; None: all.
    """

    names: tuple[str, ...]
    score: Callable[[Mapping[str, Any], int], Mapping[str, float]]
    max_examples: int | None = None


class Task(NamedTuple):
    """A training objective, as a game of n players: one, or two in a GAN.

    init(key) -> ({player: params}, model_state)
    turns: the order of play within a step. A player may have several turns, as in
      `(critic,) * 5 + (generator,)`; every turn has its own key.
    metrics(params, model_state, batch, key) -> {name: (sum, count)} of an evaluation
      batch, whose `batch["weight"]` is 1 for an example and 0 for padding.
    sample(params, model_state, batch, key) -> {name: array (b, ...)}, or None: samples
      for the examples of an evaluation batch.
    final_metrics: as `metrics`, or None. Costly metrics, or of the network's internals;
      computed once, at the end, on the test split.
    sample_evaluator: computes metrics of the test split's samples on the host, or None.
    split_batch: each turn gets its own equal part of a step's batch.
    generate(params, model_state, batch, key, *, steps, draw) -> {name: array}, or None:
      continues the sequences of a batch, as `Net.generate`.
    """

    init: Callable[[jax.Array], tuple[dict[str, Tree], Tree]]
    turns: tuple[Turn, ...]
    metrics: Callable[..., Metrics]
    sample: Callable[..., dict[str, jax.Array]] | None = None
    final_metrics: Callable[..., Metrics] | None = None
    sample_evaluator: SampleEvaluator | None = None
    split_batch: bool = False
    generate: Callable[..., dict[str, jax.Array]] | None = None


class State(NamedTuple):
    """Everything of a run that training changes: arrays only.

    step: int32, the number of updates done. alive: bool, False from the first
    non-finite loss on; the other leaves then stay as they were before that update. key:
    the run's root key. params, opt: {player: tree}.
    """

    step: jax.Array
    alive: jax.Array
    key: jax.Array
    params: dict[str, Tree]
    opt: dict[str, Tree]
    model_state: Tree


class Source(NamedTuple):
    """Where batches come from: the batch of step t is a pure function of (key, t).

    name, version, fingerprint: of the data set; the last is a hash of its values.
    arrays: {name: array of shape (examples, ...)}, resident on the device, shared by
      all seeds.
    split(seed) -> {"train" | "valid" | "test": int array of examples}; all seeds have
      equally many training examples. An optional "train_eval" split is evaluated
      after training; its metrics are prefixed train_.
    order(key, rows) -> rows permuted: one permutation an epoch.
    gather(arrays, rows) -> batch, as networks see it.
    classes: the names of the labels, where there are any.
    test_train_ratio: test over training examples where the seeds' splits share
      examples (folds), else 0: Nadeau and Bengio's correction.
    details: what a task needs besides arrays and their shapes, such as a vocabulary's
      size or a `SampleEvaluator`; or None. Variants of one source share it.
    encode_prompts(texts) -> batch, or None: prompts as networks are given them.
    render({name: array (n, ...)}) -> Renderings, or None: records for the report, of a
      batch and the outputs of `Task.sample` or `Task.generate`. For prompts only the
      keys of `encode_prompts` and the outputs are present.
    """

    name: str
    version: str
    fingerprint: str
    arrays: dict[str, Any]
    split: Callable[[int], Mapping[str, Any]]
    order: Callable[[jax.Array, jax.Array], jax.Array]
    gather: Callable[[Any, jax.Array], Batch]
    classes: tuple[str, ...] = ()
    test_train_ratio: float = 0.0
    render: Callable[[Mapping[str, Any]], Renderings] | None = None
    encode_prompts: Callable[[Sequence[str]], Mapping[str, Any]] | None = None
    details: Any = None


def fold(key: jax.Array, step: Any, purpose: int) -> jax.Array:
    """The key of one purpose at one step, derived from the run's root key."""
    return jax.random.fold_in(jax.random.fold_in(key, step), purpose)
