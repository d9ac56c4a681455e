"""The image evaluator: a frozen classifier whose features compare sets of images."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dljax.errors import UserError
from dljax.interpret.layers import layer_inputs
from dljax.metrics import generative_metrics
from dljax.models.cnn import cnn
from dljax.sources.examples import image_example
from dljax.sources.transforms import all_images
from dljax.tasks.classification import classification
from dljax.training import loop, programs
from dljax.training.optimizers import adamw, warmup_cosine
from dljax.types import SampleEvaluator, Source

STEPS, BATCH_SIZE = 1000, 64
NUM_FEATURES = 64
CHUNK = 1000  # images per forward pass
MAX_SAMPLES = 1000  # per set; precision and recall cost the square of this
DISTANCES = ("frechet", "kid", "precision", "recall")
CLASS_SHARES = ("min_class_share", "max_class_share")
BASELINES = ("real", "gaussian", "noise")

FeatureFn = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def train_image_evaluator(
    source: Source, seed: int, *, steps: int = STEPS
) -> FeatureFn:
    """Trains a LeNet deterministically on the seed's training split.

    Seeds with the same training split get the same weights.

    Args:
      source: images in [0, 1] with labels.
      seed: the run's seed.
      steps: number of updates.

    Returns:
      a function of images (n, h, w, c) in [0, 1] that returns features, float32 (n,
      64), the inputs of the last layer, and predicted classes, int (n,).

    Raises:
      UserError: the source has no images.
    """
    seed = first_seed_of_split(source, seed)
    example, outputs = image_example(source)
    net = cnn((16, 32), NUM_FEATURES, outputs)
    schedule = warmup_cosine(2e-3, steps, warmup=steps // 20)
    task = classification(net, adamw(schedule), example=example)
    batch_size = min(BATCH_SIZE, len(source.split(seed)["train"]))
    program = programs.make_program(
        task, source, (seed,), strategy="map", batch_size=batch_size
    )
    outcome = loop.train(
        program,
        loop.init_train_state(program, None),
        step=0,
        steps=steps,
        log_every=steps,
        eval_every=steps,
        test=False,
    )
    host = program.to_host(outcome.train_state.state)
    params, model_state = jax.tree.map(
        lambda leaf: leaf[0], (host.params["net"], host.model_state)
    )

    @jax.jit
    def forward(images):
        *_, features, logits = layer_inputs(net, params, model_state, images).values()
        return features, jnp.argmax(logits, -1)

    def feature_fn(images):
        chunks = np.array_split(images, -(-len(images) // CHUNK))
        outputs = [forward(jnp.asarray(chunk, jnp.float32)) for chunk in chunks]
        features, classes = zip(*jax.device_get(outputs), strict=True)
        return np.concatenate(features), np.concatenate(classes)

    return feature_fn


def first_seed_of_split(source: Source, seed: int) -> int:
    """The smallest seed with the same training split: 0, or the fold's number."""
    train = source.split(seed)["train"]
    equal = (s for s in range(seed) if np.array_equal(source.split(s)["train"], train))
    return next(equal, seed)


def baseline_images(real: np.ndarray, gaussian: np.ndarray) -> dict[str, np.ndarray]:
    """Images to compare generated ones with, by the names in `BASELINES`.

    Args:
      real: test images (n, h, w, c).
      gaussian: n samples of a Gaussian fitted to the training images.
    """
    noise = np.random.default_rng(0).random(real.shape, np.float32)
    return dict(zip(BASELINES, (real, gaussian, noise), strict=True))


def distances(features: Any, reference: Any) -> dict[str, float]:
    """The metrics in `DISTANCES` of features (n, d) and reference features (m, d)."""
    values = (
        generative_metrics.frechet_distance(features, reference),
        generative_metrics.kernel_distance(features, reference),
        *generative_metrics.precision_recall(features, reference),
    )
    return dict(zip(DISTANCES, values, strict=True))


def image_sample_evaluator(
    source: Source,
    *,
    steps: int = STEPS,
    other_samples: Sequence[str] = (),
    conditional: bool = False,
    to_images: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> SampleEvaluator:
    """Evaluates {"generated": images in [0, 1]} by the features of a frozen classifier.

    The reference is half of the test images, at most 1,000; samples have the labels of
    the other half. Metrics:

    frechet, kid, precision, recall: see `metrics.generative_metrics`. Baselines have a
      suffix: "_real" (the other half of the test images), "_gaussian" (samples of a
      Gaussian fitted to the training images), "_noise" (uniform noise).
    min_class_share, max_class_share: smallest and largest share of a class among all
      samples.
    evaluator_accuracy: the classifier's accuracy on the reference.
    class_accuracy, class_accuracy_CLASS: with `conditional`, the share of all samples,
      or of the samples of a class, that are classified as their target class; 0 if a
      class has no samples.

    Args:
      source: images in [0, 1] with labels.
      steps: number of updates of the classifier.
      other_samples: keys of further samples; their metrics have the suffix "_KEY".
      conditional: whether samples have "target_class", int (n,).
      to_images: maps samples, for example of tokens, to images; by default the
        identity.

    Raises:
      UserError: there are too few test images.
    """
    _check_test_images(source)
    suffixes = {"generated": "", **{name: f"_{name}" for name in other_samples}}

    @functools.cache
    def train(seed: int) -> FeatureFn:
        return train_image_evaluator(source, seed, steps=steps)

    @functools.cache
    def draw_gaussian(seed: int, count: int) -> np.ndarray:
        images = all_images(source)[source.split(seed)["train"]]
        return generative_metrics.gaussian_images(images, count)

    def score(samples: Mapping[str, Any], seed: int) -> dict[str, float]:
        samples = to_images(samples) if to_images else samples
        seed = first_seed_of_split(source, seed)
        feature_fn = train(seed)
        images, half = samples["image"], len(samples["image"]) // 2
        other_half = slice(half, 2 * half)
        reference, predicted = feature_fn(images[:half])
        accuracy = float((predicted == samples["label"][:half]).mean())
        metrics = {"evaluator_accuracy": accuracy}
        baselines = baseline_images(images[other_half], draw_gaussian(seed, half))
        for name, baseline in baselines.items():
            values = distances(feature_fn(baseline)[0], reference)
            metrics |= {f"{k}_{name}": value for k, value in values.items()}
        for key, suffix in suffixes.items():
            features, predicted = feature_fn(np.clip(samples[key], 0, 1))
            shares = generative_metrics.class_shares(predicted, len(source.classes))
            values = distances(features[other_half], reference) | {
                "min_class_share": shares.min(),
                "max_class_share": shares.max(),
            }
            if conditional:
                correct = predicted == samples["target_class"]
                values["class_accuracy"] = float(correct.mean())
                if not suffix:
                    values |= _class_accuracies(source, correct, samples)
            metrics |= {k + suffix: value for k, value in values.items()}
        return metrics

    of_samples = (*DISTANCES, *CLASS_SHARES, *["class_accuracy"] * conditional)
    names = (
        *(name + suffix for suffix in suffixes.values() for name in of_samples),
        *(f"{name}_{baseline}" for baseline in BASELINES for name in DISTANCES),
        *(f"class_accuracy_{name}" for name in source.classes if conditional),
        "evaluator_accuracy",
    )
    return SampleEvaluator(names, score, max_examples=2 * MAX_SAMPLES)


def _check_test_images(source: Source) -> None:
    needed = 2 * (generative_metrics.NEIGHBOURS + 1)
    if (count := len(source.split(0)["test"])) < needed:
        raise UserError(
            "too-few-images",
            f"--dataset={source.name}: has {count} test images, and metrics of samples "
            f"need at least {needed}; give another --dataset",
        )


def _class_accuracies(
    source: Source, correct: np.ndarray, samples: Mapping[str, Any]
) -> dict[str, float]:
    """{"class_accuracy_CLASS": ...}; 0 for a class without samples."""
    accuracies = {}
    for i, name in enumerate(source.classes):
        of_class = correct[samples["target_class"] == i]
        accuracy = float(of_class.mean()) if len(of_class) else 0.0
        accuracies[f"class_accuracy_{name}"] = accuracy
    return accuracies
