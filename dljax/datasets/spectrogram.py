"""Sounds as mel spectrograms, and mel spectrograms as sounds.

A spectrogram is uint8 (frames, bands, 1): the loudness of each band, in decibels from
the quietest that counts (0) to the loudest that there is (255), in 32 frames of a
second and 32 bands that are spaced as we hear, on the mel scale (Stevens et al. 1937).
"""

import functools
from collections.abc import Sequence

import numpy as np

RATE = 8000  # samples a second
FRAMES, BANDS = 32, 32
HOP, WINDOW = 256, 512  # samples
LOUDEST, RANGE = 36.0, 80.0  # decibels: of 255, and from 0 to 255
ROUNDS = 60  # of Griffin and Lim


def mel_spectrograms(sounds: Sequence[np.ndarray]) -> np.ndarray:
    """Sounds int16 (samples,), each about a second or less -> uint8 (n, frames, bands,
    1). What is longer is cut off, what is shorter is followed by silence.
    """
    length = FRAMES * HOP
    images = []
    for sound in sounds:
        wave = np.zeros(length, np.float32)
        wave[: min(len(sound), length)] = sound[:length] / np.float32(2**15)
        power = np.abs(_frames(wave)) ** 2 @ _bands().T
        decibels = 10 * np.log10(np.maximum(power, 1e-10))
        images.append(np.clip((decibels - LOUDEST) / RANGE + 1, 0, 1))
    return np.round(255 * np.stack(images)).astype(np.uint8)[..., None]


def griffin_lim(images: np.ndarray) -> np.ndarray:
    """Sounds int16 (n, samples) of mel spectrograms (n, frames, bands, 1) in [0, 1].

    The power of each frequency is that of its bands; phases are estimated by going back
    and forth between sound and spectrogram (Griffin and Lim 1984).
    """
    decibels = (np.asarray(images, np.float64)[..., 0] - 1) * RANGE + LOUDEST
    power = np.where(images[..., 0] > 0, 10 ** (decibels / 10), 0)
    share = _bands() / np.maximum(_bands().sum(0), 1e-9)
    loud = np.sqrt(power @ (share / np.maximum(_bands().sum(1), 1e-9)[:, None]))
    phase = np.exp(2j * np.pi * np.random.default_rng(0).random(loud.shape[1:]))
    for _ in range(ROUNDS):
        spectrum = _frames(_wave(loud * phase))
        phase = spectrum / np.maximum(np.abs(spectrum), 1e-9)
    wave = _wave(loud * phase)
    return np.round(2**15 * np.clip(wave, -0.99, 0.99)).astype(np.int16)


@functools.cache
def _transform():
    from scipy.signal import ShortTimeFFT, get_window

    return ShortTimeFFT(get_window("hann", WINDOW), HOP, RATE, mfft=WINDOW)


def _frames(wave: np.ndarray) -> np.ndarray:
    """The spectrum of each frame, complex (..., frames, frequencies)."""
    return _transform().stft(wave, p0=0, p1=FRAMES).swapaxes(-1, -2)


def _wave(spectrum: np.ndarray) -> np.ndarray:
    silent = np.zeros_like(spectrum[..., :1, :])
    full = np.concatenate([spectrum, silent], -2).swapaxes(-1, -2)
    return _transform().istft(full, k1=FRAMES * HOP)


@functools.cache
def _bands() -> np.ndarray:
    """How much of each frequency is in each band, (bands, frequencies): triangles."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 2)
    hertz = 700 * (10 ** (mel / 2595) - 1)
    frequencies = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    low, middle, high = (hertz[i : BANDS + i, None] for i in range(3))
    rising = (frequencies - low) / (middle - low)
    falling = (high - frequencies) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))
