"""Checkpoints: what is wrong with one is noticed, named and stepped over."""

import json
import pathlib
import shutil
import zipfile

import jax
import ml_dtypes
import numpy as np
import pytest

from dljax.errors import FAILED_RUNS, USAGE, UserError
from dljax.trials import checkpoint

GOLDEN = pathlib.Path(__file__).parent / "golden"
FIXED = {"fixed": {"batch_size": 16, "dropout": 0.5}, "seeds": [0, 1]}


def tree(step):
    """Arrays of every kind that a state may hold, different at every step."""
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
    said = []
    like = tree(0) if like is None else like
    found = checkpoint.restore(directory, like, fixed=fixed, log=said.append, **options)
    return found, said


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
    found, said = restore(two / "checkpoints")
    assert (found.step, said) == (20, [])
    same(found.tree, tree(20))


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


@pytest.mark.parametrize("how", list(DAMAGE))
def test_damage_to_any_file_is_harmless_or_stepped_over(two, tmp_path, how):
    stepped_over = 0
    for i, name in enumerate(files(two / "checkpoints/00000020")):
        trial = tmp_path / str(i)
        shutil.copytree(two, trial)
        DAMAGE[how](trial / "checkpoints/00000020" / name)
        found, said = restore(trial / "checkpoints")
        same(found.tree, tree(found.step))
        if found.step == 20:
            assert said == []
        else:
            stepped_over += 1
            assert found.step == 10
            assert len(said) == 1
            assert str(trial / "checkpoints/00000020") in said[0]
            assert "is damaged" in said[0]
            assert (trial / "damaged/00000020").is_dir()
            assert checkpoint.steps(trial / "checkpoints") == [10]
    assert stepped_over >= 4  # the arrays, their index and the metadata at the least


def test_any_flipped_bit_of_the_arrays_is_noticed(two, tmp_path):
    step = two / "checkpoints/00000020"
    name = max(files(step), key=lambda n: (step / n).stat().st_size)
    size = (step / name).stat().st_size
    rng = np.random.default_rng(0)
    for i, place in enumerate(rng.integers(0, size, 20)):
        trial = tmp_path / str(i)
        shutil.copytree(two, trial)
        path = trial / "checkpoints/00000020" / name
        raw = bytearray(path.read_bytes())
        raw[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(raw)
        found, said = restore(trial / "checkpoints")
        same(found.tree, tree(found.step))
        assert (found.step == 10) == bool(said)


def test_a_step_damaged_twice_is_set_aside_twice(trial):
    for expected in ("00000020", "00000020-2"):
        truncate(trial / "checkpoints/00000020/metadata/metadata")
        found, _ = restore(trial / "checkpoints")
        assert found.step == 10
        assert (trial / "damaged" / expected).is_dir()
        save(trial / "checkpoints", 20)
        assert restore(trial / "checkpoints")[0].step == 20


def test_only_looking_moves_nothing(trial):
    truncate(trial / "checkpoints/00000020/metadata/metadata")
    found, said = restore(trial / "checkpoints", set_aside=False)
    assert found.step == 10
    assert "passed over" in said[0]
    assert checkpoint.steps(trial / "checkpoints") == [20, 10]


def test_when_none_is_left_the_directory_is_named_every_time(trial):
    for step in ("00000010", "00000020"):
        (trial / "checkpoints" / step / "metadata/metadata").write_text("{}")
    for _ in range(2):
        with pytest.raises(UserError) as raised:
            restore(trial / "checkpoints")
        assert raised.value.code == FAILED_RUNS
        assert str(trial) in str(raised.value)
        assert "\n" not in str(raised.value)


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
            ["params.kernel: saved float32 (2, 10, 20), now float32 (2, 10, 21)"],
        ),
        (
            changed("half", np.zeros((2, 3), np.float32)),
            FIXED,
            ["half: saved bfloat16 (2, 3), now float32 (2, 3)"],
        ),
        (
            changed("more", np.zeros(3, np.int32)),
            FIXED,
            ["more: saved nothing, now int32 (3)"],
        ),
        (
            {k: v for k, v in tree(0).items() if k != "key"},
            FIXED,
            ["key: saved uint32 (2, 2), now nothing"],
        ),
        (
            tree(0),
            {"fixed": {"batch_size": 32, "dropout": 0.1}, "seeds": [0, 1]},
            ["fixed.batch_size: saved 16, now 32", "fixed.dropout: saved 0.5, now 0.1"],
        ),
    ],
    ids=["shape", "dtype", "extra", "missing", "config"],
)
def test_a_mismatch_is_refused_by_name_and_is_no_damage(trial, like, fixed, named):
    with pytest.raises(UserError) as raised:
        restore(trial / "checkpoints", like, fixed)
    assert raised.value.code == USAGE
    for text in named:
        assert text in str(raised.value)
    assert "\n" not in str(raised.value)
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
    found, said = restore(tmp_path / "checkpoints")
    assert (found.step, said) == (7, [])
    same(found.tree, tree(7))
    text = (tmp_path / "checkpoints/00000007/metadata/metadata").read_text()
    assert path.stem == f"checkpoint_{json.loads(text)['format']}"


def test_an_older_format_is_refused_in_one_line_and_is_no_damage(trial):
    for step in ("00000010", "00000020"):  # format 1 named its metadata "page"
        path = trial / "checkpoints" / step
        (path / "metadata").rename(path / "page")
    for set_aside in (False, True):
        with pytest.raises(UserError) as raised:
            restore(trial / "checkpoints", set_aside=set_aside)
        assert raised.value.code == USAGE
        assert "format 1" in str(raised.value)
        assert "--workdir" in str(raised.value)
        assert "\n" not in str(raised.value)
    assert checkpoint.steps(trial / "checkpoints") == [20, 10]
    assert not (trial / "damaged").exists()


def test_there_is_a_golden_checkpoint_of_the_format():
    assert (GOLDEN / f"checkpoint_{checkpoint.FORMAT}.zip").is_file()
