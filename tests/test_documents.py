"""Every experiment runs and has its help; the architecture names what exists."""

import dataclasses
import importlib
import json
import pathlib
import re

import numpy as np
import pytest
import scipy.io.wavfile
from conftest import others_long
from piano_rolls import random_rolls, write_mat
from user_errors import user_error

from dljax.config import COMMON_FIELDS, HELP_WIDTH, parse
from dljax.datasets.registry import REGISTRY
from dljax.studies import verdict

ROOT = pathlib.Path(__file__).parents[1]
EXPERIMENTS = sorted(
    path.stem
    for path in (ROOT / "experiments").glob("*.py")
    if "\nSTUDY = Study(" in path.read_text()
)
REFERENCE = sorted(
    f"reference.{p.stem}" for p in (ROOT / "experiments/reference").glob("[a-z]*.py")
)
EXPERIMENTS += REFERENCE
# The short suite runs one experiment of each family: these, cnn_vs_mlp (test_study.py),
# sentiment (test_lstm_trace.py), reference.tiny_shakespeare and vae (test_sample.py).
SHORTLY = ("threshold_neuron", "reference.wgan_critic")
RUN = others_long(EXPERIMENTS, SHORTLY)


def dataset_flags(module, folder):
    """Flags of a data set for an experiment; writes its files where needed."""
    default = module.Config().dataset
    if default in ("piano_roll", "chorales"):  # to prepare chorales takes a minute
        lengths = {"traindata": [25] * 16, "validdata": [24], "testdata": [26]}
        write_mat(folder, random_rolls(lengths))
        return ["--dataset=piano_roll", f"--manual_dir={folder}"]
    own = folder / "own"
    own.mkdir()
    if default == "names":  # one's own sentences
        for name in ("text.de", "text.en"):
            lines = [f"{name[-2:]} {i} is {i * 37 % 101}" for i in range(300)]
            (own / name).write_text("\n".join(lines))
        return ["--dataset=parallel_text", f"--manual_dir={own}"]
    if module.__name__ == "experiments.char_lm":  # one's own text
        (own / "own.txt").write_text("The quick brown fox, again. " * 300)
        return ["--dataset=text_file", f"--manual_dir={own / 'own.txt'}"]
    if default == "multi30k":
        pytest.importorskip("spacy", reason="spaCy is in the extra `spacy`")
    there = not (REGISTRY[default].files or REGISTRY[default].manual_contents)
    others = {"multi30k": "names", "rt_polarity": "lexicon"}
    other = (others | {"tiny_shakespeare": "python_reference"}).get(default, "digits")
    return [] if there else [f"--dataset={other}"]


# What dljax sample is asked for of a run, and what it then writes; else it
# prints.
SAMPLES = {
    "audio_transformer": (["--prompt=organ"], {"0.png", "1.png", "0.wav", "1.wav"}),
    "char_lm": (["--prompt=The", "--length=5"], set()),
    "music": ([], {"0.mid", "1.mid", "0.wav", "1.wav"}),
    "pixel_transformer": ([], {"0.png", "1.png"}),
    "text_generation": ([], set()),
    "translation": (["--prompt=Berlin"], set()),
}


def check_samples(name, folder, capsys):
    """Checks what `dljax sample` writes or prints of a finished run."""
    from dljax.commands import sample

    flags, files = SAMPLES[name]
    trial = next(path.parent for path in folder.glob("*/DONE"))
    capsys.readouterr()
    out = folder / "out"
    assert sample.main([str(trial), "--n=2", f"--out={out}", *flags]) == 0
    output = capsys.readouterr().out
    if files:
        assert {path.name for path in out.iterdir()} == files
        assert set(output.split()) == {str(path) for path in out.iterdir()}
    else:
        assert output.count("\n\n") == 2
    for path in out.glob("*.wav"):
        rate, wave = scipy.io.wavfile.read(path)
        assert (rate, wave.dtype, wave.ndim) == (8000, np.int16, 1)


@pytest.mark.parametrize("name", RUN)
def test_every_experiment_runs_with_smoke(name, tmp_path, data_dir, capsys):
    from dljax import cli

    module = importlib.import_module(f"experiments.{name}")
    code = cli.run(
        module,
        [
            "--smoke",
            *dataset_flags(module, tmp_path),
            f"--workdir={tmp_path}",
            f"--data_dir={data_dir}",
        ],
    )
    assert code == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verdict"] == "undecided"
    assert "UNDECIDED" in capsys.readouterr().out
    if name in SAMPLES:
        check_samples(name, tmp_path, capsys)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_help_begins_with_the_docstring_and_own_flags(name, capsys):
    from dljax import cli

    module = importlib.import_module(f"experiments.{name}")
    assert cli.run(module, ["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == module.__doc__.splitlines()[0]
    assert all(len(line) <= HELP_WIDTH for line in lines)
    assert len(lines) <= 90  # two screens
    flags = re.findall(r"^  --(\w+)", "\n".join(lines), re.M)
    own = {f.name for f in dataclasses.fields(module.Config)} - COMMON_FIELDS.keys()
    assert set(flags[: len(own)]) == own
    assert set(flags[len(own) :]) == set(COMMON_FIELDS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_former_flags_name_the_new_ones(name):
    config = importlib.import_module(f"experiments.{name}").Config
    fields = {field.name: field for field in dataclasses.fields(config)}
    for field in fields.values():
        if former := field.metadata["formerly"]:
            assert former not in fields
            with user_error("renamed-flag", f"--{former}", f"--{field.name}"):
                parse(config, [f"--{former}=1"], factors={})


# Their numbers are beside those of another data set, on which the verdict rests; or of
# one run.
DESCRIPTIVE = [
    *((name, "mnist") for name in ("diffusion", "gan", "generators_compared")),
    ("generators_compared", "fashion_mnist"),
    ("pixel_transformer", "mnist"),
    ("reference.multi30k_transformer", "multi30k"),
]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_full_sizes_have_enough_seeds_for_a_verdict(name):
    module = importlib.import_module(f"experiments.{name}")
    study, usual = module.STUDY, module.Config()
    for dataset in {usual.dataset, *study.sizes, *study.full}:
        sizes = study.defaults({"dataset": dataset, "full": True}, "")
        seeds = sizes.get("seeds", usual.seeds)
        few = verdict.too_few_seeds(study, seeds)
        assert bool(few) == ((name, dataset) in DESCRIPTIVE), (dataset, few)


ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()


def test_the_files_that_the_architecture_names_exist():
    paths = re.findall(r"`((?:dljax|experiments|tests)/[\w./]*)`", ARCHITECTURE)
    assert len(paths) > 30
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize(
    "title", ["From the command line to the optimizer", "From a metric to the report"]
)
def test_the_longest_ways_have_twelve_files_at_most(title):
    section = ARCHITECTURE.split(f"## {title}\n")[1].split("\n## ")[0]
    steps = re.findall(r"^\d+\. `([\w/.]+)`", section, re.M)
    assert 5 < len(steps) <= 12
    assert len(set(steps)) == len(steps)
