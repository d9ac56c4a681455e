"""The records that everything speaks.

All functions in them are pure. A *seed* is everything random about one run; programs
that train many seeds give every leaf of `State` one leading seed axis.

Keys are never stored half-used: the key of anything random at step t is
`fold(root, t, purpose)`, where `purpose` is one of the constants below.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

Tree = Any  # a pytree of arrays
Batch = dict[str, jax.Array]
Metrics = dict[str, tuple[jax.Array, jax.Array]]  # name -> (sum, count)

INIT, ORDER, EVALUATE, SAMPLE, TURN = range(5)  # turn i of a step uses TURN + i


class Net(NamedTuple):
    """A network as two pure functions.

    init(key, example) -> (params, model_state): `example` is one batch of inputs;
    `model_state` are
      the arrays that training changes without gradients (BatchNorm's averages).
    apply(params, model_state, x, *, key, train) -> (y, model_state): `key` may be None
    when not
      `train`.
    generate(params, model_state, x, *, steps, key, draw) -> {"prediction": (b, steps,
    ...),
      ...}, of nets that make sequences: each step is drawn and fed back; the likeliest
      where `key` is None. draw(logits (b, k), key) -> int32 (b,): how tokens are drawn;
      by default by their likelihood.
    """

    init: Callable[..., tuple[Tree, Tree]]
    apply: Callable[..., tuple[Any, Tree]]
    generate: Callable[..., Any] | None = None


class Turn(NamedTuple):
    """One player's move: minimise `loss` over `params[name]`, all else held fixed.

    loss(params, model_state, batch, key, step) -> (scalar, (metrics, model_state))
    averaged(opt) -> (params[name], model_state) that evaluation and sampling use, or
    None for
      the current ones. By default what an `optimizers.average` in the chain keeps.
    """

    name: str
    loss: Callable[..., tuple[jax.Array, tuple[Metrics, Tree]]]
    optimizer: Any  # optax.GradientTransformationExtraArgs
    averaged: Callable[[Tree], tuple[Tree, Tree] | None] | None = None


class SampleEvaluator(NamedTuple):
    """Measures samples: score({name: array (n, ...)}, seed) -> a number for each of
    `names`.

    The arrays are those of the batch and of `Task.sample`: one run's test split, in a
    fixed shuffled order, cut off after `max_examples` examples (None: all).
    """

    names: tuple[str, ...]
    score: Callable[[Mapping[str, Any], int], Mapping[str, float]]
    max_examples: int | None = None


class Task(NamedTuple):
    """A game of n players; ordinary training is the game of one.

    init(key) -> ({name: params}, model_state)
    turns: the order of play within a step. A player may have several turns, as in
      `(critic,) * 5 + (generator,)`; each turn has a key of its own.
    metrics(params, model_state, batch, key) -> {name: (sum, count)}: on an evaluation
    batch,
      whose `batch["weight"]` is 1 for an example and 0 for padding.
    sample(params, model_state, batch, key) -> {name: array}, or None: what the report
    shows;
      `batch` holds a few evaluation examples.
    probe: as `metrics`, or None: what is measured besides, on test data alone, since it
      looks inside the network and costs more.
    sample_evaluator: measures the samples of all test data on the host, or None.
    split_batch: every turn of a step gets a part of the step's batch of its own.
    generate(params, model_state, batch, key, *, steps, draw) -> {name: array}, or
    None: makes
      sequences that go on from what the batch gives, as `Net.generate`.
    """

    init: Callable[[jax.Array], tuple[dict[str, Tree], Tree]]
    turns: tuple[Turn, ...]
    metrics: Callable[..., Metrics]
    sample: Callable[..., dict[str, jax.Array]] | None = None
    probe: Callable[..., Metrics] | None = None
    sample_evaluator: SampleEvaluator | None = None
    split_batch: bool = False
    generate: Callable[..., dict[str, jax.Array]] | None = None


class State(NamedTuple):
    """All of a run that changes: arrays only.

    step: int32, the number of updates done. alive: bool, False once a loss was not
    finite; the rest then stays what it was. key: the run's root key. params and opt:
    {player: tree}.
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
    split(seed) -> {"train" | "valid" | "test": int array of examples}. All seeds have
      equally many training examples. Where there is "seen" too, its examples are
      measured at the end as the test's are, each metric as train_NAME.
    order(key, rows) -> rows permuted: one permutation an epoch.
    gather(arrays, rows) -> batch, as networks see it.
    classes: the names of the labels, where there are any.
    test_train_ratio: test over training examples where the seeds' splits share
      examples (folds), else 0: Nadeau and Bengio's correction.
    ask(texts) -> batch, or None: prompts as networks are given them.
    details: a record of what a task needs of this kind of source besides arrays and
      their shapes, as the size of a vocabulary; None where it needs nothing.
    say({name: array (n, ...)}) -> {title: n texts}, or None: what the report shows of
      samples as text; as "real roll" and "roll" arrays (n, steps, 88) of music; as
      "pieces read" and "pieces said" n lists of texts, between which "attention" is; as
      pictures arrays (n, h, w, c) in [0, 1], of which "real" ones are the data's; of
      what ends with " sound" int16 arrays (n, samples).
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
    say: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    ask: Callable[[Sequence[str]], Mapping[str, Any]] | None = None
    details: Any = None


def fold(key: jax.Array, step: Any, purpose: int) -> jax.Array:
    """The key of one purpose at one step; a pure function of the run's root key."""
    return jax.random.fold_in(jax.random.fold_in(key, step), purpose)
