"""The contract: the records that all of dljax shares.

They hold pure functions and trees of arrays. `models` builds a `Net`; `tasks` turns
nets and optimizers into a `Task`; `sources` builds a `Source`; `training` turns a task,
a source and seeds into updates of a `State`.

A *run* is one variant with one seed; the seed determines everything random about the
run. In the functions below every array is that of one run. A compiled program trains
many runs at once: every leaf of its `State` has a leading run axis.

Random keys are derived with `jax.random.fold_in` from the run's root key, and the state
stores the root key only: `fold(root_key, t, purpose)` is the key for one purpose at
step t. The purposes are the constants below.

Shapes: b examples of a batch, t steps of a sequence, k classes, (h, w, c) height, width
and channels of an image.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from dljax.rendering import Renderings

Tree = Any  # a pytree of arrays
Batch = dict[str, jax.Array]
Metrics = dict[str, tuple[jax.Array, jax.Array]]  # name -> (sum, count)

INIT, ORDER, EVALUATE, SAMPLE, TURN = range(5)  # turn i of a step: TURN + i


class Net(NamedTuple):
    """A network as pure functions.

    Attributes:
      init: (key, example) -> (params, model_state). `example` is one batch of inputs.
        `model_state` holds the arrays that training changes without gradients, such as
        BatchNorm's running averages.
      apply: (params, model_state, x, *, key, train) -> (y, model_state). `key` may be
        None if `train` is false.
      generate: (params, model_state, x, *, steps, key, draw) -> {"prediction": (b,
        steps, ...), ...}; autoregressive nets only, else None. Decoding is greedy if
        `key` is None. `draw` selects the next tokens: (logits (b, k), key) -> int32
        (b,); the default samples from the softmax.
    """

    init: Callable[..., tuple[Tree, Tree]]
    apply: Callable[..., tuple[Any, Tree]]
    generate: Callable[..., Any] | None = None


class Turn(NamedTuple):
    """One player's turn: minimize `loss` over `params[name]`; other params are fixed.

    Attributes:
      name: the player, a key of params.
      loss: (params, model_state, batch, key, step) -> (scalar, (metrics, model_state)).
      optimizer: an Optax transformation. If it contains a
        `training.optimizers.params_ema`, evaluation and sampling use the moving
        averages of the player's params and of model_state.
    """

    name: str
    loss: Callable[..., tuple[jax.Array, tuple[Metrics, Tree]]]
    optimizer: Any  # optax.GradientTransformationExtraArgs


class SampleEvaluator(NamedTuple):
    """Computes metrics of samples on the host, for example from strings or files.

    Attributes:
      names: the metrics' names.
      score: ({name: array (n, ...)}, seed) -> {metric: number}. The arrays are a batch
        and its `Task.sample`: one run's test split, in a fixed shuffled order.
      max_examples: the largest number of test examples to sample for; None: all.
    """

    names: tuple[str, ...]
    score: Callable[[Mapping[str, Any], int], Mapping[str, float]]
    max_examples: int | None = None


class Task(NamedTuple):
    """A training objective as a game of n players: one player, or two in a GAN.

    Attributes:
      init: key -> ({player: params}, model_state).
      turns: the order of play within a step. A player may have several turns, as in
        `(critic,) * 5 + (generator,)`; each turn has its own key.
      metrics: (params, model_state, batch, key) -> {name: (sum, count)} of one
        evaluation batch. `batch["weight"]` (b,) is 1 for an example and 0 for padding.
        Sums and counts are added over batches and divided once.
      sample: (params, model_state, batch, key) -> {name: array (b, ...)}, samples for
        the examples of an evaluation batch; or None.
      final_metrics: same signature as `metrics`, or None: costly metrics, or metrics of
        the network's internals, computed once after training on the test split.
      sample_evaluator: computes metrics of the test split's samples on the host; or
        None.
      split_batch: whether the turns of a step share its batch in equal parts; else each
        turn gets the whole batch.
      generate: (params, model_state, batch, key, *, steps, draw) -> {name: array}, or
        None: continues the sequences of a batch, as `Net.generate` does.
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
    """Everything that training changes in a run; arrays only.

    Attributes:
      step: int32, the number of updates done.
      alive: bool, false after a non-finite loss, metric or gradient of an update; the
        other leaves then keep their values from before that update.
      key: the run's root key.
      params: {player: tree}.
      opt: {player: optimizer state}.
      model_state: arrays that training changes without gradients.
    """

    step: jax.Array
    alive: jax.Array
    key: jax.Array
    params: dict[str, Tree]
    opt: dict[str, Tree]
    model_state: Tree


class Source(NamedTuple):
    """Where batches come from: the batch of step t is a pure function of (key, t).

    Attributes:
      name: the data set's name.
      version: the data set's version.
      fingerprint: a hash of the data set's values.
      arrays: {name: array (examples, ...)}, resident on the device and shared by all
        runs.
      split: seed -> {"train" | "valid" | "test": int array of example indices}. All
        seeds have the same number of training examples. An optional "train_eval" split
        is evaluated after training; its metrics are prefixed `train_`.
      order: (key, indices) -> the indices permuted, once per epoch.
      gather: (arrays, indices) -> a batch in the form that networks take.
      classes: the names of the labels; empty without labels.
      test_train_ratio: number of test examples over number of training examples where
        the seeds' splits share examples (folds), else 0; used by the corrected t-test
        of Nadeau and Bengio 2003.
      render: {name: array (n, ...)} -> Renderings for the report, or None. The arrays
        are a batch and the outputs of `Task.sample` or `Task.generate`; for prompts
        only the keys of `encode_prompts` and the outputs are present.
      encode_prompts: texts -> a batch of prompts in the form that networks take; or
        None.
      details: what a task needs besides the arrays and their shapes, such as a
        vocabulary or a `SampleEvaluator`; or None. All variants of a source share it.
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
    """Derives the key for one purpose at one step from the run's root key.

    Args:
      step: the update count, an int or a traced int32.
      purpose: one of the constants above; `TURN + i` for turn i.
    """
    return jax.random.fold_in(jax.random.fold_in(key, step), purpose)
