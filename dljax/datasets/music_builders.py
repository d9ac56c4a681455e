"""TFDS builders of music; see `builders`."""

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import registered

from dljax.datasets.piano_roll import KEYS, LOWEST
from dljax.datasets.plain_text import PARTS, part_of
from dljax.errors import import_extra

with registered.skip_registration():

    class Chorales(tfds.core.GeneratorBasedBuilder):
        """Bach's chorales in four voices from music21's corpus, as piano rolls with one
        step per quarter note; split by a hash of the file name (public domain).
        """

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            roll = tfds.features.Tensor(shape=(None, KEYS), dtype=np.uint8)
            return tfds.core.DatasetInfo(
                builder=self,
                description=self.__doc__,
                features=tfds.features.FeaturesDict({"roll": roll}),
                homepage="https://www.music21.org",
                disable_shuffling=True,
            )

        def _split_generators(self, dl_manager):
            del dl_manager
            corpus = import_extra(
                "music21.corpus", extra="music", purpose="--dataset=chorales"
            )
            names = sorted(str(path) for path in corpus.getComposer("bach"))
            return {part: self._generate_examples(names, part) for part in PARTS}

        def _generate_examples(self, names, part):
            corpus = import_extra(
                "music21.corpus", extra="music", purpose="--dataset=chorales"
            )
            for row, path in enumerate(names):
                if part_of(path.replace("\\", "/").rsplit("/", 1)[-1]) == part:
                    score = corpus.parse(path)
                    if len(score.parts) == 4:
                        yield row, {"roll": _roll(score)}


def _roll(score):
    """uint8 (steps, 88): 1 where a key sounds at the beginning of a quarter note."""
    notes = score.flatten().notes
    steps = int(np.ceil(float(score.highestTime)))
    roll = np.zeros((steps, KEYS), np.uint8)
    for note in notes:
        begin = float(note.offset)
        first = int(np.ceil(begin))
        after = int(np.ceil(begin + float(note.quarterLength)))
        for pitch in note.pitches:
            roll[first:after, int(pitch.midi) - LOWEST] = 1
    sounding = np.flatnonzero(roll.any(-1))
    return roll[sounding[0] : sounding[-1] + 1]


BUILDERS: dict[str, type[tfds.core.GeneratorBasedBuilder]] = {"chorales": Chorales}
