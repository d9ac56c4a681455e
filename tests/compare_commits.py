"""Whether two commits compute the same numbers: `make golden AGAINST=COMMIT`.

Every experiment of a family is trained for a few updates (`--smoke --steps=6`) by the
code of each commit on this machine. The rows of metrics.jsonl and the arrays of the
last checkpoint are compared bit for bit. Names that a later commit changed are mapped
by the tables below, old to new.

Where a module was renamed, the new commit begins from the old initial weights: its keys
fold in the old names. Renamed arrays have another order in the tree, so that a sum over
the tree, the gradient's norm, is rounded differently: the experiments in `REORDERED`
are compared within `RTOL`.
"""

import argparse
import json
import os
import pathlib
import re
import runpy
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
STEPS = 6
# Published tasks that need files, and cards that need a trained run, are left out.
EXPERIMENTS = (
    "activations",
    "audio_classification",
    "audio_generation",
    "audio_transformer",
    "autoencoder",
    "backpropagation",
    "bias",
    "char_lm",
    "cnn_interpretability",
    "cnn_overfitting",
    "cnn_sensitivity",
    "cnn_vs_mlp",
    "context_length",
    "denoising",
    "depth",
    "diffusion",
    "gan",
    "generators_compared",
    "input_shape",
    "kernels",
    "layer_probes",
    "learned_features",
    "lstm_gates",
    "lstm_memory",
    "music",
    "pixel_transformer",
    "pooling",
    "recurrence",
    "rnn_one_to_one",
    "row_mnist",
    "sentiment",
    "text_generation",
    "threshold_neuron",
    "transformer_parts",
    "translation",
    "vae",
    "vanishing_gradient",
    "vit_vs_cnn",
    "weights",
    "reference.adding",
    "reference.copy_memory",
    "reference.gaussian_diffusion",
    "reference.linear_vae",
    "reference.resnet_cifar10",
)
# Another data set where an experiment's own has to be downloaded.
FLAGS = {
    "char_lm": ["--dataset=python_reference"],
    "context_length": ["--dataset=python_reference"],
    "music": ["--dataset=chorales"],
    "text_generation": ["--dataset=python_reference"],
    "reference.resnet_cifar10": ["--dataset=digits"],
}
# (pattern, replacement) of metrics, of arrays and of variants.
METRICS: tuple[tuple[str, str], ...] = (
    (r"^as_asked", "class_accuracy"),
    (r"^least_class", "min_class_share"),
    (r"^most_class", "max_class_share"),
    (r"^recognised$", "evaluator_accuracy"),
    (r"^missed", "reconstruction_nll"),
    (r"_off$", "_error"),  # of gaussian_diffusion
)
ARRAYS = (
    (r"(^|\.)stats\.", r"\1model_state."),
    (r"(\bopt\..*)\.updates$", r"\1.count"),
    (r"(\bopt\.\w+)\.steps$", r"\1.mini_step"),
    (r"(\bopt\.\w+)\.total\b", r"\1.acc_grads"),
    (r"(\bopt\.\w+)\.inner\b", r"\1.inner_opt_state"),
    (r"(ttention(_\d+)?|\bacross)\.join\.", r"\1.out."),
    (r"\.join\.", ".attention_out."),
    (r"\.ask\.", ".attention_query."),
    (r"\.across(_norm)?\.", r".cross_attention\1."),
    (r"\.each_norm\.", ".mlp_norm."),
    (r"\.widen\.", ".mlp_up."),
    (r"\.narrow\.", ".mlp_down."),
    (r"\.place(\.|$)", r".position_embedding\1"),
    (r"\.begins_", ".initial_carry_"),
    (r"\.inputs$", ".input_kernel"),
    (r"\.memory$", ".recurrent_kernel"),
    (r"\.memory_bias$", ".recurrent_bias"),
)
# Of Linen modules, new to old: their names are folded into the keys of initial weights.
MODULES: tuple[tuple[str, str], ...] = (
    (r"^(attention_)?out$", "join"),
    (r"^attention_query$", "ask"),
    (r"^cross_attention(_norm)?$", r"across\1"),
    (r"^mlp_norm$", "each_norm"),
    (r"^mlp_up$", "widen"),
    (r"^mlp_down$", "narrow"),
    (r"^position_embedding$", "place"),
    (r"^initial_carry_", "begins_"),
)
VARIANTS: tuple[tuple[str, str], ...] = (
    (r"^image$", "sample"),  # of diffusion
    (r"^noise$", "epsilon"),
    (r"^(all|nothing)(?= |$)", "none"),  # what is ablated
    (r"^place(?= |$)", "attention"),
    (r"^pixels$", "positions"),
    (r"^taught(?= |$)", "denoising"),
)

# Moved parameter paths sum the norm of the gradient in another order: compared by RTOL.
REORDERED = frozenset(
    ["char_lm", "diffusion", "generators_compared", "music", "pixel_transformer"]
    + ["text_generation", "translation", "vit_vs_cnn"]
)
RTOL = 1e-5

# The gradient of these is 0 but rounding, which Adam enlarges: not compared by `rtol`.
ROUNDING = r"ttention\.key\.bias$"


def main() -> int:
    """Exit code 0 if both commits compute the same, 1 if not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("against", help="the commit to compare with")
    parser.add_argument("--only", default="", help="experiments, separated by commas")
    parser.add_argument("--keep", default="", help="keep and reuse the old runs here")
    parser.add_argument("--train", default="", help=argparse.SUPPRESS)
    parser.add_argument("--renamed", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else EXPERIMENTS
    if arguments.renamed:
        fold_old_module_names()
    if arguments.train:  # in the tree of one commit
        return train(pathlib.Path(arguments.train), names)
    with tempfile.TemporaryDirectory(prefix="dljax-golden-") as scratch:
        kept = pathlib.Path(arguments.keep or scratch).absolute()
        commit = git("rev-parse", arguments.against).strip()
        tree, old = kept / commit[:12] / "tree", kept / commit[:12] / "runs"
        if not tree.is_dir():
            tree.mkdir(parents=True)
            archive = subprocess.run(
                ["git", "-C", str(ROOT), "archive", commit],
                check=True,
                capture_output=True,
            )
            subprocess.run(["tar", "x", "-C", tree], input=archive.stdout, check=True)
        new = pathlib.Path(scratch, "new")
        left = [name for name in names if not (old / name / "done").is_file()]
        jobs = [start(ROOT, new, names, "--renamed"), start(tree, old, left)]
        for job, runs in zip(jobs, (new, old), strict=True):
            if job.wait():
                print((runs / "log.txt").read_text())
                return 1
        different = [
            name
            for name in names
            if not compare(
                old / name, new / name, rtol=RTOL if name in REORDERED else 0.0
            )
        ]
    print(f"{len(names) - len(different)} of {len(names)} experiments are equal")
    return 1 if different else 0


def git(*arguments: str) -> str:
    """The output of a git command."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def start(tree: pathlib.Path, runs: pathlib.Path, names, *flags) -> subprocess.Popen:
    """Trains the experiments `names` with the code in `tree`, into `runs`."""
    runs.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, __file__, "HEAD", f"--train={runs}", *flags]
    words = (
        [*words, f"--only={','.join(names)}"] if names else [sys.executable, "-c", ""]
    )
    with open(runs / "log.txt", "w", encoding="utf-8") as log:
        return subprocess.Popen(
            words,
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdout=log,
            stderr=log,
        )


def fold_old_module_names() -> None:
    """From now on a module's keys are those of its name in the old commit."""
    from flax.core.scope import LazyRng

    create = LazyRng.create

    def create_with_old_names(rng, *suffix):
        old = (renamed(s, MODULES) if isinstance(s, str) else s for s in suffix)
        return create(rng, *old)

    LazyRng.create = staticmethod(create_with_old_names)


def train(runs: pathlib.Path, names) -> int:
    """Runs each experiment's command in this process; 1 if one did not end well."""
    sys.path[0] = os.getcwd()
    failed = 0
    for name in names:
        place = runs / name
        sys.argv = [name, "--smoke", f"--steps={STEPS}", f"--workdir={place}"]
        sys.argv += FLAGS.get(name, [])
        try:
            runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            if ended.code not in (0, None):
                print(f"{name}: exit code {ended.code}", file=sys.stderr)
                failed = 1
                continue
        (place / "done").write_text("")
    return failed


def compare(old: pathlib.Path, new: pathlib.Path, *, rtol: float = 0.0) -> bool:
    """Whether two studies have the same rows and arrays; prints what differs."""
    before, after = rows(old, METRICS, VARIANTS), rows(new, (), ())
    ours, theirs = arrays(new, (), ()), arrays(old, ARRAYS, VARIANTS)
    wrong = differences(before, after, "row", rtol=rtol)
    wrong += differences(theirs, ours, "array", rtol=rtol)
    count = f"{len(after)} rows and {len(ours)} arrays"
    equal = f"equal within {rtol:g}, {count}" if rtol else f"identical, {count}"
    print(f"{new.name}: {'' if wrong else equal}")
    for line in wrong[:10]:
        print(f"  {line}")
    return not wrong and bool(after) and bool(ours)


def differences(old, new, what: str, *, rtol: float = 0.0) -> list[str]:
    """A line for each key that only one has, or of another value.

    With `rtol` floats may differ by that share of the largest value of their array.
    """
    lines = [f"{what} {key}: only before" for key in old.keys() - new.keys()]
    lines += [f"{what} {key}: only now" for key in new.keys() - old.keys()]
    for key in old.keys() & new.keys():
        a, b = old[key], new[key]
        if isinstance(a, np.ndarray):
            same = a.dtype == b.dtype and a.shape == b.shape
            rounding = bool(rtol and re.search(ROUNDING, str(key[-1])))
            same = same and (
                a.tobytes() == b.tobytes() or rounding or is_close(a, b, rtol)
            )
            far = ""
            if not same and a.shape == b.shape and a.dtype.kind == "f":
                far = f", by {np.abs(a - b).max():.3g} at most"
        else:
            same = a == b or is_close(a, b, rtol)
            far = f": {a} before, {b} now"
        if not same:
            lines.append(f"{what} {key} differs{far}")
    return sorted(lines)


def is_close(a, b, rtol: float) -> bool:
    """Whether two floats, or arrays of floats, differ by at most `rtol` of the largest
    value.
    """
    if not rtol or not all(np.asarray(x).dtype.kind == "f" for x in (a, b)):
        return False
    return bool(np.abs(a - b).max() <= rtol * np.abs(b).max())


def renamed(name: str, table) -> str:
    """The name with each pattern of a table replaced."""
    for pattern, replacement in table:
        name = re.sub(pattern, replacement, name)
    return name


def trials(study: pathlib.Path, variants):
    """(label, directory) of the trials of a study; a label has no hash of the
    config.
    """
    for path in sorted(study.glob("*/config.json")):
        page = json.loads(path.read_text())
        label = renamed(page["variant"], variants)
        run = page["runs"][0]
        seed = run["seed"] if isinstance(run, dict) else run[1]  # a list in old runs
        yield f"{label} {seed}", path.parent


def rows(study: pathlib.Path, metrics, variants) -> dict:
    """{(trial, variant, seed, split, step, metric): value} of all metrics.jsonl."""
    found = {}
    for trial, directory in trials(study, variants):
        for line in (directory / "metrics.jsonl").read_text().splitlines():
            row = json.loads(line)
            where = renamed(row.pop("variant"), variants), row.pop("seed")
            place = (trial, *where, row.pop("split"), row.pop("step"))
            found |= {(*place, renamed(k, metrics)): v for k, v in row.items()}
    return found


def arrays(study: pathlib.Path, table, variants) -> dict:
    """{(trial, array): value} of the newest checkpoint of every trial."""
    import orbax.checkpoint as ocp

    found = {}
    for trial, directory in trials(study, variants):
        newest = sorted((directory / "checkpoints").glob("[0-9]*"))[-1]
        reader = ocp.Checkpointer(ocp.StandardCheckpointHandler())
        for name, value in reader.restore((newest / "state").absolute()).items():
            found[trial, renamed(name, table)] = np.asarray(value)
    return found


if __name__ == "__main__":
    sys.exit(main())
