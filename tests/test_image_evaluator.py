"""The image evaluator: its metrics, and the real images it is trained on."""

import jax.numpy as jnp
import numpy as np
import pytest
from families import table
from user_errors import user_error

from dljax.models.cnn import cnn
from dljax.tasks.classification import classification
from dljax.training import programs
from dljax.training.host_metrics import score_samples
from dljax.training.image_evaluator import (
    first_seed_of_split,
    image_sample_evaluator,
    train_image_evaluator,
)
from dljax.training.optimizers import adamw
from dljax.types import SampleEvaluator


def blots(count):
    """Images that are light above or below; test images are sorted by class."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, count).astype(np.int32)
    label[70:] = np.sort(label[70:])
    image = 0.3 * rng.random((count, 8, 8, 1)).astype(np.float32)
    image[label == 0, :4] += 0.7
    image[label == 1, 4:] += 0.7
    arrays = {"image": image, "label": label}
    return table(arrays, train=50)._replace(classes=("above", "below"))


def test_test_images_sorted_by_class_score_as_shuffled_ones():
    source = blots(270)
    net = cnn((2, 2), 4, 2)
    task = classification(net, adamw(0.01), example=jnp.zeros((1, 8, 8, 1)))
    evaluator = image_sample_evaluator(source, steps=60)
    task = task._replace(
        sample=lambda params, model_state, batch, key: {"generated": batch["image"]},
        sample_evaluator=evaluator,
    )
    program = programs.make_program(task, source, (0,), strategy="map", batch_size=16)
    measured = program.evaluate(program.init(), "test", samples=True)
    metrics = {name: float(value[0]) for name, (value, _) in measured.items()}
    assert metrics["evaluator_accuracy"] > 0.95
    assert metrics["min_class_share"] > 0.3
    assert metrics["frechet_real"] < 0.1 * metrics["frechet_noise"]
    assert (
        metrics["frechet_real"] < metrics["frechet_gaussian"] < metrics["frechet_noise"]
    )
    assert metrics["frechet"] < metrics["frechet_gaussian"]
    assert metrics["precision"] > 0.5 > metrics["precision_noise"]


def test_class_accuracy_compares_predicted_and_target_classes():
    source = blots(270)
    evaluator = image_sample_evaluator(
        source, steps=60, other_samples=("worse",), conditional=True
    )
    rows = np.random.default_rng(0).permutation(source.split(0)["test"])
    image, label = (source.arrays[name][rows] for name in ("image", "label"))
    target_class = np.where(np.arange(len(rows)) % 2, label, 0)
    metrics = evaluator.score(
        {"image": image, "label": label, "generated": image, "worse": 0 * image}
        | {"target_class": target_class},
        0,
    )
    assert set(metrics) == set(evaluator.names)
    assert metrics["class_accuracy_below"] > 0.95
    wrong = ((target_class == 0) & (label == 1)).sum() / (target_class == 0).sum()
    assert metrics["class_accuracy_above"] == pytest.approx(1 - wrong, abs=0.05)
    assert metrics["frechet"] == metrics["frechet_real"] < metrics["frechet_worse"]
    assert metrics["min_class_share"] == pytest.approx(label.mean(), abs=0.05)


@pytest.mark.long
def test_each_fold_has_an_image_evaluator_trained_on_its_own_split():
    """A fold's evaluator never sees the fold's test images."""
    source = blots(270)
    image = np.random.default_rng(1).random((270, 8, 8, 1)).astype(np.float32)
    image[:, 0, 0, 0] = np.arange(270) % 3 == 0  # a class that only chance tells else
    label = np.random.default_rng(2).integers(0, 2, 270).astype(np.int32)
    folds = [np.arange(0, 135), np.arange(135, 270)]

    def split(seed):
        fold, other_fold = folds[seed % 2], folds[(seed + 1) % 2]
        return {"train": fold, "valid": fold[:4], "test": other_fold}

    source = source._replace(arrays={"image": image, "label": label}, split=split)
    assert [first_seed_of_split(source, seed) for seed in range(5)] == [0, 1, 0, 1, 0]
    for seed in range(4):
        feature_fn = train_image_evaluator(source, seed, steps=300)
        accuracy = {}
        for name in ("train", "test"):
            rows = split(seed)[name]
            _, predicted = feature_fn(image[rows])
            accuracy[name] = (predicted == label[rows]).mean()
        assert accuracy["train"] > 0.9 > 0.75 > accuracy["test"]  # random labels


def test_run_with_nonfinite_samples_scores_nan():
    evaluator = SampleEvaluator(
        ("mean",), lambda sample, seed: {"mean": float(sample["generated"].mean())}
    )
    images = np.ones((3, 2, 4), np.float32)
    images[1, 0, 2] = np.nan
    value, count = score_samples(
        evaluator, {"generated": images}, [3, 4, 5], [2, 2, 1]
    )["mean"]
    np.testing.assert_array_equal(value, [1, np.nan, 1])
    np.testing.assert_array_equal(count, 1)


def test_too_few_images_are_refused_before_training():
    with user_error("too-few-images", "--dataset=table", "6", "8"):
        image_sample_evaluator(blots(76))
