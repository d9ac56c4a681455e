"""dljax's own data sets: what has to be known of one before it is read."""

from typing import NamedTuple


class DatasetSpec(NamedTuple):
    """One of them.

    files: what it is prepared from; none where an installed package has it.
    largest: the pixel value that becomes 1.
    needs: what --manual_dir holds, where it is read there by a module of its name.
    folds: how many it is split by, where it has no parts.
    images: whether it has any, which --resize changes.
    """

    files: tuple[str, ...] = ()
    largest: int = 255
    needs: str = ""
    folds: int = 5
    images: bool = True


IDX = tuple(
    f"{part}-{kind}-ubyte.gz"
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
)


def _captions(language: str) -> tuple[str, ...]:
    parts = ("train", "val", "test_2016_flickr")
    return tuple(f"{p}.{lang}.gz" for p in parts for lang in (language, "en"))


def _sentences(language: str) -> tuple[str, ...]:
    return tuple(f"tatoeba.{language}-eng.{one}" for one in (language, "eng"))


# By `synthetic`, for experiments that ask for them.
SYNTHETIC = ("adding", "copying", "gaussian")
REGISTRY = {
    "digits": DatasetSpec(largest=16),
    "mnist": DatasetSpec(IDX),
    "fashion_mnist": DatasetSpec(IDX),
    "kmnist": DatasetSpec(IDX),
    "cifar10": DatasetSpec(("cifar-10-binary.tar.gz",)),
    "lexicon": DatasetSpec(images=False),
    "names": DatasetSpec(images=False),
    "chorales": DatasetSpec(images=False),
    "rt_polarity": DatasetSpec(
        ("rt-polarity.neg", "rt-polarity.pos"), folds=10, images=False
    ),
    "multi30k": DatasetSpec(_captions("de"), images=False),
    "multi30k_fr": DatasetSpec(_captions("fr"), images=False),
    "tatoeba_de": DatasetSpec(_sentences("deu"), images=False),
    "tatoeba_fr": DatasetSpec(_sentences("fra"), images=False),
    "tatoeba_es": DatasetSpec(_sentences("spa"), images=False),
    "tiny_shakespeare": DatasetSpec(("input.txt",), images=False),
    "python_reference": DatasetSpec(images=False),
    "text_file": DatasetSpec(needs="one .txt file, or FILE itself", images=False),
    "notes": DatasetSpec(images=False),
    "spoken_digit": DatasetSpec(
        ("free-spoken-digit-dataset-1.0.9.tar.gz",), images=False
    ),
    "vader": DatasetSpec(needs="the files *_GroundTruth.txt", images=False),
    "labelled_text": DatasetSpec(
        needs="one .tsv file, or train.tsv and test.tsv", images=False
    ),
    "parallel_text": DatasetSpec(
        needs="two aligned files, as text.de and text.en", images=False
    ),
    "image_folder": DatasetSpec(needs="a folder of images for each class"),
    "audio_folder": DatasetSpec(
        needs="a folder of WAV files for each class", images=False
    ),
    "colloid_video": DatasetSpec(
        needs="bulk_water_half.zip or its frames as PNG files"
    ),
    "piano_roll": DatasetSpec(needs="one .mat file of piano rolls", images=False),
    **dict.fromkeys(SYNTHETIC, DatasetSpec(images=False)),
}
