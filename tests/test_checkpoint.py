"""Checkpoints: a damaged one is detected, named and skipped."""

import json
import pathlib
import shutil
import zipfile

import jax
import ml_dtypes
import numpy as np
import pytest
from user_errors import user_error

from dljax.errors import FAILED_RUNS
from dljax.trials import checkpoint

GOLDEN = pathlib.Path(__file__).parent / "golden"
FIXED = {"fixed": {"batch_size": 16, "dropout": 0.5}, "seeds": [0, 1]}


def tree(step):
    """Arrays of all kinds that a state may have, different at each step."""
    rng = np.random.default_rng(step)
    return {
        "params": {"kernel": rng.normal(size=(2, 10, 20)).astype(np.float32)},
        "half": rng.normal(size=(2, 3)).astype(ml_dtypes.bfloat16),
        "key": rng.integers(0, 2**32, (2, 2), dtype=np.uint32),
        "alive": np.array([True, False]),
        "empty": np.zeros((2, 0), np.float32),
        "step": np.array(step, np.int32),
    }


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)
    assert [x.dtype for x in jax.tree.leaves(a)] == [
        x.dtype for x in jax.tree.leaves(b)
    ]


def save(directory, *steps):
    saver = checkpoint.Saver(directory)
    for step in steps:
        saver.save(step, tree(step), {"fixed": FIXED})
    saver.wait()
    saver.close()


def restore(directory, like=None, fixed=FIXED, **options):
    """(restored checkpoint or None, logged lines)."""
    lines = []
    like = tree(0) if like is None else like
    restored = checkpoint.restore(
        directory, like, fixed=fixed, log=lines.append, **options
    )
    return restored, lines


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A trial's directory with checkpoints of steps 10 and 20."""
    directory = tmp_path_factory.mktemp("trial")
    save(directory / "checkpoints", 10, 20)
    return directory


@pytest.fixture
def trial(two, tmp_path):
    shutil.copytree(two, tmp_path / "trial")
    return tmp_path / "trial"


def test_what_is_saved_comes_back_bit_for_bit(two):
    restored, lines = restore(two / "checkpoints")
    assert (restored.step, lines) == (20, [])
    same(restored.tree, tree(20))


def test_the_newest_two_are_kept_and_nothing_else(tmp_path):
    save(tmp_path / "checkpoints", 1, 2, 3, 4)
    names = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert names == ["00000003", "00000004"]


def test_no_checkpoint_is_no_mistake(tmp_path):
    assert restore(tmp_path / "checkpoints") == (None, [])


def files(step):
    return [p.relative_to(step) for p in sorted(step.rglob("*")) if p.is_file()]


def flip(path):
    raw = bytearray(path.read_bytes())
    if raw:
        raw[len(raw) * 2 // 3] ^= 4
    path.write_bytes(raw)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE = {"flip": flip, "truncate": truncate, "delete": pathlib.Path.unlink}


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_damage_to_any_file_is_harmless_or_skipped(two, tmp_path, damage):
    skipped = 0
    for i, name in enumerate(files(two / "checkpoints/00000020")):
        trial = tmp_path / str(i)
        shutil.copytree(two, trial)
        DAMAGE[damage](trial / "checkpoints/00000020" / name)
        restored, lines = restore(trial / "checkpoints")
        same(restored.tree, tree(restored.step))
        if restored.step == 20:
            assert lines == []
        else:
            skipped += 1
            assert restored.step == 10
            assert len(lines) == 1
            assert str(trial / "checkpoints/00000020") in lines[0]
            assert str(trial / "damaged/00000020") in lines[0]
            assert (trial / "damaged/00000020").is_dir()
            assert checkpoint.steps(trial / "checkpoints") == [10]
    assert skipped >= 4  # at least the arrays, their index and the metadata


def test_any_flipped_bit_of_the_arrays_is_detected(two, tmp_path):
    step = two / "checkpoints/00000020"
    name = max(files(step), key=lambda n: (step / n).stat().st_size)
    size = (step / name).stat().st_size
    rng = np.random.default_rng(0)
    for i, position in enumerate(rng.integers(0, size, 20)):
        trial = tmp_path / str(i)
        shutil.copytree(two, trial)
        path = trial / "checkpoints/00000020" / name
        raw = bytearray(path.read_bytes())
        raw[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(raw)
        restored, lines = restore(trial / "checkpoints")
        same(restored.tree, tree(restored.step))
        assert (restored.step == 10) == bool(lines)


def test_a_step_damaged_twice_is_set_aside_twice(trial):
    for expected in ("00000020", "00000020-2"):
        truncate(trial / "checkpoints/00000020/metadata/metadata")
        restored, _ = restore(trial / "checkpoints")
        assert restored.step == 10
        assert (trial / "damaged" / expected).is_dir()
        save(trial / "checkpoints", 20)
        assert restore(trial / "checkpoints")[0].step == 20


def test_reading_moves_nothing(trial):
    truncate(trial / "checkpoints/00000020/metadata/metadata")
    restored, lines = restore(trial / "checkpoints", set_aside=False)
    assert restored.step == 10
    assert str(trial / "checkpoints/00000020") in lines[0]
    assert not (trial / "damaged").exists()
    assert checkpoint.steps(trial / "checkpoints") == [20, 10]


def test_when_none_is_left_the_directory_is_named_every_time(trial):
    for step in ("00000010", "00000020"):
        (trial / "checkpoints" / step / "metadata/metadata").write_text("{}")
    for _ in range(2):
        with user_error("no-usable-checkpoint", trial, code=FAILED_RUNS):
            restore(trial / "checkpoints")


def changed(name, value):
    like = tree(0)
    like[name] = value
    return like


@pytest.mark.parametrize(
    ("like", "fixed", "named"),
    [
        (
            changed("params", {"kernel": np.zeros((2, 10, 21), np.float32)}),
            FIXED,
            ["params.kernel", "float32 (2, 10, 20)", "float32 (2, 10, 21)"],
        ),
        (
            changed("half", np.zeros((2, 3), np.float32)),
            FIXED,
            ["half", "bfloat16 (2, 3)", "float32 (2, 3)"],
        ),
        (
            changed("more", np.zeros(3, np.int32)),
            FIXED,
            ["more", "int32 (3)"],
        ),
        (
            {k: v for k, v in tree(0).items() if k != "key"},
            FIXED,
            ["key", "uint32 (2, 2)"],
        ),
        (
            tree(0),
            {"fixed": {"batch_size": 32, "dropout": 0.1}, "seeds": [0, 1]},
            ["fixed.batch_size", "16", "32", "fixed.dropout", "0.5", "0.1"],
        ),
    ],
    ids=["shape", "dtype", "extra", "missing", "config"],
)
def test_a_mismatch_is_refused_by_name_and_is_no_damage(trial, like, fixed, named):
    with user_error("checkpoint-differs", trial / "checkpoints", *named, "--workdir"):
        restore(trial / "checkpoints", like, fixed)
    assert checkpoint.steps(trial / "checkpoints") == [20, 10]
    assert not (trial / "damaged").exists()


def test_a_half_written_or_half_removed_step_does_not_count(trial):
    checkpoints = trial / "checkpoints"
    shutil.copytree(
        checkpoints / "00000020", checkpoints / "00000030.orbax-checkpoint-tmp-1"
    )
    (checkpoints / checkpoint.TRASH).mkdir()
    shutil.copytree(
        checkpoints / "00000010", checkpoints / checkpoint.TRASH / "00000005"
    )
    assert restore(checkpoints)[0].step == 20
    save(checkpoints, 40)
    names = sorted(p.name for p in checkpoints.iterdir())
    assert names == ["00000020", "00000040"]


def test_a_saved_state_is_that_of_the_moment(tmp_path):
    # Buffers may be overwritten as soon as `save` returns.
    saver = checkpoint.Saver(tmp_path / "checkpoints")
    now = tree(5)
    saver.save(5, now, {"fixed": FIXED})
    now["params"]["kernel"][:] = np.nan
    saver.wait()
    saver.close()
    same(restore(tmp_path / "checkpoints")[0].tree, tree(5))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("checkpoint_*.zip")), ids=str)
def test_checkpoints_of_every_format_so_far_restore(path, tmp_path):
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    restored, lines = restore(tmp_path / "checkpoints")
    assert (restored.step, lines) == (7, [])
    same(restored.tree, tree(7))
    text = (tmp_path / "checkpoints/00000007/metadata/metadata").read_text()
    assert path.stem == f"checkpoint_{json.loads(text)['format']}"


def test_an_older_format_is_refused_in_one_line_and_is_no_damage(trial):
    for step in ("00000010", "00000020"):  # format 1 named its metadata "page"
        path = trial / "checkpoints" / step
        (path / "metadata").rename(path / "page")
    for set_aside in (False, True):
        with user_error("checkpoint-format", trial, "1", "--workdir"):
            restore(trial / "checkpoints", set_aside=set_aside)
    assert checkpoint.steps(trial / "checkpoints") == [20, 10]
    assert not (trial / "damaged").exists()


def test_there_is_a_golden_checkpoint_of_the_format():
    assert (GOLDEN / f"checkpoint_{checkpoint.FORMAT}.zip").is_file()
