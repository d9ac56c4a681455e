"""A classifier of real images, frozen: by its features generated ones are judged."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dljax.contract import Judge, Source
from dljax.data.source import stills
from dljax.errors import Refusal
from dljax.models.cnn import cnn
from dljax.probes import generated
from dljax.probes.layers import between
from dljax.tasks.classification import classification
from dljax.train import parallel
from dljax.train.optimizers import adamw, warmup_cosine

STEPS, BATCH = 1000, 64
FEATURES = 64
AT_ONCE = 1000  # images
MOST = 1000  # of each kind; the cost of precision and recall grows with the square


class Recogniser(NamedTuple):
    """look(images (n, h, w, c)) -> features float32 (n, 64), and classes int (n,).

    accuracy: on the test images.
    """

    look: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    accuracy: float


_kept: dict[tuple[str, int], Recogniser] = {}  # once a process


def recogniser(source: Source, *, steps: int = STEPS) -> Recogniser:
    """A LeNet trained on the source's first training part, with seed 0, always alike.

    Its features are what its hidden layer passes on. Where a source is split by folds,
    other seeds' test images are among what it was trained on.

    Raises:
      Refusal: there are no images.
    """
    key = (source.fingerprint, steps)
    if key not in _kept:
        _kept[key] = _trained(source, steps)
    return _kept[key]


def _trained(source, total):
    example, outputs = stills(source)
    net = cnn((16, 32), FEATURES, outputs)
    rate = warmup_cosine(2e-3, total, warmup=total // 20)
    task = classification(net, adamw(rate), example=example)
    batch_size = min(BATCH, len(source.split(0)["train"]))
    program = parallel.program(task, source, (0,), how="map", batch_size=batch_size)
    state, done = program.init(), 0
    while done < total:
        block, offset = divmod(done, program.steps_per_block)
        steps = min(total - done, program.steps_per_block - offset)
        orders = program.orders(state, block)
        state, _ = program.advance(state, orders, offset, steps)
        done += steps
    right, count = program.evaluate(state, "test")["accuracy"]
    host = program.take(state)
    params, stats = jax.tree.map(lambda leaf: leaf[0], (host.params["net"], host.stats))

    @jax.jit
    def seen(images):
        *_, features, logits = between(net, params, stats, images).values()
        return features, jnp.argmax(logits, -1)

    def look(images):
        parts = np.array_split(images, -(-len(images) // AT_ONCE))
        found = [seen(jnp.asarray(part, jnp.float32)) for part in parts]
        features, classes = zip(*jax.device_get(found), strict=True)
        return np.concatenate(features), np.concatenate(classes)

    return Recogniser(look, float(right[0]) / float(count[0]))


NAMES = ("frechet", "kid", "precision", "recall", "least_class", "most_class")


def judge_of_images(
    source: Source,
    *,
    steps: int = STEPS,
    others: Sequence[str] = (),
    asked: bool = False,
) -> Judge:
    """Judges samples {"made": images in [0, 1]} by the features of a `recogniser`.

    One half of the test images, 1,000 at most, is what is real; as many of those made
    are held to it.
    `frechet`, `kid`, `precision`, `recall`: see `probes.generated`; beside each its
    floor, "NAME_real", of the other half, and "NAME_noise", of uniform noise;
    `of_noise` is the Frechet distance as a share of noise's. `least_class` and
    `most_class`: the smallest and the largest share of a class among them. With
    `asked`, samples have classes of this name, and `as_asked` is the share that is
    recognised as them. `recognised`: the accuracy on real test images.

    Args:
      steps: updates of the recogniser.
      others: names of other samples, of which each measure's name ends in "_NAME".

    Raises:
      Refusal: there are too few test images.
    """
    least = 2 * (generated.NEIGHBOURS + 1)
    if (count := len(source.split(0)["test"])) < least:
        raise Refusal(
            f"--dataset={source.name}: has {count} images to test on, and to judge "
            f"what is made takes {least} at least"
        )
    classes = len(source.classes)

    def measured(features, told, real):
        near = generated.precision_recall(features, real)
        share = generated.shares(told, classes)
        found = (generated.frechet(features, real), generated.kernel(features, real))
        return dict(zip(NAMES, (*found, *near, share.min(), share.max()), strict=True))

    def score(sample: Mapping[str, Any]) -> dict[str, float]:
        half = len(sample["image"]) // 2
        first, second = sample["image"][:half], sample["image"][half : 2 * half]
        look, accuracy = recogniser(source, steps=steps)
        real, _ = look(first)
        noise = np.random.default_rng(0).random(first.shape, np.float32)
        found = {"recognised": accuracy}
        for floor, images in (("real", second), ("noise", noise)):
            told = measured(*look(images), real)
            found |= {f"{k}_{floor}": told[k] for k in NAMES[:4]}
        for name in ("made", *others):
            features, which = look(np.clip(sample[name], 0, 1))
            told = measured(features[:half], which[:half], real)
            told["of_noise"] = told["frechet"] / found["frechet_noise"]
            if asked:
                told["as_asked"] = float((which == sample["asked"]).mean())
            found |= {k + ends[name]: v for k, v in told.items()}
        return found

    ends = {"made": "", **{name: f"_{name}" for name in others}}
    each = (*NAMES, "of_noise", *["as_asked"] * asked)
    floors = [f"{k}_{floor}" for floor in ("real", "noise") for k in NAMES[:4]]
    names = (*(k + end for end in ends.values() for k in each), *floors, "recognised")
    return Judge(names, score, most=2 * MOST)
