"""TFDS builders of text; see `builders`.

`lexicon`, `names` and `python_reference` come with installed packages; the files of the
others are downloaded, or read from `--manual_dir`. Examples are {"text", "label"} of
labelled text, {"source", "target"} of translations, and {"text"} of running text, with
one example per split. Translations without published splits are split 8:1:1 by a hash
of the source.
"""

import gzip
import importlib.resources
import pathlib

import tensorflow_datasets as tfds
from tensorflow_datasets.core import registered

from dljax.datasets.plain_text import PARTS, part_of
from dljax.datasets.text_file import split_text

POLARITY = ["negative", "positive"]


def labelled_info(builder, *, homepage):
    """The TFDS info of examples {"text", "label"}, with the classes of `POLARITY`."""
    label = tfds.features.ClassLabel(names=POLARITY)
    return _info(builder, {"text": tfds.features.Text(), "label": label}, homepage)


def pairs_info(builder, *, homepage):
    """The TFDS info of examples {"source", "target"}."""
    text = {name: tfds.features.Text() for name in ("source", "target")}
    return _info(builder, text, homepage)


def running_info(builder, *, homepage):
    """The TFDS info of running text, {"text"}, with one example per split."""
    return _info(builder, {"text": tfds.features.Text()}, homepage)


def _info(builder, features, homepage):
    return tfds.core.DatasetInfo(
        builder=builder,
        description=builder.__doc__,
        features=tfds.features.FeaturesDict(features),
        homepage=homepage,
        disable_shuffling=True,
    )


def _rows(examples):
    yield from enumerate(examples)


def _split_by_hash(pairs):
    """{split: generator of pairs}, split by a hash: equal sources are in one split."""
    examples: dict[str, list] = {name: [] for name in PARTS}
    for source, target in pairs:
        examples[part_of(source)].append({"source": source, "target": target})
    return {name: _rows(rows) for name, rows in examples.items()}


def _split_running(text):
    """{split: generator of its text}."""
    return {name: _rows([{"text": part}]) for name, part in split_text(text).items()}


def _lines(path):
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8", newline="\n") as file:
        return [line.strip() for line in file.read().rstrip("\n").split("\n")]


with registered.skip_registration():

    class Lexicon(tfds.core.GeneratorBasedBuilder):
        """7,506 words, emoticons and abbreviations, negative or positive by the mean
        rating of ten people (VADER's lexicon, Hutto and Gilbert 2014; MIT).
        """

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return labelled_info(self, homepage="https://github.com/cjhutto")

        def _split_generators(self, dl_manager):
            del dl_manager
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            package = importlib.resources.files("vaderSentiment")
            lines = (package / "vader_lexicon.txt").read_text("utf-8").splitlines()
            rated = dict(line.split("\t")[:2] for line in lines if line.strip())
            yield from _rows(
                {"text": text, "label": POLARITY[float(mean) > 0]}
                for text, mean in rated.items()
            )

    class Names(tfds.core.GeneratorBasedBuilder):
        """1,414 names of places, languages, scripts and currencies, German to English
        (Unicode CLDR, from Babel).
        """

        VERSION = tfds.core.Version("1.0.0")
        KINDS = ("territories", "languages", "scripts", "currencies", "variants")

        def _info(self):
            return pairs_info(self, homepage="https://cldr.unicode.org")

        def _split_generators(self, dl_manager):
            del dl_manager
            from babel import Locale

            english, german = Locale("en"), Locale("de")
            pairs: dict[str, str] = {}
            for kind in self.KINDS:
                targets, sources = getattr(english, kind), getattr(german, kind)
                for code in sorted(targets.keys() & sources.keys()):
                    pairs.setdefault(sources[code], targets[code])
            return _split_by_hash(pairs.items())

        def _generate_examples(self):
            raise NotImplementedError  # _split_generators returns generators

    class RtPolarity(tfds.core.GeneratorBasedBuilder):
        """10,662 sentences of film reviews with polarity (Pang and Lee 2005)."""

        VERSION = tfds.core.Version("1.0.0")
        URL = (
            "https://raw.githubusercontent.com/dennybritz/cnn-text-classification-tf/"
            "master/data/rt-polaritydata/"
        )

        def _info(self):
            return labelled_info(
                self, homepage="https://www.cs.cornell.edu/people/pabo/"
            )

        def _split_generators(self, dl_manager):
            files = {name: f"rt-polarity.{name[:3]}" for name in POLARITY}
            paths = dl_manager.download({k: self.URL + f for k, f in files.items()})
            return {"train": self._generate_examples(paths)}

        def _generate_examples(self, paths):
            yield from _rows(
                {"text": line, "label": name}
                for name in POLARITY
                for line in _lines(paths[name])
            )

    class TinyShakespeare(tfds.core.GeneratorBasedBuilder):
        """1,115,394 characters of Shakespeare's plays (Karpathy 2015)."""

        VERSION = tfds.core.Version("1.0.0")
        URL = (
            "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b/data/"
            "tinyshakespeare/input.txt"
        )

        def _info(self):
            return running_info(self, homepage="https://github.com/karpathy/char-rnn")

        def _split_generators(self, dl_manager):
            text = pathlib.Path(dl_manager.download(self.URL)).read_text("utf-8")
            return _split_running(text)

        def _generate_examples(self):
            raise NotImplementedError  # _split_generators returns generators

    class PythonReference(tfds.core.GeneratorBasedBuilder):
        """460,000 characters of Python's reference, the text of `help()` (PSF). It
        differs slightly between versions of Python.
        """

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return running_info(self, homepage="https://docs.python.org/3/reference")

        def _split_generators(self, dl_manager):
            del dl_manager
            from pydoc_data.topics import topics

            return _split_running("\n\n".join(topics[name] for name in sorted(topics)))

        def _generate_examples(self):
            raise NotImplementedError  # _split_generators returns generators

    class Multi30k(tfds.core.GeneratorBasedBuilder):
        """31,014 captions of photographs, German to English; the test split is that of
        2016 (Elliott et al. 2016; for research use).
        """

        VERSION = tfds.core.Version("1.0.0")
        URL = (
            "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"
        )
        LANGUAGE = "de"
        FILES = {"train": "train", "valid": "val", "test": "test_2016_flickr"}

        def _info(self):
            return pairs_info(self, homepage="https://github.com/multi30k/dataset")

        def _split_generators(self, dl_manager):
            paths = dl_manager.download(
                {
                    part: [f"{self.URL}{f}.{lang}.gz" for lang in (self.LANGUAGE, "en")]
                    for part, f in self.FILES.items()
                }
            )
            return {part: self._generate_examples(*paths[part]) for part in self.FILES}

        def _generate_examples(self, source, target):
            pairs = zip(_lines(source), _lines(target), strict=True)
            yield from _rows({"source": s, "target": t} for s, t in pairs)

    class Multi30kFr(Multi30k):
        """31,014 captions of photographs, French to English (Elliott et al. 2017)."""

        LANGUAGE = "fr"

    class Tatoeba(tfds.core.GeneratorBasedBuilder):
        """1,000 sentences, German to English (Tatoeba, from LASER; CC BY 2.0)."""

        VERSION = tfds.core.Version("1.0.0")
        URL = "https://github.com/facebookresearch/LASER/raw/main/data/tatoeba/v1/"
        LANGUAGE = "deu"

        def _info(self):
            return pairs_info(self, homepage="https://tatoeba.org")

        def _split_generators(self, dl_manager):
            stem = f"{self.URL}tatoeba.{self.LANGUAGE}-eng."
            paths = dl_manager.download([stem + self.LANGUAGE, f"{stem}eng"])
            return _split_by_hash(zip(*map(_lines, paths), strict=True))

        def _generate_examples(self):
            raise NotImplementedError  # _split_generators returns generators

    class TatoebaFr(Tatoeba):
        """1,000 sentences, French to English (Tatoeba; CC BY 2.0)."""

        LANGUAGE = "fra"

    class TatoebaEs(Tatoeba):
        """1,000 sentences, Spanish to English (Tatoeba; CC BY 2.0)."""

        LANGUAGE = "spa"


BUILDERS: dict[str, type[tfds.core.GeneratorBasedBuilder]] = {
    "lexicon": Lexicon,
    "names": Names,
    "rt_polarity": RtPolarity,
    "tiny_shakespeare": TinyShakespeare,
    "python_reference": PythonReference,
    "multi30k": Multi30k,
    "multi30k_fr": Multi30kFr,
    "tatoeba_de": Tatoeba,
    "tatoeba_fr": TatoebaFr,
    "tatoeba_es": TatoebaEs,
}
