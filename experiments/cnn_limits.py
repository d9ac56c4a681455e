"""The four limits of one trained network, on a card.

CNNs are said to have four limits: computation, overfitting, sensitivity and
interpretability. This measures them of any run that classifies still images, whatever
its network:

    python -m experiments.cnn_vs_mlp
    python -m experiments.cnn_limits --run=runs/cnn_vs_mlp-digits/TRIAL

It prints the card, and writes it as a page with pictures, TRIAL/limits.html. The claims
themselves are tested by cnn_computation, cnn_overfitting, cnn_sensitivity and
cnn_interpretability, each over seeds and against other networks.
"""

import dataclasses
import pathlib
import shlex
import sys

from dljax import config as configs
from dljax.config import flag

LEVELS = range(1, 6)
KINDS = ("shift", "rotation", "noise", "blur", "contrast", "occlusion", "fgsm", "pgd")
JUDGED = ("deletion", "insertion", "shuffled")
METHODS = ("gradient", "integrated", "occlusion", "random")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    run: str = flag("", "a trial's directory, RUNS/STUDY/TRIAL")
    seed: int = flag(-1, "seed of the run; -1: the trial's first", low=-1)
    examples: int = flag(200, "test images for sensitivity and attributions", low=1)


def main(arguments):
    """Exit code 0; raises UserError where there is no such run, or of another kind."""
    from dljax import backend
    from dljax.errors import DONE
    from dljax.trials.disk import write_text

    if {"--help", "-h"} & set(arguments):
        print(f"{__doc__.strip()}\n\n{configs.describe(Config, {})}")
        return DONE
    config = configs.parse(Config, arguments, factors={}).config
    from dljax.studies import loading

    directory = loading.writable(config.run)
    backend.prepare()
    card = measured(config)
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
    print(f"\ncard     {directory / 'limits.html'}")
    return DONE


def measured(config):
    """The content of the card."""
    import jax
    import numpy as np

    import dljax
    from dljax.errors import UserError
    from dljax.interpret.model_card import answers, measure
    from dljax.training import cost, update

    run = dljax.load(config.run)
    seeds = [seed for _, seed, _ in run.runs]
    if config.seed not in (-1, *seeds):
        raise UserError(f"--seed={config.seed}: it has {', '.join(map(str, seeds))}")
    index = max(0, seeds.index(config.seed) if config.seed >= 0 else 0)
    state = jax.tree.map(lambda leaf: leaf[index], run.tested)
    source, classes = run.source, len(run.source.classes)
    params, model_state = update.averages(run.task, state)
    parts = source.split(seeds[index])
    rows = np.random.default_rng(0).permutation(parts["test"])[: config.examples]
    batch = jax.jit(source.gather)(source.arrays, np.sort(rows))
    image = batch.get("image", np.zeros(0))
    known = jax.eval_shape(
        run.task.metrics, params, model_state, _weighted(batch), state.key
    )
    if image.ndim != 4 or not {"loss", "accuracy"} <= known.keys():
        raise UserError(f"--run={config.run}: does not classify images")
    few = np.asarray(batch["image"][:3])
    told, _ = answers(run.task, classes).apply(
        params, model_state, few, key=None, train=False
    )
    if not np.allclose(np.exp(told).sum(1), 1, atol=1e-3):
        raise UserError(
            f"--run={config.run}: its loss is not the cross-entropy of classes"
        )
    found, maps = jax.jit(lambda p, s, b: measure(run.task, p, s, b, classes=classes))(
        params, model_state, batch
    )
    values = {k: float(total / count) for k, (total, count) in found.items()}
    accuracy = {
        part: _accuracy(run, state, np.asarray(parts[part]))
        for part in ("train", "test")
    }
    flops = cost.flops(run.task, source, run.config.batch_size) or float("nan")
    return {
        "variant": run.variant,
        "run": config.run,
        "seed": seeds[index],
        "step": run.step,
        "dataset": source.name,
        "examples": len(rows),
        "command": shlex.join(
            ["python", "-m", "experiments.cnn_limits", f"--run={config.run}"]
        ),
        "limits": [
            {
                "name": "Computation",
                "question": "What does it cost?",
                "heads": ("", ""),
                "rows": [
                    ("parameters", f"{cost.parameters(run.task).total:,}"),
                    ("MFLOP of an update", f"{flops / 1e6:,.1f}"),
                    (
                        "MFLOP of an update, an example",
                        f"{flops / run.config.batch_size / 1e6:,.3f}",
                    ),
                    ("ms a validation image, all seeds together", _milliseconds(run)),
                ],
            },
            {
                "name": "Overfitting",
                "question": "Does it fit its training images better than new ones?",
                "heads": ("", ""),
                "rows": [
                    *((f"accuracy on {k}", f"{v:.4f}") for k, v in accuracy.items()),
                    ("gap", f"{accuracy['train'] - accuracy['test']:+.4f}"),
                ],
            },
            {
                "name": "Sensitivity",
                "question": "What is left of its accuracy when images change?",
                "heads": ("severity", *map(str, LEVELS)),
                "rows": [
                    (kind, *(f"{values[f'{kind}_{i}']:.2f}" for i in LEVELS))
                    for kind in KINDS
                ],
                "alt": "Accuracy at five severities of corruption and attack",
                "image": _drawn(config, "sensitivity", _severities(values)),
            },
            {
                "name": "Interpretability",
                "question": "Do the pixels that attributions name make the answer? The "
                "area under the label's probability while they are deleted (low is "
                "good) or inserted (high is good) in order, and the rank correlation "
                "with the map of a net with shuffled weights (0 is good).",
                "heads": ("", *JUDGED),
                "rows": [
                    (method, *(_shown(values, f"{method}_{name}") for name in JUDGED))
                    for method in METHODS
                ],
                "alt": "Test images, and what attributions make of every pixel: red "
                "for, blue against",
                "image": _drawn(config, "attributions", _maps(batch, maps)),
            },
        ],
    }


def _shown(values, name):
    return f"{values[name]:.3f}" if name in values else "–"


def _weighted(batch):
    import jax.numpy as jnp

    return {**batch, "weight": jnp.ones(len(batch["label"]))}


def _accuracy(run, state, rows):
    """The accuracy on some rows, all of them once."""
    import jax

    from dljax.training import update

    batches = update.batches([rows], 500, 1)[0]
    task, source = run.task, run.source
    found = jax.jit(
        lambda state, arrays: update.evaluate(task, source, state, batches, arrays)
    )(state, source.arrays)
    total, count = found["accuracy"]
    return float(total / count)


def _milliseconds(run):
    """The best of six evaluations of all seeds' validation data, an image of them."""
    import time

    import jax

    state = run.tested
    best = float("inf")
    for _ in range(6):
        begun = time.perf_counter()
        jax.block_until_ready(run.program.evaluate(state, "valid"))
        best = min(best, time.perf_counter() - begun)
    count = sum(len(run.source.split(seed)["valid"]) for _, seed, _ in run.runs)
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

    first = {k: np.asarray(v[:10]) for k, v in {**batch, **maps}.items()}
    return sample_figures.maps({"": first})


def _drawn(config, name, figure):
    from dljax.reporting import figures
    from dljax.reporting.templates import data_uri

    folder = pathlib.Path(config.run).expanduser().absolute() / "figures"
    return data_uri(figures.save(figure, folder, name))


if __name__ == "__main__":
    from dljax.cli import guarded

    sys.exit(guarded(lambda: main(sys.argv[1:])))
