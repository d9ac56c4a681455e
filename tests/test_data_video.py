"""Clips: positions, strides, labels, and splits without leakage."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import table as tiny
from image_files import frame_files
from user_errors import user_error

from dljax.config import RunConfig
from dljax.datasets.array_dataset import ArrayDataset
from dljax.models.mlp import mlp
from dljax.sources.loading import load_source
from dljax.sources.video import COMPASS, frame_stride, moving_digits
from dljax.tasks.classification import classification
from dljax.training import programs
from dljax.training.optimizers import adamw


@pytest.fixture(scope="module")
def digits(data_dir):
    return load_source(RunConfig(data_dir=data_dir))


def clips(source, rows):
    batch = jax.jit(source.gather)(jax.device_put(source.arrays), jnp.asarray(rows))
    return np.asarray(batch["image"]), np.asarray(batch["label"])


@pytest.mark.parametrize("options", [{}, {"size": 54, "frames": 12, "directions": 4}])
def test_a_digit_moves_in_its_direction_and_never_leaves(digits, options):
    source = moving_digits(digits, **options)
    size, frames = options.get("size", 32), options.get("frames", 16)
    rows = np.arange(0, 2 * 1797, 71)
    images, labels = clips(source, rows)
    assert images.shape == (len(rows), frames, size, size, 1)
    assert len(source.classes) == options.get("directions", 8)
    plain = digits.arrays["image"] / np.float32(16)
    speeds = set()
    for row, clip, label in zip(rows, images[..., 0], labels, strict=True):
        digit = plain[row % 1797, ..., 0]
        positions = [find_digit(frame, digit) for frame in clip]
        steps = {tuple(step) for step in np.diff(positions, axis=0)}
        (step,) = steps  # a straight line at one speed
        speed = max(map(abs, step))
        assert np.divide(step, speed).tolist() == list(COMPASS[source.classes[label]])
        speeds.add(speed)
    assert speeds == set(range(1, (size - 8) // (frames - 1) + 1))


def find_digit(frame, digit):
    """The position (top, left) of the digit in a frame that is empty elsewhere."""
    windows = np.lib.stride_tricks.sliding_window_view(frame, digit.shape)
    ((top, left),) = np.argwhere((windows == digit).all((2, 3)))
    rest = frame.copy()
    rest[top : top + 8, left : left + 8] = 0
    assert not rest.any()
    return top, left


def test_every_clip_has_its_reversal_with_the_opposite_label(digits):
    for directions in (2, 8):
        source = moving_digits(digits, directions=directions)
        rows = np.arange(1797)
        (ahead, way), (back, opposite) = clips(source, rows), clips(source, rows + 1797)
        np.testing.assert_array_equal(ahead, back[:, ::-1])
        steps = np.array([COMPASS[name] for name in source.classes])
        np.testing.assert_array_equal(steps[way], -steps[opposite])
        assert set(way) == set(range(directions))


def test_unordered_frames_give_at_most_half(digits):
    """The best accuracy from a clip's frames as a set, with all labels known."""
    source = moving_digits(digits)
    test = source.split(0)["test"]
    images, labels = clips(source, test)
    counts = {}
    for clip, label in zip(images, labels, strict=True):
        bag = tuple(sorted(frame.tobytes() for frame in clip))
        counts.setdefault(bag, np.zeros(8, int))[label] += 1
    right = sum(count.max() for count in counts.values())
    assert right == len(test) / 2


def test_digits_are_labels_too(digits):
    source = moving_digits(digits, label="digit")
    _, labels = clips(source, np.arange(2 * 1797))
    np.testing.assert_array_equal(labels, np.tile(digits.arrays["label"], 2))
    assert source.classes == digits.classes
    assert source.fingerprint != moving_digits(digits).fingerprint
    for mistake in ({"label": "speed"}, {"directions": 6}):
        with pytest.raises(KeyError):
            moving_digits(digits, **mistake)


def test_parts_share_no_image_and_clips_are_fixed(digits):
    source, again = moving_digits(digits), moving_digits(digits)
    assert source.fingerprint == again.fingerprint
    other = moving_digits(digits, seed=1)
    assert source.fingerprint != other.fingerprint
    rows = np.arange(3, 3594, 200)
    np.testing.assert_array_equal(clips(source, rows)[0], clips(again, rows)[0])
    assert (clips(source, rows)[0] != clips(other, rows)[0]).any()
    for seed in range(5):
        parts = source.split(seed)
        images = {name: set(rows % 1797) for name, rows in parts.items()}
        for name, base in digits.split(seed).items():
            assert images[name] == set(base)
            assert len(parts[name]) == 2 * len(base)


def test_clips_store_images_and_integers_only(digits):
    sizes = {k: v[0].nbytes for k, v in moving_digits(digits).arrays.items()}
    assert sum(sizes.values()) < 100
    assert sizes["image"] == 64


def test_small_frame_raises_user_error(digits):
    with user_error("frame-too-small", "--frame_size=22", "8x8", 23):
        moving_digits(digits, size=22)


def test_images_of_other_shapes_move_too():
    rng = np.random.default_rng(0)
    arrays = {
        "image": rng.random((12, 5, 9, 3)).astype(np.float32),
        "label": np.zeros(12, np.int32),
    }
    source = moving_digits(tiny(arrays), frames=3, size=11)
    images, _ = clips(source, np.arange(24))
    assert images.shape == (24, 3, 11, 11, 3)
    np.testing.assert_allclose(
        images.sum((2, 3)),
        np.tile(arrays["image"].sum((1, 2))[:, None], (2, 3, 1)),
        1e-5,
    )


@pytest.fixture(scope="module")
def frames():
    """Random frames, so that pixels identify time and position."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (300, 70, 135, 1), np.uint8)
    parts = {"train": np.arange(240), "test": np.arange(240, 300)}
    return ArrayDataset("video", "1", {"image": image}, parts, ())


@pytest.mark.parametrize("size", [64, 32, 16])
def test_clips_are_crops_of_the_frames_at_a_stride(frames, size):
    source = frame_stride(frames, size=size)
    assert source.classes == ("1", "2", "4", "8")
    pixels = frames.arrays["image"].astype(np.float64)[..., 0] / 255
    mean = 64 // size
    crops_by_sums = {}
    for x in (0, 64):
        tiles = pixels[:, :64, x : x + 64].reshape(300, size, mean, size, mean)
        for time, crop in enumerate(tiles.mean((2, 4))):
            crops_by_sums[integer_sums(crop, mean)] = (x, time, crop)
    borders = {"train": (0, 180), "valid": (180, 240), "test": (240, 300)}
    for part, (begin, end) in borders.items():
        rows = source.split(0)[part]
        images, labels = clips(source, rows[:: max(1, len(rows) // 60)])
        assert images.shape[1:] == (8, size, size, 1)
        for clip, label in zip(images[..., 0], labels, strict=True):
            sources = [crops_by_sums[integer_sums(frame, mean)] for frame in clip]
            positions, times, crops = zip(*sources, strict=True)
            np.testing.assert_allclose(clip, crops, rtol=1e-6)
            assert len(set(positions)) == 1
            assert set(np.diff(times)) == {(1, 2, 4, 8)[label]}
            assert begin <= times[0] < times[-1] < end


def integer_sums(crop, mean):
    """A hashable key of a crop: the integer sums of pixels behind its means."""
    return np.rint(crop * 255.0 * mean**2).astype(int).tobytes()


def test_stride_is_independent_of_position_and_time(frames):
    source = frame_stride(frames)
    for rows in source.split(0).values():
        begin, label = (source.arrays[name][rows] for name in ("begin", "label"))
        centres = [
            sorted(begin[label == k] + 7 * stride // 2)
            for k, stride in enumerate((1, 2, 4, 8))
        ]
        assert centres[0]
        assert all(other == centres[0] for other in centres)
    assert {k: len(v) for k, v in source.split(0).items()} == {
        "train": 2 * 4 * 124,
        "valid": 2 * 4 * 4,
        "test": 2 * 4 * 4,
    }
    assert source.split(7) is source.split(0)


def test_clips_of_another_size_are_other_data(frames):
    prints = {frame_stride(frames, size=size).fingerprint for size in (64, 32, 32)}
    assert len(prints) == 2
    for size in (48, 128):
        with user_error("frame-size-not-reachable", f"--resize={size}", "64x64", 32):
            frame_stride(frames, size=size)
    with user_error("frame-size-not-reachable", "--resize=64", "70x135"):
        frame_stride(frames, crop=128)


def test_a_resized_video_is_a_source(tmp_path):
    frame_files(tmp_path / "frames")
    config = RunConfig(
        dataset="colloid_video", manual_dir=str(tmp_path / "frames"), resize=32
    )
    source = load_source(config)
    images, labels = clips(source, source.split(0)["test"])
    assert images.shape == (32, 8, 32, 32, 1)
    assert np.bincount(labels).tolist() == [8, 8, 8, 8]


@pytest.mark.long
def test_a_net_trains_on_clips_and_without_their_order_is_at_chance(digits):
    """The mean over time is order-free; a flat net can see the order."""
    source = moving_digits(digits, directions=2)

    def averaged(arrays, rows):
        batch = source.gather(arrays, rows)
        return {**batch, "image": batch["image"].mean(1)}

    accuracy = {}
    for name, gather in {"flat": source.gather, "mean": averaged}.items():
        clips_or_means = source._replace(gather=gather)
        rows = jnp.zeros(1, jnp.int32)
        example = gather(jax.device_put(source.arrays), rows)["image"]
        task = classification(mlp((16,), 2), adamw(0.01), example=example)
        program = programs.make_program(
            task, clips_or_means, [0], strategy="map", batch_size=64
        )
        state = program.init()
        state, _ = program.train_steps(state, program.shuffle(state, 0), 0, 60)
        sums = program.evaluate(state, "test")["accuracy"]
        accuracy[name] = float(sums[0][0] / sums[1][0])
    assert accuracy["flat"] > 0.95
    assert accuracy["mean"] == pytest.approx(
        0.5, abs=0.02
    )  # up to rounding of the means
