"""Music: harmony statistics, chords as tokens, and MIDI and WAV files."""

import numpy as np
import pytest
from piano_rolls import random_rolls, write_mat
from user_errors import user_error

from dljax.config import RunConfig
from dljax.datasets.loading import load
from dljax.datasets.location import find
from dljax.datasets.piano_roll import KEYS, LOWEST
from dljax.metrics.harmony import LAGS, MarkovChain, distance, histograms
from dljax.reporting import audio_files
from dljax.sources import loading
from dljax.sources.piano_rolls import chords, next_frames


def roll(*steps):
    """uint8 (steps, 88): the keys that sound at each step."""
    keys_by_step = np.zeros((len(steps), KEYS), np.uint8)
    for row, keys in zip(keys_by_step, steps, strict=True):
        row[list(keys)] = 1
    return keys_by_step


def test_intervals_are_counted_at_once_and_over_time():
    now, later = histograms([roll([40, 44, 47], [41])])[:2]
    np.testing.assert_allclose(now[[3, 4, 7]], 1 / 3)  # a triad: 4, 3 and 7 semitones
    np.testing.assert_allclose(later[[1, 9, 6]], 1 / 3)  # to one key: 1, -3 and -6
    *_, voices = histograms([roll([40, 44, 47], [41])])
    assert voices[1] == voices[3] == 0.5


def test_distance_is_invariant_to_transposition():
    piece = random_rolls()["traindata"][2]
    piece[:, -5:] = 0
    higher = np.roll(piece, 5, axis=-1)
    assert distance([piece], [higher]) == pytest.approx(0)
    assert 0 < distance([piece], [piece[:, ::-1]]) < 1
    assert distance([roll([40])], [roll([40, 47])]) == pytest.approx((0.5 + 1) / 7)
    assert len(histograms([piece])) == len(LAGS) + 1


def test_markov_chain_uses_observed_transitions_only():
    rng = np.random.default_rng(0)
    training = [rng.random((30, KEYS)) < 0.02 for _ in range(3)]
    generated = MarkovChain(training).draw(training[0][0], 50, rng)
    changes = {
        (a.tobytes(), b.tobytes())
        for r in training
        for a, b in zip(r, r[1:], strict=False)
    }
    begins = {change[0] for change in changes}
    for a, b in zip(generated, generated[1:], strict=False):
        assert (a.tobytes(), b.tobytes()) in changes or a.tobytes() not in begins


def test_unseen_chords_map_to_the_nearest(tmp_path):
    write_mat(tmp_path, random_rolls())
    source = next_frames(load(find("piano_roll", manual_dir=str(tmp_path))))
    chord_source = chords(source)
    frames = chord_source.details.frames
    assert chords(source, max_len=4).arrays["chord"].shape[1] == 5
    for part in ("train", "test"):
        rows = source.split(0)[part]
        batch = chord_source.gather(chord_source.arrays, rows)
        real = source.gather(source.arrays, rows)
        mask = np.asarray(batch["y_mask"]) > 0
        mapped, true = frames[batch["y"]][mask], np.asarray(real["y"])[mask]
        if part == "train":
            np.testing.assert_array_equal(mapped, true)
        else:
            distances = np.abs(frames[None].astype(int) - true[:, None]).sum(-1)
            nearest = distances.min(1)
            np.testing.assert_array_equal(np.abs(mapped - true).sum(-1), nearest)
        np.testing.assert_array_equal(batch["x"], real["x"][:, 0])
        decoder_inputs, y = batch["decoder_inputs"], batch["y"]
        np.testing.assert_array_equal(decoder_inputs[:, 1:], y[:, :-1])
    renderings = chord_source.render({**batch, "prediction": decoder_inputs[:, :3]})
    pieces = {record.role: record.rolls for record in renderings}
    np.testing.assert_array_equal(
        pieces["real"][mask[:, :3]], real["y"][:, :3][mask[:, :3]]
    )
    assert pieces["generated"].shape == pieces["real"].shape == (len(rows), 3, KEYS)
    assert not pieces["generated"][~mask[:, :3]].any()


def test_data_set_without_music_is_refused(data_dir):
    images = loading.load_source(RunConfig(data_dir=data_dir))
    with user_error("dataset-wrong-kind", "--dataset=digits"):
        chords(images)


def test_midi_files_have_the_notes_and_wav_files_their_pitch(tmp_path):
    pretty_midi = pytest.importorskip("pretty_midi")
    import scipy.io.wavfile

    piece = roll([48], [48], [48, 52], [])  # A4 for three steps
    sounds = audio_files.write_piano_rolls({"real": piece, "a/b": piece}, tmp_path)
    assert [s["name"] for s in sounds] == ["real", "a/b"]
    assert all(s["data"].startswith("data:audio/wav;base64,") for s in sounds)
    (piano,) = pretty_midi.PrettyMIDI(str(tmp_path / "a_b.mid")).instruments
    notes = sorted((n.pitch - LOWEST, n.start, n.end) for n in piano.notes)
    assert notes == [(48, 0, 0.75), (52, 0.5, 0.75)]
    rate, wave = scipy.io.wavfile.read(tmp_path / "real.wav")
    power = np.abs(np.fft.rfft(wave[: rate // 2].astype(float)))
    loudest = np.fft.rfftfreq(rate // 2, 1 / rate)[power.argmax()]
    assert loudest == pytest.approx(440, abs=3)


def test_probabilities_are_not_rendered_as_sound(tmp_path):
    assert not audio_files.write_piano_rolls(
        {"real": roll([1]), "net": roll([1]) * 0.5}, tmp_path
    )


@pytest.mark.long
def test_chorales_come_with_music21(data_dir):
    pytest.importorskip("music21")
    dataset = load(find("chorales", data_dir=data_dir))
    assert 300 < len(dataset.arrays["roll"]) < 410
    assert {"train", "valid", "test"} == set(dataset.parts)
    voices = dataset.arrays["roll"].sum(-1)
    assert 3 < np.mean(voices[voices > 0]) <= 4.2
