"""Piano rolls from MATLAB files, and the prediction of the next frame."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
from piano_rolls import random_rolls, write_mat
from user_errors import user_error

from dljax.config import RunConfig
from dljax.datasets.loading import load
from dljax.datasets.location import find
from dljax.errors import DAMAGED_DATA
from dljax.models.recurrent import recurrent
from dljax.sources import examples, loading
from dljax.tasks.next_frame import next_frame
from dljax.training.optimizers import adamw


@pytest.fixture
def folder(tmp_path):
    write_mat(tmp_path, random_rolls())
    return tmp_path


def music(folder):
    return loading.load_source(RunConfig(dataset="piano_roll", manual_dir=str(folder)))


def test_a_file_has_its_pieces_in_its_own_parts(folder):
    dataset = load(find("piano_roll", manual_dir=str(folder)))
    assert dataset.arrays["roll"].shape == (6, 7, 88)
    np.testing.assert_array_equal(dataset.arrays["length"], [5, 3, 7, 4, 2, 6])
    assert {k: list(v) for k, v in music(folder).split(3).items()} == {
        "train": [0, 1, 2],
        "valid": [3],
        "test": [4, 5],
    }
    for row, piece in zip((0, 1, 2), random_rolls()["traindata"], strict=True):
        np.testing.assert_array_equal(dataset.arrays["roll"][row, : len(piece)], piece)
        assert not dataset.arrays["roll"][row, len(piece) :].any()


def test_a_column_of_pieces_is_read_as_a_row_is(folder, tmp_path):
    cells = scipy.io.loadmat(folder / "music.mat")
    scipy.io.savemat(
        folder / "music.mat", {name: cells[name].T for name in random_rolls()}
    )
    dataset = load(find("piano_roll", manual_dir=str(folder)))
    np.testing.assert_array_equal(dataset.arrays["length"], [5, 3, 7, 4, 2, 6])


def test_image_experiment_refuses_music(folder):
    with user_error("dataset-wrong-kind", "--dataset=piano_roll"):
        examples.image_example(music(folder))


def test_next_frame_is_predicted_from_earlier_frames(folder):
    source = music(folder)
    batch = source.gather(source.arrays, np.array([2, 4]))
    piece, short = random_rolls()["traindata"][2], random_rolls()["testdata"][0]
    np.testing.assert_array_equal(batch["x"][0], piece[:-1])
    np.testing.assert_array_equal(batch["y"][0], piece[1:])
    np.testing.assert_array_equal(batch["mask"], [[1] * 6, [1] + [0] * 5])
    np.testing.assert_array_equal(batch["y"][1, 0], short[1])


def test_nats_are_pooled_over_the_frames_of_all_pieces(folder):
    source = music(folder)
    net = recurrent("many_to_many", "rnn", 5, 88)
    task = next_frame(net, adamw(0.01), example=jnp.zeros((1, 6, 88)))
    params, model_state = task.init(jax.random.key(0))
    batch = source.gather(source.arrays, np.array([1, 5, 0]))
    weight = jnp.array([1.0, 1.0, 0.0])
    metrics = task.metrics(params, model_state, {**batch, "weight": weight}, None)
    total, frames, both, either = 0.0, 0, 0, 0
    for piece in (random_rolls()["traindata"][1], random_rolls()["testdata"][1]):
        alone = {"x": piece[None, :-1].astype(np.float32)}
        logits, _ = net.apply(params["net"], model_state, alone, key=None, train=False)
        p, y = 1 / (1 + np.exp(-np.asarray(logits[0], np.float64))), piece[1:]
        total -= np.log(np.where(y, p, 1 - p)).sum()
        frames += len(y)
        both += ((p > 0.5) & (y > 0)).sum()
        either += ((p > 0.5) | (y > 0)).sum()
    np.testing.assert_allclose(metrics["nll"][0], total, rtol=1e-5)
    assert metrics["nll"][1] == frames
    np.testing.assert_array_equal(metrics["accuracy"], (both, either))
    loss, _ = task.turns[0].loss(params, model_state, batch, jax.random.key(1), 0)
    assert np.isfinite(loss)


@pytest.mark.parametrize(
    ("change", "error_id", "names"),
    [
        (
            lambda f: (f / "music.mat").unlink(),
            "manual-dir-incomplete",
            ("--manual_dir=", ".mat"),
        ),
        (
            lambda f: write_mat(f, random_rolls(), "b.mat"),
            "manual-dir-incomplete",
            ("--manual_dir=", "b.mat", "music.mat"),
        ),
        (
            lambda f: write_mat(f, {"traindata": [np.zeros((3, 88))]}),
            "unsupported-mat-file",
            ("music.mat", "validdata"),
        ),
        (
            lambda f: write_mat(f, random_rolls() | {"testdata": [np.zeros((3, 12))]}),
            "unsupported-mat-file",
            ("music.mat", "testdata", 88),
        ),
    ],
)
def test_wrong_folder_raises_user_error(folder, change, error_id, names):
    change(folder)
    with user_error(error_id, folder, *names):
        load(find("piano_roll", manual_dir=str(folder)))


def test_damaged_file_raises_user_error(folder):
    path = folder / "music.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with user_error("damaged-mat-file", path, code=DAMAGED_DATA):
        load(find("piano_roll", manual_dir=str(folder)))


def test_resize_without_images_raises_user_error(folder):
    with user_error("resize-without-images", "--resize=8", "piano_roll"):
        load(find("piano_roll", manual_dir=str(folder), resize=8))
