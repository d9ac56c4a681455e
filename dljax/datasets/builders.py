"""TFDS builders of dljax's data sets, which work without TensorFlow.

`digits` comes with scikit-learn. The files of the others are downloaded, or read from
`--manual_dir`; either way, they are checked against the sizes and SHA-256 digests in
`checksums.tsv` beside this file. Archives are read without extraction: TFDS names an
extracted file after the archive's file name alone, so that a second data set with equal
file names (Kmnist) would read the images of the first (Mnist).

The builders are not registered with TFDS: a second registered `Mnist` would break the
data sets of TFDS that are derived from its own.
"""

import contextlib
import gzip
import io
import pathlib
import tarfile

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import registered
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

from dljax.datasets import audio_builders, music_builders, text_builders
from dljax.datasets.location import DatasetLocation, newest_version
from dljax.errors import DAMAGED_DATA, DISK, UserError, first_line

FASHION = [
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
]

KUZUSHIJI = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
CIFAR = ["airplane", "automobile", "bird", "cat", "deer"] + (
    ["dog", "frog", "horse", "ship", "truck"]
)


def image_info(builder, shape, *, description, names=None, homepage):
    """The TFDS info of examples {"image": uint8 `shape`, "label"}, in file order.

    Args:
      names: the names of the labels; None: ten labels, 0 to 9.
    """
    label = (
        tfds.features.ClassLabel(names=names)
        if names
        else tfds.features.ClassLabel(num_classes=10)
    )
    return tfds.core.DatasetInfo(
        builder=builder,
        description=description,
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Tensor(shape=shape, dtype=np.uint8),
                "label": label,
            }
        ),
        supervised_keys=("image", "label"),
        homepage=homepage,
        disable_shuffling=True,
    )


def _rows(images, labels):
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        yield row, {"image": image, "label": int(label)}


def _idx(path, header):
    """uint8 (bytes,): a gzipped IDX file after its header of 8 or 16 bytes."""
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


with registered.skip_registration():

    class Digits(tfds.core.GeneratorBasedBuilder):
        """1,797 handwritten digits of 8x8 pixels, values 0 to 16 (UCI; CC0)."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return image_info(
                self,
                (8, 8, 1),
                description=self.__doc__,
                homepage="https://archive.ics.uci.edu/dataset/80",
            )

        def _split_generators(self, dl_manager):
            del dl_manager
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            import sklearn.datasets  # slow, and only needed to prepare

            data = sklearn.datasets.load_digits()
            yield from _rows(data.images[..., None].astype(np.uint8), data.target)

    class Mnist(tfds.core.GeneratorBasedBuilder):
        """70,000 handwritten digits of 28x28 pixels (LeCun, Cortes, Burges)."""

        VERSION = tfds.core.Version("1.0.0")
        URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
        HOMEPAGE = "https://yann.lecun.org/exdb/mnist/"
        NAMES: list[str] | None = None

        def _info(self):
            return image_info(
                self,
                (28, 28, 1),
                description=self.__doc__,
                names=self.NAMES,
                homepage=self.HOMEPAGE,
            )

        def _split_generators(self, dl_manager):
            parts = ("train-images-idx3", "train-labels-idx1") + (
                "t10k-images-idx3",
                "t10k-labels-idx1",
            )
            path = dl_manager.download({p: f"{self.URL}{p}-ubyte.gz" for p in parts})
            return {
                "train": self._generate_examples(path[parts[0]], path[parts[1]]),
                "test": self._generate_examples(path[parts[2]], path[parts[3]]),
            }

        def _generate_examples(self, images, labels):
            yield from _rows(_idx(images, 16).reshape(-1, 28, 28, 1), _idx(labels, 8))

    class FashionMnist(Mnist):
        """70,000 articles of clothing, 28x28 (Xiao, Rasul, Vollgraf 2017; MIT)."""

        URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
        HOMEPAGE = "https://github.com/zalandoresearch/fashion-mnist"
        NAMES = FASHION

    class Kmnist(Mnist):
        """70,000 characters of cursive Japanese, 28x28 (Clanuwat et al. 2018)."""

        URL = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"
        HOMEPAGE = "http://codh.rois.ac.jp/kmnist/index.html.en"
        NAMES = KUZUSHIJI

    class Cifar10(tfds.core.GeneratorBasedBuilder):
        """60,000 photographs of 32x32 pixels in colour (Krizhevsky 2009)."""

        VERSION = tfds.core.Version("1.0.0")
        URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"

        def _info(self):
            return image_info(
                self,
                (32, 32, 3),
                description=self.__doc__,
                names=CIFAR,
                homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
            )

        def _split_generators(self, dl_manager):
            path = dl_manager.download(self.URL)
            train = [f"data_batch_{i}.bin" for i in range(1, 6)]
            return {
                "train": self._generate_examples(path, train),
                "test": self._generate_examples(path, ["test_batch.bin"]),
            }

        def _generate_examples(self, path, files):
            # An example is a label byte, then 1,024 red, green and blue bytes each.
            with tarfile.open(path) as tar:
                parts = [tar.extractfile(f"cifar-10-batches-bin/{f}") for f in files]
                raw = b"".join(part.read() for part in parts if part)
            rows = np.frombuffer(raw, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
            images = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            yield from _rows(images, rows[:, 0])


BUILDERS: dict[str, type[tfds.core.GeneratorBasedBuilder]] = {
    "digits": Digits,
    "mnist": Mnist,
    "fashion_mnist": FashionMnist,
    "kmnist": Kmnist,
    "cifar10": Cifar10,
    **text_builders.BUILDERS,
    **music_builders.BUILDERS,
    **audio_builders.BUILDERS,
}


def prepare(location: DatasetLocation) -> pathlib.Path:
    """Prepares a data set of `BUILDERS` below `<data_dir>/dljax/`; returns its folder.

    Raises:
      UserError: a file cannot be downloaded or is damaged, or `data_dir` is not
        writable.
    """
    downloader.MAX_RETRIES = 0  # by default, 200 s pass without a network
    tfds.disable_progress_bar()
    root = location.data_dir / "dljax"
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            builder = BUILDERS[location.name](data_dir=root, file_format="array_record")
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(
                    manual_dir=location.manual_dir, try_download_gcs=False
                )
            )
    except NonMatchingChecksumError as error:
        raise UserError(
            "damaged-download",
            f"--manual_dir={location.manual_dir}: a file of {location.name} differs "
            f"from the published one ({first_line(error)}); download the file again"
            if location.manual_dir
            else f"--dataset={location.name}: the download differs from the published "
            "files; run the command again",
            DAMAGED_DATA,
        ) from None
    except OSError as error:
        if type(error).__module__.split(".")[0] in ("requests", "urllib3"):
            raise UserError(
                "download-failed",
                f"--download: {location.name} cannot be fetched "
                f"({type(error).__name__}); check the network, or give "
                "--manual_dir=DIR with the published files",
            ) from None
        if folder := newest_version(root / location.name):
            return folder  # prepared by another process meanwhile
        raise UserError(
            "data-dir-not-writable",
            f"--data_dir={location.data_dir}: {error.strerror or error}; give a "
            "writable directory",
            DISK,
        ) from None
    return pathlib.Path(builder.data_dir)
