"""dljax's own data sets: what is known of each before it is read."""

from typing import NamedTuple


class DatasetSpec(NamedTuple):
    """A data set of dljax.

    files: the files that it is prepared from; none where an installed package has them.
    max_value: the pixel value that becomes 1.
    manual_contents: what --manual_dir has to hold, in words, where the data set is read
      in place, by the module of its name.
    folds: the number of folds, where it has no test split.
    has_images: whether --resize applies.
    """

    files: tuple[str, ...] = ()
    max_value: int = 255
    manual_contents: str = ""
    folds: int = 5
    has_images: bool = True


IDX = tuple(
    f"{part}-{kind}-ubyte.gz"
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
)


def _captions(language: str) -> tuple[str, ...]:
    parts = ("train", "val", "test_2016_flickr")
    return tuple(f"{p}.{lang}.gz" for p in parts for lang in (language, "en"))


def _sentences(language: str) -> tuple[str, ...]:
    return tuple(f"tatoeba.{language}-eng.{suffix}" for suffix in (language, "eng"))


# Made by `sources.synthetic`, for the experiments that use them.
SYNTHETIC = ("adding", "copying", "gaussian")
REGISTRY = {
    "digits": DatasetSpec(max_value=16),
    "mnist": DatasetSpec(IDX),
    "fashion_mnist": DatasetSpec(IDX),
    "kmnist": DatasetSpec(IDX),
    "cifar10": DatasetSpec(("cifar-10-binary.tar.gz",)),
    "lexicon": DatasetSpec(has_images=False),
    "names": DatasetSpec(has_images=False),
    "chorales": DatasetSpec(has_images=False),
    "rt_polarity": DatasetSpec(
        ("rt-polarity.neg", "rt-polarity.pos"), folds=10, has_images=False
    ),
    "multi30k": DatasetSpec(_captions("de"), has_images=False),
    "multi30k_fr": DatasetSpec(_captions("fr"), has_images=False),
    "tatoeba_de": DatasetSpec(_sentences("deu"), has_images=False),
    "tatoeba_fr": DatasetSpec(_sentences("fra"), has_images=False),
    "tatoeba_es": DatasetSpec(_sentences("spa"), has_images=False),
    "tiny_shakespeare": DatasetSpec(("input.txt",), has_images=False),
    "python_reference": DatasetSpec(has_images=False),
    "text_file": DatasetSpec(
        manual_contents="one .txt file, or FILE itself", has_images=False
    ),
    "notes": DatasetSpec(has_images=False),
    "spoken_digit": DatasetSpec(
        ("free-spoken-digit-dataset-1.0.9.tar.gz",), has_images=False
    ),
    "vader": DatasetSpec(
        manual_contents="the files *_GroundTruth.txt", has_images=False
    ),
    "labelled_text": DatasetSpec(
        manual_contents="one .tsv file, or train.tsv and test.tsv", has_images=False
    ),
    "parallel_text": DatasetSpec(
        manual_contents="two aligned files, as text.de and text.en", has_images=False
    ),
    "image_folder": DatasetSpec(manual_contents="a folder of images for each class"),
    "audio_folder": DatasetSpec(
        manual_contents="a folder of WAV files for each class", has_images=False
    ),
    "colloid_video": DatasetSpec(
        manual_contents="bulk_water_half.zip or its frames as PNG files"
    ),
    "piano_roll": DatasetSpec(
        manual_contents="one .mat file of piano rolls", has_images=False
    ),
    **dict.fromkeys(SYNTHETIC, DatasetSpec(has_images=False)),
}
