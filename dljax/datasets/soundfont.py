"""A small SoundFont 2 player: renders single notes of recorded instruments.

It reads zones, key ranges, loops and tuning; modulators, envelopes and filters are
ignored. Source: SoundFont Technical Specification 2.01, chapters 5 to 8.
"""

import pathlib
import struct
from typing import NamedTuple

import numpy as np

INSTRUMENT, KEYS, SAMPLE, LOOPED, ROOT = 41, 43, 53, 54, 58  # numbers of generators
SIZES = {"phdr": 38, "pbag": 4, "pgen": 4, "inst": 22, "ibag": 4, "igen": 4, "shdr": 46}
OVERSAMPLING = 4  # against aliasing
FADE = 0.15  # seconds of fade-out


class Font(NamedTuple):
    """A parsed SoundFont file.

    Attributes:
      waves: float32 (samples,) in [-1, 1], all recordings concatenated.
      tables: {name of a chunk in `SIZES`: its binary records}.
      programs: {General MIDI program: index of its "phdr" record}, of bank 0.
    """

    waves: np.ndarray
    tables: dict[str, list[bytes]]
    programs: dict[int, int]


def read(path: pathlib.Path) -> Font:
    """Reads a SoundFont file."""
    chunks: dict[str, bytes] = {}

    def walk(data):
        offset = 0
        while offset + 8 <= len(data):
            name, size = struct.unpack_from("<4sI", data, offset)
            body = data[offset + 8 : offset + 8 + size]
            if name in (b"RIFF", b"LIST"):
                walk(body[4:])
            chunks[name.decode("latin-1")] = body
            offset += 8 + size + size % 2

    walk(path.read_bytes())
    tables = {
        name: [chunks[name][i : i + size] for i in range(0, len(chunks[name]), size)]
        for name, size in SIZES.items()
    }
    programs = {}
    for i, record in enumerate(tables["phdr"][:-1]):
        program, bank = struct.unpack_from("<HH", record, 20)
        if bank == 0:
            programs[program] = i
    waves = np.frombuffer(chunks["smpl"], "<i2").astype(np.float32) / 2**15
    return Font(waves, tables, programs)


def play(font: Font, program: int, key: int, *, rate: int, seconds: float):
    """Renders one note: int16 (rate * seconds,), normalised to half of full scale.

    Args:
      program: the General MIDI program, 0 to 127; a key of `font.programs`.
      key: the MIDI key; 60 is middle C.
      rate: samples per second.
      seconds: the length, including the fade-out.

    Raises:
      KeyError: the font lacks the program.
    """
    from scipy.signal import decimate

    zone = _zone(font, program, key)
    record = font.tables["shdr"][zone[SAMPLE]]
    start, end, loop, after, recorded = struct.unpack_from("<IIIII", record, 20)
    root, cents = struct.unpack_from("<Bb", record, 40)
    root = zone.get(ROOT, root)
    ratio = 2 ** ((key - root + cents / 100) / 12) * recorded / (OVERSAMPLING * rate)
    positions = np.arange(int(OVERSAMPLING * rate * seconds)) * ratio + start
    if zone.get(LOOPED, 0) & 1 and after > loop:
        beyond = positions >= after
        positions[beyond] = loop + (positions[beyond] - loop) % (after - loop)
    wave = np.interp(positions, np.arange(start, end), font.waves[start:end], right=0)
    fade = np.clip(
        (seconds - np.arange(len(wave)) / (OVERSAMPLING * rate)) / FADE, 0, 1
    )
    wave = decimate(wave * fade, OVERSAMPLING)
    loudest = max(float(np.abs(wave).max(initial=0)), 1e-6)
    return np.round(wave / loudest * 0.5 * 2**15).astype(np.int16)


def _zone(font: Font, program: int, key: int) -> dict[int, int]:
    """{generator: amount} of the zone whose key range is nearest to the key."""
    zones = []
    for outer in _zones(font, "phdr", "pbag", "pgen", font.programs[program], 24):
        if INSTRUMENT in outer:
            instrument = outer[INSTRUMENT]
            for inner in _zones(font, "inst", "ibag", "igen", instrument, 20):
                if SAMPLE in inner:
                    zones.append((_distance(outer, key) + _distance(inner, key), inner))
    return min(zones, key=lambda pair: pair[0])[1]


def _zones(font, heads, bags, generators, number, offset):
    """Yields {generator: amount} of each zone of a record.

    A zone without instrument or sample is the global zone: its generators are the
    defaults of the zones after it.
    """
    heads, bags, generators = (font.tables[k] for k in (heads, bags, generators))
    first, after = (
        struct.unpack_from("<H", heads[i], offset)[0] for i in (number, number + 1)
    )
    common: dict[int, int] = {}
    for bag in range(first, after):
        low, high = (struct.unpack_from("<H", bags[i])[0] for i in (bag, bag + 1))
        generators_of = dict(
            struct.unpack("<HH", record) for record in generators[low:high]
        )
        if not {INSTRUMENT, SAMPLE} & generators_of.keys():
            common = generators_of
        yield {**common, **generators_of}


def _distance(zone: dict[int, int], key: int) -> int:
    """The distance of a key from a zone's key range, in semitones; 0 inside."""
    keys = zone.get(KEYS, 127 << 8)
    return max(0, (keys & 255) - key, key - (keys >> 8))
