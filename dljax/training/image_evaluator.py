"""A classifier of real images, frozen: by its features generated ones are judged."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dljax.errors import UserError
from dljax.interpret.layers import between
from dljax.metrics import generative_metrics
from dljax.models.cnn import cnn
from dljax.sources.image_sources import every
from dljax.sources.resident import stills
from dljax.tasks.classification import classification
from dljax.training import programs
from dljax.training.optimizers import adamw, warmup_cosine
from dljax.types import SampleEvaluator, Source

STEPS, BATCH = 1000, 64
FEATURES = 64
AT_ONCE = 1000  # images
MOST = 1000  # of each kind; the cost of precision and recall grows with the square


FeatureFn = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
_kept: dict[tuple[str, int, int], FeatureFn] = {}  # once a process


def first_alike(source: Source, seed: int) -> int:
    """The least seed of the same training part: of one part 0, of folds one of each."""
    train = source.split(seed)["train"]
    others = (s for s in range(seed) if np.array_equal(source.split(s)["train"], train))
    return next(others, seed)


def recogniser(source: Source, seed: int, *, steps: int = STEPS) -> FeatureFn:
    """A LeNet trained on the training part of a seed, always alike: images (n, h, w, c)
    -> features float32 (n, 64), and classes int (n,).

    Its features are what its hidden layer passes on.

    Raises:
      UserError: there are no images.
    """
    first = first_alike(source, seed)
    key = (source.fingerprint, first, steps)
    if key not in _kept:
        _kept[key] = _trained(source, first, steps)
    return _kept[key]


def _trained(source, seed, total):
    example, outputs = stills(source)
    net = cnn((16, 32), FEATURES, outputs)
    rate = warmup_cosine(2e-3, total, warmup=total // 20)
    task = classification(net, adamw(rate), example=example)
    size = min(BATCH, len(source.split(seed)["train"]))
    program = programs.program(task, source, (seed,), how="map", batch_size=size)
    state, done = program.init(), 0
    while done < total:
        block, offset = divmod(done, program.steps_per_block)
        steps = min(total - done, program.steps_per_block - offset)
        orders = program.orders(state, block)
        state, _ = program.advance(state, orders, offset, steps)
        done += steps
    host = program.take(state)
    params, model_state = jax.tree.map(
        lambda leaf: leaf[0], (host.params["net"], host.model_state)
    )

    @jax.jit
    def seen(images):
        *_, features, logits = between(net, params, model_state, images).values()
        return features, jnp.argmax(logits, -1)

    def look(images):
        parts = np.array_split(images, -(-len(images) // AT_ONCE))
        found = [seen(jnp.asarray(part, jnp.float32)) for part in parts]
        features, classes = zip(*jax.device_get(found), strict=True)
        return np.concatenate(features), np.concatenate(classes)

    return look


NAMES = ("frechet", "kid", "precision", "recall")
SHARES = ("min_class_share", "max_class_share")
FLOORS = ("real", "gaussian", "noise")


def floors(other: np.ndarray, gaussian: np.ndarray) -> dict[str, np.ndarray]:
    """What is judged beside images that were made, by the names of `FLOORS`: other real
    images, as many that a Gaussian draws, and uniform noise.
    """
    noise = np.random.default_rng(0).random(other.shape, np.float32)
    return dict(zip(FLOORS, (other, gaussian, noise), strict=True))


def distances(features: Any, real: Any) -> dict[str, float]:
    """What `NAMES` says, of features (n, d) and real ones (m, d)."""
    near = generative_metrics.precision_recall(features, real)
    found = (
        generative_metrics.frechet(features, real),
        generative_metrics.kernel(features, real),
    )
    return dict(zip(NAMES, (*found, *near), strict=True))


def image_sample_evaluator(
    source: Source,
    *,
    steps: int = STEPS,
    other_samples: Sequence[str] = (),
    conditional: bool = False,
    to_images: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> SampleEvaluator:
    """Evaluates {"generated": images in [0, 1]} by the features of a frozen CNN.

    Reference: half of the test images, 1,000 at most. Samples use the other half's
    labels. `frechet`, `kid`, `precision`, `recall`: see `metrics.generative_metrics`.
    Each has three baselines: "NAME_real" of the other half of the test images,
    "NAME_gaussian" of draws from a Gaussian fitted to the training images, and
    "NAME_noise" of uniform noise. `min_class_share` and `max_class_share`: the smallest
    and the largest share of a class among all samples. `evaluator_accuracy`: the CNN's
    accuracy on the reference.

    Args:
      steps: updates of the CNN.
      to_images: maps samples, for example of tokens, to such images.
      other_samples: keys of further samples; their metrics' names end in "_KEY".
      conditional: samples have "target_class", int (n,). `class_accuracy` is the share
        of samples that the CNN assigns to their target class, "class_accuracy_CLASS"
        the share of one class (0 where no sample has the class).

    Raises:
      UserError: there are too few test images.
    """
    least = 2 * (generative_metrics.NEIGHBOURS + 1)
    if (count := len(source.split(0)["test"])) < least:
        raise UserError(
            f"--dataset={source.name}: has {count} images to test on, and to judge "
            f"what is made takes {least} at least"
        )
    classes = source.classes

    @functools.cache
    def gaussian(seed: int, count: int) -> np.ndarray:
        return generative_metrics.gaussian(
            every(source)[source.split(seed)["train"]], count
        )

    def score(sample: Mapping[str, Any], seed: int) -> dict[str, float]:
        sample = to_images(sample) if to_images else sample
        images, half = sample["image"], len(sample["image"]) // 2
        other = slice(half, 2 * half)
        look = recogniser(source, seed, steps=steps)
        real, told = look(images[:half])
        found = {"evaluator_accuracy": float((told == sample["label"][:half]).mean())}
        drawn = gaussian(first_alike(source, seed), half)
        for floor, pictures in floors(images[other], drawn).items():
            apart = distances(look(pictures)[0], real)
            found |= {f"{k}_{floor}": v for k, v in apart.items()}
        for name, end in ends.items():
            features, which = look(np.clip(sample[name], 0, 1))
            share = generative_metrics.shares(which, len(classes))
            its = distances(features[other], real) | {
                "min_class_share": share.min(),
                "max_class_share": share.max(),
            }
            if conditional:
                right = which == sample["target_class"]
                its["class_accuracy"] = float(right.mean())
                for i, of in enumerate(classes if not end else ()):
                    those = right[sample["target_class"] == i]
                    its[f"class_accuracy_{of}"] = (
                        float(those.mean()) if len(those) else 0.0
                    )
            found |= {k + end: v for k, v in its.items()}
        return found

    ends = {"generated": "", **{name: f"_{name}" for name in other_samples}}
    each = (*NAMES, *SHARES, *["class_accuracy"] * conditional)
    names = (
        *(name + end for end in ends.values() for name in each),
        *(f"{name}_{floor}" for floor in FLOORS for name in NAMES),
        *(f"class_accuracy_{of}" for of in classes if conditional),
        "evaluator_accuracy",
    )
    return SampleEvaluator(names, score, max_examples=2 * MOST)
