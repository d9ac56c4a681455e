"""Conversion between sounds and mel spectrograms.

A mel spectrogram of one second is uint8 (32 frames, 32 bands, 1): the power of each
band in decibels, scaled from 80 dB below the maximum (0) to the maximum (255). The
bands are spaced evenly on the mel scale (Stevens et al. 1937).
"""

import functools
from collections.abc import Sequence

import numpy as np

SAMPLE_RATE = 8000  # samples per second
FRAMES, BANDS = 32, 32
HOP, WINDOW = 256, 512  # samples
MAX_DECIBELS, DYNAMIC_RANGE = 36.0, 80.0  # decibels at 255, and between 0 and 255
ITERATIONS = 60  # of Griffin and Lim


def mel_spectrograms(sounds: Sequence[np.ndarray]) -> np.ndarray:
    """Computes mel spectrograms: uint8 (n, frames, bands, 1).

    Args:
      sounds: n arrays int16 (samples,) at `SAMPLE_RATE`; longer ones are cut to about
        one second, shorter ones padded with silence.
    """
    length = FRAMES * HOP
    images = []
    for sound in sounds:
        wave = np.zeros(length, np.float32)
        wave[: min(len(sound), length)] = sound[:length] / np.float32(2**15)
        power = np.abs(_stft(wave)) ** 2 @ _mel_filters().T
        decibels = 10 * np.log10(np.maximum(power, 1e-10))
        images.append(np.clip((decibels - MAX_DECIBELS) / DYNAMIC_RANGE + 1, 0, 1))
    return np.round(255 * np.stack(images)).astype(np.uint8)[..., None]


def griffin_lim(images: np.ndarray) -> np.ndarray:
    """Estimates sounds from mel spectrograms (Griffin and Lim 1984).

    Each frequency gets the weighted mean power of its bands; the phases, which a
    spectrogram lacks, are estimated iteratively from a fixed random start.

    Args:
      images: mel spectrograms (n, frames, bands, 1) in [0, 1].

    Returns:
      int16 (n, samples) at `SAMPLE_RATE`.
    """
    levels = np.asarray(images, np.float64)[..., 0]
    decibels = (levels - 1) * DYNAMIC_RANGE + MAX_DECIBELS
    power = np.where(images[..., 0] > 0, 10 ** (decibels / 10), 0)
    filters = _mel_filters()
    weights = filters / np.maximum(filters.sum(0), 1e-9)
    magnitude = np.sqrt(power @ (weights / np.maximum(filters.sum(1), 1e-9)[:, None]))
    phase = np.exp(2j * np.pi * np.random.default_rng(0).random(magnitude.shape[1:]))
    for _ in range(ITERATIONS):
        spectrum = _stft(_istft(magnitude * phase))
        phase = spectrum / np.maximum(np.abs(spectrum), 1e-9)
    wave = _istft(magnitude * phase)
    return np.round(2**15 * np.clip(wave, -0.99, 0.99)).astype(np.int16)


@functools.cache
def _short_time_fft():
    from scipy.signal import ShortTimeFFT, get_window

    return ShortTimeFFT(get_window("hann", WINDOW), HOP, SAMPLE_RATE, mfft=WINDOW)


def _stft(wave: np.ndarray) -> np.ndarray:
    """The short-time Fourier transform: complex (..., frames, frequencies)."""
    return _short_time_fft().stft(wave, p0=0, p1=FRAMES).swapaxes(-1, -2)


def _istft(spectrum: np.ndarray) -> np.ndarray:
    silent = np.zeros_like(spectrum[..., :1, :])
    full = np.concatenate([spectrum, silent], -2).swapaxes(-1, -2)
    return _short_time_fft().istft(full, k1=FRAMES * HOP)


@functools.cache
def _mel_filters() -> np.ndarray:
    """The triangular filters of the mel bands: (bands, frequencies)."""
    mel = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), BANDS + 2)
    hertz = 700 * (10 ** (mel / 2595) - 1)
    frequencies = np.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1)
    low, middle, high = (hertz[i : BANDS + i, None] for i in range(3))
    rising = (frequencies - low) / (middle - low)
    falling = (high - frequencies) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))
