"""The model card's metrics, on classifiers with known predictions."""

import json
import re
import subprocess
import sys

import digits_experiment
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import study_fixtures
from user_errors import user_error

from dljax.interpret.attribution_metrics import attribution_metrics, attributions
from dljax.interpret.model_card import as_classifier, measure_limits
from dljax.interpret.sensitivity import EPSILONS, sensitivity_metrics
from dljax.models.cnn import cnn
from dljax.studies.experiment import import_experiment
from dljax.tasks.classification import classification
from dljax.training.optimizers import adamw
from dljax.types import Net
from experiments import cnn_limits

KEY = jax.random.key(3)
SHAPE = (40, 8, 8, 1)


def linear(weights):
    """Two classes; the second's logit is the weighted sum of the pixels."""

    def apply(params, model_state, x, *, key, train):
        del params, key, train
        z = jnp.einsum("bhwc,hw->b", x, weights, precision="highest")
        return jnp.stack([jnp.zeros_like(z), z], 1), model_state

    return Net(lambda key, example: ({}, {}), apply)


def means(metrics):
    return {name: float(total / count) for name, (total, count) in metrics.items()}


@pytest.fixture(scope="module")
def batch():
    image = 0.4 + 0.2 * np.random.default_rng(0).random(SHAPE)  # no attack is clipped
    label = np.arange(len(image)) % 2
    mask = np.zeros(SHAPE[:3])
    mask[:, 2:5, 3:6] = 1
    weight = np.ones(len(image))
    weight[-10:] = 0
    return {
        name: jnp.asarray(array, jnp.int32 if name == "label" else jnp.float32)
        for name, array in {
            "image": image,
            "label": label,
            "mask": mask,
            "weight": weight,
        }.items()
    }


def test_constant_classifier_loses_nothing(batch):
    net = linear(jnp.zeros((8, 8)))
    metrics = means(sensitivity_metrics(net, side=8)({"net": {}}, {}, batch, KEY))
    assert len(metrics) == 9 * 5
    assert set(metrics.values()) == {0.5}  # the first class, of 15 in 30


def test_attacks_on_linear_net_flip_margins_within_epsilon(batch):
    weights = np.random.default_rng(1).normal(size=(8, 8)).astype(np.float32)
    z = (np.asarray(batch["image"])[..., 0] * weights).sum((1, 2))
    weights_sum = np.abs(weights).sum()
    signed = np.where(np.asarray(batch["label"]) == 1, z, -z)[:30]
    metrics = means(
        sensitivity_metrics(linear(weights), side=8)({"net": {}}, {}, batch, KEY)
    )
    for i, epsilon in enumerate(EPSILONS):
        left = (signed > epsilon * weights_sum).mean()
        assert metrics[f"fgsm_{i + 1}"] == pytest.approx(left)
        assert metrics[f"pgd_{i + 1}"] == pytest.approx(left)


def test_attributions_hit_evidence_in_the_mask(batch):
    weights = jnp.zeros((8, 8)).at[2:5, 3:6].set(3.0)
    ones = {**batch, "label": jnp.ones_like(batch["label"])}
    metrics = means(attribution_metrics(linear(weights))({"net": {}}, {}, ones, KEY))
    for method in ("gradient", "integrated"):
        assert metrics[f"{method}_hit"] == pytest.approx(1)
        assert metrics[f"{method}_mass"] == pytest.approx(1)
        assert metrics[f"{method}_deletion"] < metrics["random_deletion"]
        assert metrics[f"{method}_insertion"] > metrics["random_insertion"]
        assert metrics[f"{method}_shuffled"] == pytest.approx(
            1
        )  # the net has no parameters to shuffle
    assert metrics["random_mass"] == pytest.approx(9 / 64, abs=0.03)


def test_hit_needs_a_mask(batch):
    plain = {name: batch[name] for name in ("image", "label", "weight")}
    metrics = attribution_metrics(linear(jnp.ones((8, 8))))({"net": {}}, {}, plain, KEY)
    assert not any(name.endswith(("hit", "mass")) for name in metrics)


@pytest.mark.long
def test_classifier_equals_the_nets_log_probabilities(batch):
    net = cnn((2,), 4, 2, pool="average")
    task = classification(net, adamw(0.01), example=batch["image"][:1])
    params, model_state = task.init(KEY)
    classifier = as_classifier(task, 2)
    log_probs, _ = classifier.apply(
        params, model_state, batch["image"], key=None, train=False
    )
    logits, _ = net.apply(
        params["net"], model_state, batch["image"], key=None, train=False
    )
    np.testing.assert_allclose(log_probs, jax.nn.log_softmax(logits), atol=1e-5)
    measure = jax.jit(lambda p, s, b: measure_limits(task, p, s, b, num_classes=2))
    metrics, maps = measure(params, model_state, batch)
    assert {"corrupted_1", "pgd_5", "occlusion_insertion"} <= metrics.keys()
    assert {v.shape for v in maps.values()} == {SHAPE[:3]}


def test_grad_cam_needs_a_layer(batch):
    net = cnn((2,), 4, 2)
    params, model_state = net.init(KEY, batch["image"])
    maps = attributions(net, params, model_state, batch, layer="Conv_0")
    assert maps["grad_cam"].shape == SHAPE[:3]


@pytest.fixture(scope="module")
def run(tmp_path_factory, data_dir):
    directory = tmp_path_factory.mktemp("limits")
    experiment = import_experiment(digits_experiment.__file__)
    experiment = experiment._replace(study=experiment.study._replace(tune={}))
    arguments = ("--steps=30", "--seeds=2", "--width=8", "--activation=relu")
    study_fixtures.run(experiment, directory, *arguments, f"--data_dir={data_dir}")
    (trial,) = study_fixtures.trials(directory).values()
    return trial


def test_cnn_limits_writes_a_card(run, capsys):
    assert cnn_limits.main([f"--run={run}", "--seed=1", "--examples=20"]) == 0
    output = capsys.readouterr().out
    row = next(
        r
        for r in study_fixtures.read_lines(run / "metrics.jsonl")
        if r["split"] == "test" and r["seed"] == 1
    )
    assert f" {row['accuracy']:.4f}" in output
    page = (run / "limits.html").read_text()
    assert page.count("data:image/svg+xml") == 2
    headings = re.findall(r"<h2>([^<]+)</h2>", page)
    assert sum(heading in output for heading in headings) == 4
    config = json.loads((run / "config.json").read_text())
    assert config["variant"] in page


@pytest.mark.parametrize(
    ("flags", "error_id", "names"),
    [
        ([], "usage", ["--run"]),
        (["--run=nowhere"], "no-such-directory", ["--run=nowhere"]),
        (["--run={run}", "--seed=7"], "unknown-seed", ["--seed=7", "0, 1"]),
        (["--rum=x"], "unknown-flag", ["--rum", "--run?"]),
    ],
)
def test_wrong_run_raises_user_error(run, flags, error_id, names):
    with user_error(error_id, *names):
        cnn_limits.main([f.replace("{run}", str(run)) for f in flags])


def test_help_needs_no_jax():
    code = (
        "import sys; from experiments import cnn_limits; cnn_limits.main(['--help']); "
        "sys.exit('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--run=" in done.stdout
