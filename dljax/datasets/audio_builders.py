"""TFDS builders of recorded sound; see `builders`."""

import io
import pathlib
import tarfile

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import registered

from dljax.datasets import soundfont, spectrogram
from dljax.errors import import_extra

SPEAKERS = ["george", "jackson", "nicolas", "theo", "yweweler"]
TEST_RECORDINGS = 5  # per digit and speaker: the first ones, as published
FAMILIES = ["piano", "bell", "organ", "guitar", "bass", "strings", "ensemble", "brass"]
FAMILIES += ["reed", "pipe", "synth_lead", "synth_pad", "synth_effect", "ethnic"]
FAMILIES += ["percussive", "effect"]  # eight General MIDI programs each
PITCHES = range(48, 72, 2)  # MIDI keys: two octaves around middle C


def sound_info(builder, names, *, voices, homepage):
    """The TFDS info of examples {"sound": int16 (samples,), "label", "voice"}.

    Args:
      names: the names of the labels.
      voices: the names of the speakers or instruments.
    """
    return tfds.core.DatasetInfo(
        builder=builder,
        description=builder.__doc__,
        features=tfds.features.FeaturesDict(
            {
                "sound": tfds.features.Tensor(shape=(None,), dtype=np.int16),
                "label": tfds.features.ClassLabel(names=names),
                "voice": tfds.features.ClassLabel(names=voices),
            }
        ),
        homepage=homepage,
        disable_shuffling=True,
    )


with registered.skip_registration():

    class SpokenDigit(tfds.core.GeneratorBasedBuilder):
        """2,500 recordings of English digits by five speakers, at 8,000 samples per
        second (Free Spoken Digit Dataset 1.0.9, Jackson et al. 2018; CC BY-SA 4.0). The
        published test split has the first five recordings per digit and speaker.
        """

        VERSION = tfds.core.Version("1.0.9")
        URL = (
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/"
            "v1.0.9.tar.gz"
        )

        def _info(self):
            return sound_info(
                self,
                [str(digit) for digit in range(10)],
                voices=SPEAKERS,
                homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
            )

        def _split_generators(self, dl_manager):
            path = dl_manager.download(self.URL)
            return {
                "train": self._generate_examples(path, test=False),
                "test": self._generate_examples(path, test=True),
            }

        def _generate_examples(self, path, test):
            import scipy.io.wavfile

            with tarfile.open(path) as tar:
                members = [m for m in tar if m.name.endswith(".wav")]
                for row, member in enumerate(sorted(members, key=lambda m: m.name)):
                    name = member.name.rsplit("/", 1)[-1].removesuffix(".wav")
                    digit, speaker, number = name.split("_")
                    file = tar.extractfile(member)
                    if (int(number) < TEST_RECORDINGS) == test and file:
                        _, sound = scipy.io.wavfile.read(io.BytesIO(file.read()))
                        yield (
                            row,
                            {"sound": sound, "label": digit, "voice": speaker},
                        )

    class Notes(tfds.core.GeneratorBasedBuilder):
        """1,536 notes of one second by the 128 General MIDI instruments, played from
        pretty_midi's soundfont. The labels are the 16 families of eight instruments;
        of each family, one instrument is for validation and one for testing.
        """

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return sound_info(
                self,
                FAMILIES,
                voices=[str(program) for program in range(128)],
                homepage="https://github.com/craffel/pretty-midi",
            )

        def _split_generators(self, dl_manager):
            del dl_manager
            instruments = {"train": range(6), "valid": (6,), "test": (7,)}
            return {k: self._generate_examples(v) for k, v in instruments.items()}

        def _generate_examples(self, instruments):
            midi = import_extra("pretty_midi", extra="music", purpose="--dataset=notes")
            folder = pathlib.Path(midi.__file__).parent
            font = soundfont.read(folder / "TimGM6mb.sf2")
            for program in range(128):
                for key in PITCHES if program % 8 in instruments else ():
                    sound = soundfont.play(
                        font, program, key, rate=spectrogram.SAMPLE_RATE, seconds=1.0
                    )
                    yield (
                        128 * key + program,
                        {
                            "sound": sound,
                            "label": FAMILIES[program // 8],
                            "voice": str(program),
                        },
                    )


BUILDERS: dict[str, type[tfds.core.GeneratorBasedBuilder]] = {
    "notes": Notes,
    "spoken_digit": SpokenDigit,
}
