"""dljax's own data sets, as TFDS builders that need neither TensorFlow nor a network.

`digits` comes with scikit-learn. `mnist` and `fashion_mnist` are downloaded, or taken
from a folder that holds their four files; `checksums.tsv` beside this file has every
file's size and SHA-256, whichever way it came.

They are not registered with TFDS: a second `Mnist` there breaks its own.
"""

import gzip

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import registered

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


def image_info(builder, shape, *, description, names=None, homepage):
    """The TFDS info of a set of uint8 images (h, w, c) with labels, in file order."""
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
        yield row, {"image": image[..., None], "label": int(label)}


def _idx(path, header):
    """The bytes of a gzipped IDX file after its header of 8 or 16 bytes."""
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
            import sklearn.datasets  # slow to import, and only needed to prepare

            data = sklearn.datasets.load_digits()
            yield from _rows(data.images.astype(np.uint8), data.target)

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
            yield from _rows(_idx(images, 16).reshape(-1, 28, 28), _idx(labels, 8))

    class FashionMnist(Mnist):
        """70,000 articles of clothing, 28x28 (Xiao, Rasul, Vollgraf 2017; MIT)."""

        URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
        HOMEPAGE = "https://github.com/zalandoresearch/fashion-mnist"
        NAMES = FASHION


BUILDERS: dict[str, type[tfds.core.GeneratorBasedBuilder]] = {
    "digits": Digits,
    "mnist": Mnist,
    "fashion_mnist": FashionMnist,
}
