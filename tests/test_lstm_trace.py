"""lstm_trace: the gates of a trained LSTM."""

import numpy as np
import pytest
from piano_rolls import random_rolls, write_mat
from user_errors import user_error

import dljax
from dljax import cli
from dljax.reporting.gate_figures import STEPS
from experiments import lstm_trace, music, sentiment


@pytest.fixture(scope="module")
def trial(tmp_path_factory, data_dir):
    work = tmp_path_factory.mktemp("sentiment")
    flags = ("--smoke", "--model=lstm", f"--workdir={work}", f"--data_dir={data_dir}")
    flags += ("--learning_rate=0.001", "--dropout=0.3")  # not tuned
    assert cli.run(sentiment, flags) == 0
    return next(p for p in work.glob("lstm*") if (p / "samples.npz").is_file())


@pytest.mark.long
@pytest.mark.drawn
def test_trace_has_every_gate_of_every_character(trial):
    config = lstm_trace.Config(run=str(trial), example=5)
    parts, labels = lstm_trace.trace(config)
    assert {name for _, name in STEPS} - parts.keys() == {"previous_cell"}
    run = dljax.load(trial)
    (row,) = run.source.split(run.runs[0].seed)[run.split][5:6]
    batch = run.source.gather(run.source.arrays, np.array([row]))
    sentence, *_ = run.source.render({**batch, "prediction": batch["label"]})
    assert "".join(labels).strip() in sentence.texts[0]
    for part in parts.values():
        assert len(part) == len(labels)
    previous = np.concatenate([np.zeros((1, 4)), parts["cell"][:-1]])
    written = parts["input_gate"] * parts["candidate"]
    expected = parts["forget_gate"] * previous + written
    np.testing.assert_allclose(parts["cell"], expected, atol=1e-6)
    shown = parts["output_gate"] * np.tanh(parts["cell"])
    np.testing.assert_allclose(parts["output"], shown, atol=1e-6)
    assert lstm_trace.main([f"--run={trial}"]) == 0
    assert (trial / "trace.svg").read_text().count("<image") == len(STEPS)


@pytest.fixture(scope="module")
def piece(tmp_path_factory):
    work = tmp_path_factory.mktemp("music")
    write_mat(
        work,
        random_rolls({"traindata": [25] * 16, "validdata": [24], "testdata": [26]}),
    )
    flags = ("--smoke", "--cell=lstm", "--dataset=piano_roll", f"--manual_dir={work}")
    assert cli.run(music, [*flags, f"--workdir={work}/run"]) == 0
    return next(p for p in (work / "run").glob("lstm*"))


@pytest.mark.long
def test_trace_of_one_to_many_net_follows_the_real_piece(piece):
    parts, labels = lstm_trace.trace(lstm_trace.Config(run=str(piece)))
    assert {name for _, name in STEPS} - parts.keys() == {"previous_cell"}
    assert len(labels) == len(parts["output"]) == 20  # all steps but the first


@pytest.mark.parametrize(
    ("flag", "error_id"),
    [
        ("--example=99999", "unknown-example"),
        ("--seed=7", "unknown-seed"),
        ("--run=", "usage"),
        ("--run=/nowhere", "no-such-directory"),
    ],
)
def test_bad_flags_raise_user_error(trial, flag, error_id):
    with user_error(error_id, flag.removesuffix("=")):
        lstm_trace.main([f"--run={trial}", flag])
