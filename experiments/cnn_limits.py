"""Measures four limits of one trained image classifier.

CNNs are said to have four limits: computation, overfitting, sensitivity and
interpretability. TRIAL is a trial of any network that classifies images:

    python -m experiments.cnn_vs_mlp
    python -m experiments.cnn_limits --run=runs/cnn_vs_mlp-digits/TRIAL

The script prints the measurements and writes a page with figures, TRIAL/limits.html.
The claims about CNNs are tested by cnn_computation, cnn_overfitting, cnn_sensitivity
and cnn_interpretability, each over seeds and compared with other networks.
"""

import dataclasses
import pathlib
import shlex
import sys

from dljax.config import flag

from . import finished_run
from .finished_run import RunFlags

LEVELS = range(1, 6)
KINDS = ("shift", "rotation", "noise", "blur", "contrast", "occlusion", "fgsm", "pgd")
CURVES = ("deletion", "insertion", "shuffled")
METHODS = ("gradient", "integrated", "occlusion", "random")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunFlags):
    """Flags of cnn_limits."""

    examples: int = flag(200, "test images for sensitivity and attributions", low=1)


def main(arguments):
    """Prints and writes the measurements; returns the exit code.

    Raises:
      UserError: a wrong flag, or a network that does not classify images.
    """
    from dljax.errors import DONE
    from dljax.trials.disk import write_text

    if (parsed := finished_run.parse(Config, arguments, doc=__doc__)) is None:
        return DONE
    config, directory = parsed
    card = model_card(config)
    for limit in card["limits"]:
        print(f"\n{limit['name']}: {limit['question']}")
        table = [limit["heads"], *limit["rows"]]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for row in table if any(limit["heads"]) else table[1:]:
            cells = zip(row, widths, strict=True)
            print("  " + "  ".join(f"{cell:<{w}}" for cell, w in cells).rstrip())
    from dljax.reporting.templates import environment

    page = environment().get_template("limits.html").render(card)
    write_text(directory / "limits.html", page)
    print(f"\npage     {directory / 'limits.html'}")
    return DONE


def model_card(config):
    """Measures the limits; returns the values of the template limits.html."""
    import jax
    import numpy as np

    from dljax.interpret.model_card import measure_limits
    from dljax.training import update

    trial, seed, state = finished_run.load(config)
    source = trial.source
    params, model_state = update.eval_params(trial.task, state)
    splits = source.split(seed)
    rows = np.random.default_rng(0).permutation(splits["test"])[: config.examples]
    batch = jax.jit(source.gather)(source.arrays, np.sort(rows))
    _check_classifies_images(config, trial, params, model_state, batch)
    metrics, maps = jax.jit(
        lambda p, s, b: measure_limits(
            trial.task, p, s, b, num_classes=len(source.classes)
        )
    )(params, model_state, batch)
    values = {k: float(total / count) for k, (total, count) in metrics.items()}
    return {
        "variant": trial.variant,
        "run": config.run,
        "seed": seed,
        "step": trial.step,
        "dataset": source.name,
        "examples": len(rows),
        "command": shlex.join(["python", "-m", __spec__.name, f"--run={config.run}"]),
        "limits": [
            _computation(trial),
            _overfitting(trial, state, splits),
            _sensitivity(config, values),
            _interpretability(config, values, batch, maps),
        ],
    }


def _check_classifies_images(config, trial, params, model_state, batch):
    """Raises UserError unless the loss is the cross-entropy of classes of images."""
    import jax
    import numpy as np

    from dljax.errors import UserError
    from dljax.interpret.model_card import as_classifier

    image = batch.get("image", np.zeros(0))
    metrics = jax.eval_shape(
        trial.task.metrics, params, model_state, _weighted(batch), jax.random.key(0)
    )
    if image.ndim != 4 or not {"loss", "accuracy"} <= metrics.keys():
        raise UserError(
            "not-a-classifier",
            f"--run={config.run}: the network does not classify images; give another "
            "trial",
        )
    log_probs, _ = as_classifier(trial.task, len(trial.source.classes)).apply(
        params, model_state, np.asarray(image[:3]), key=None, train=False
    )
    if not np.allclose(np.exp(log_probs).sum(1), 1, atol=1e-3):
        raise UserError(
            "not-a-classifier",
            f"--run={config.run}: the loss is not the cross-entropy of classes; give "
            "another trial",
        )


def _computation(trial):
    from dljax.training import cost

    batch_size = trial.config.batch_size
    flops = cost.count_flops(trial.task, trial.source, batch_size) or float("nan")
    return {
        "name": "Computation",
        "question": "How much computation does the network need?",
        "heads": ("", ""),
        "rows": [
            ("parameters", f"{cost.count_parameters(trial.task).total:,}"),
            ("MFLOP per update", f"{flops / 1e6:,.1f}"),
            ("MFLOP per update and example", f"{flops / batch_size / 1e6:,.3f}"),
            ("ms per validation image, all seeds together", _milliseconds(trial)),
        ],
    }


def _overfitting(trial, state, splits):
    import numpy as np

    accuracy = {
        split: _accuracy(trial, state, np.asarray(splits[split]))
        for split in ("train", "test")
    }
    return {
        "name": "Overfitting",
        "question": "Does the network fit its training images better than test images?",
        "heads": ("", ""),
        "rows": [
            *((f"accuracy on {k}", f"{v:.4f}") for k, v in accuracy.items()),
            ("gap", f"{accuracy['train'] - accuracy['test']:+.4f}"),
        ],
    }


def _sensitivity(config, values):
    return {
        "name": "Sensitivity",
        "question": "How much accuracy is left on corrupted or attacked images?",
        "heads": ("severity", *map(str, LEVELS)),
        "rows": [
            (kind, *(f"{values[f'{kind}_{i}']:.2f}" for i in LEVELS)) for kind in KINDS
        ],
        "alt": "Accuracy at five severities of corruption and attack",
        "image": _save_figure(config, "sensitivity", _severities(values)),
    }


def _interpretability(config, values, batch, maps):
    return {
        "name": "Interpretability",
        "question": "Do attributions find the pixels that decide? Deletion and "
        "insertion: the area under the label's probability while pixels are deleted "
        "(low is good) or inserted (high is good) in order of attribution. Shuffled: "
        "the rank correlation with the attributions of a network with shuffled "
        "weights (0 is good).",
        "heads": ("", *CURVES),
        "rows": [
            (method, *(_format(values, f"{method}_{name}") for name in CURVES))
            for method in METHODS
        ],
        "alt": "Test images and the attributions of their pixels: red for the "
        "label, blue against",
        "image": _save_figure(config, "attributions", _maps(batch, maps)),
    }


def _format(values, name):
    return f"{values[name]:.3f}" if name in values else "–"


def _weighted(batch):
    import jax.numpy as jnp

    return {**batch, "weight": jnp.ones(len(batch["label"]))}


def _accuracy(trial, state, rows):
    """Accuracy on the examples `rows`."""
    import jax

    from dljax.training import update

    batches = update.batches([rows], 500, 1)[0]
    task, source = trial.task, trial.source
    metrics = jax.jit(
        lambda state, arrays: update.evaluate(task, source, state, batches, arrays)
    )(state, source.arrays)
    total, count = metrics["accuracy"]
    return float(total / count)


def _milliseconds(trial):
    """Milliseconds per image: the fastest of six evaluations of the validation data."""
    import time

    import jax

    state = trial.tested
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        jax.block_until_ready(trial.program.evaluate(state, "valid"))
        best = min(best, time.perf_counter() - start)
    count = sum(len(trial.source.split(run.seed)["valid"]) for run in trial.runs)
    return f"{1e3 * best / count:.4f}"


def _severities(values):
    from dljax.reporting.figures import COLOURS, LINES, plt

    figure, axis = plt().subplots(figsize=(9, 3.6))
    for i, kind in enumerate(KINDS):
        line = [values[f"{kind}_{level}"] for level in LEVELS]
        style, colour = LINES[i // len(COLOURS)], COLOURS[i % len(COLOURS)]
        axis.plot(LEVELS, line, style, marker="o", color=colour, label=kind)
    axis.set_xticks(LEVELS)
    axis.set_xlabel("severity")
    axis.set_ylabel("accuracy")
    axis.set_ylim(0, 1.02)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _maps(batch, maps):
    import numpy as np

    from dljax.reporting import sample_figures
    from dljax.sources.image_rendering import render_pixel_maps

    first = {k: np.asarray(v[:10]) for k, v in {**batch, **maps}.items()}
    renderings = render_pixel_maps(first)
    return sample_figures.draw_pixel_maps({"": renderings})


def _save_figure(config, name, figure):
    from dljax.reporting import figures
    from dljax.reporting.templates import data_uri

    folder = pathlib.Path(config.run).expanduser().absolute() / "figures"
    return data_uri(figures.save(figure, folder, name))


if __name__ == "__main__":
    from dljax.cli import guarded

    sys.exit(guarded(lambda: main(sys.argv[1:])))
