"""What `step_time` measures: each case as a network and a task of either side."""

from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """An MLP's hidden widths; with channels, a CNN's; with a depth, a ResNet; with a
    cell, a recurrent net of so many neurons that reads the images row by row; with a
    vocabulary, one that translates sentences as long as these with attention, or a
    Transformer of so many blocks: a decoder, or an encoder and a decoder. Or what makes
    images: a convolutional VAE, a DCGAN, each of whose two turns has half of the batch,
    or a U-Net of diffusion.
    """

    hidden: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    depth: int = 0
    cell: str = ""
    batch: int = 128
    image: tuple[int, int, int] = (28, 28, 1)
    vocabulary: int = 0
    transformer: str = ""
    makes: str = ""


CASES = {
    "mlp": Case((512, 512)),
    "lenet": Case((256,), (32, 64)),
    "resnet8": Case(depth=8, batch=64, image=(32, 32, 3)),
    "resnet20": Case(depth=20, batch=64, image=(32, 32, 3)),
} | {
    f"{cell}{length}": Case((128,), cell=cell, batch=64, image=(length, 64, 1))
    for cell in ("rnn", "gru", "lstm")
    for length in (100, 400)
}
CASES |= {
    f"attention{length}": Case(
        (128,), cell="gru", batch=64, image=(length, 1, 1), vocabulary=2000
    )
    for length in (100, 400)
}
CASES |= {
    "gpt": Case(  # nanoGPT's for a CPU
        (128,),
        depth=4,
        batch=12,
        image=(64, 1, 1),
        vocabulary=65,
        transformer="decoder",
    ),
    "translator": Case(
        (128,),
        depth=3,
        batch=64,
        image=(24, 1, 1),
        vocabulary=2000,
        transformer="encoder_decoder",
    ),
}


CASES |= {
    "vae": Case((20,), (32, 64), makes="vae"),
    "dcgan": Case((64,), (32, 64), makes="dcgan"),
    "unet": Case(channels=(32, 64), batch=32, makes="unet"),
}


def data(size: Case) -> tuple[np.ndarray, np.ndarray]:
    """Random images and labels: (uint8 (n, h, w, c), int64 (n,)); or sentences and
    translations, int32 (n, t) both.
    """
    rng = np.random.default_rng(0)
    image = size.image
    if size.vocabulary:
        x, y = rng.integers(4, size.vocabulary, (2, 10_000, image[0]), np.int32)
        return x, y
    images = rng.integers(0, 256, (10_000, *image), np.uint8)
    return images, rng.integers(0, 10, 10_000)


def ours(size: Case) -> tuple[Any, Any]:
    """dljax's source and task."""
    return of_tokens(size) if size.vocabulary else of_images(size)


def of_images(size: Case) -> tuple[Any, Any]:
    """dljax's source and task of images."""
    import jax.numpy as jnp

    from dljax.datasets.array_dataset import ArrayDataset
    from dljax.models.cnn import cnn
    from dljax.models.mlp import mlp
    from dljax.models.net import of_input
    from dljax.models.recurrent import recurrent, rows
    from dljax.models.resnet import resnet
    from dljax.sources.resident import resident
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    images, labels = data(size)
    arrays = {"image": images, "label": labels.astype(np.int32)}
    every = np.arange(len(labels))
    table = ArrayDataset(
        "random", "1", arrays, {"train": every, "test": every[:500]}, ()
    )
    if size.makes:
        return resident(table), of_makers(size, jnp.zeros((1, *size.image)))
    if size.depth:
        net = resnet(size.depth, 10)
    elif size.cell:
        net = recurrent("many_to_one", size.cell, size.hidden[0], 10)
        net = of_input(net, rows)
    elif size.channels:
        net = cnn(size.channels, size.hidden[0], 10)
    else:
        net = mlp(size.hidden, 10)
    task = classification(net, adamw(1e-3), example=jnp.zeros((1, *size.image)))
    return resident(table), task


def of_makers(size: Case, example: Any) -> Any:
    """dljax's task of making images."""
    from dljax.models.autoencoder import autoencoder
    from dljax.models.diffusion import unet
    from dljax.models.gan import critic, generator
    from dljax.tasks.diffusion import diffusion
    from dljax.tasks.gan import gan
    from dljax.tasks.vae import vae
    from dljax.training.optimizers import adamw

    if size.makes == "vae":
        code = size.hidden[0]
        nets = autoencoder("conv", size.image, code, channels=size.channels, codes=2)
        return vae(nets, adamw(1e-3), example=example, code=code)
    if size.makes == "dcgan":
        optimizers = {name: adamw(1e-3) for name in ("generator", "critic")}
        return gan(
            generator(size.image, size.channels[::-1]),
            critic(size.channels),
            optimizers,
            example=example,
            noise=size.hidden[0],
        )
    net = unet(size.channels, classes=10)
    return diffusion(net, adamw(1e-3), example=example, classes=10)


def of_tokens(size: Case) -> tuple[Any, Any]:
    """dljax's source and task of sentences."""
    from dljax.models.recurrent import recurrent
    from dljax.models.transformer import transformer
    from dljax.sources.resident import example, order, take
    from dljax.tasks.tokens import tokens
    from dljax.training.optimizers import adamw
    from dljax.types import Source

    x, y = data(size)
    every = np.arange(len(y))
    arrays = {"x": x, "y": y, "before": np.roll(y, 1, axis=1)}
    parts = {"train": every[:9000], "valid": every[:500], "test": every[:500]}
    source = Source("random", "1", "", arrays, lambda seed: parts, order, take)
    width, k = size.hidden[0], size.vocabulary
    options: dict[str, Any] = {}
    if size.transformer:
        options = {"depth": size.depth, "heads": 4, "longest": size.image[0]}
    if size.transformer == "decoder":
        net = transformer("decoder", width, k, bias=False, tied=True, **options)
        return source, tokens(net, adamw(1e-3), example=example(source, "x")["x"])
    one = example(source, "x", "before")
    if size.transformer:
        options |= {"vocabulary": k, "norm": "after", "activation": "relu", "ratio": 2}
        net = transformer("encoder_decoder", width, k, **options)
        return source, tokens(net, adamw(1e-3), example=one, given=tuple(one))
    net = recurrent(
        "attention",
        size.cell,
        size.hidden[0],
        size.vocabulary,
        vocabulary=size.vocabulary,
        embedding=64,
        bidirectional=True,
    )
    return source, tokens(net, adamw(1e-3), example=one, given=tuple(one))


def theirs(size: Case) -> tuple[Any, np.ndarray, np.ndarray]:
    """PyTorch's network, and what it is given and asked for."""
    from experiments.bench import torch_side, torch_transformer

    x, y = data(size)
    net: Any
    if size.vocabulary:
        width, k, length = size.hidden[0], size.vocabulary, size.image[0]
        if size.transformer == "decoder":
            return torch_transformer.Gpt(k, width, size.depth, 4, length), x, y
        if size.transformer:
            net = torch_transformer.Translator(k, width, size.depth, 4, 2, length)
        else:
            net = torch_side.Translator(k, 64, width)
        return net, np.concatenate([x, np.roll(y, 1, axis=1)], axis=1), y
    if size.depth:
        net = torch_side.resnet(size.depth, 10)
    elif size.cell:
        net = torch_side.Recurrent(size.cell, size.image[1], size.hidden[0], 10)
    elif size.channels:
        net = torch_side.cnn(28, size.channels, size.hidden[0], 10)
    else:
        net = torch_side.mlp(784, size.hidden, 10)
    return net, x.transpose(0, 3, 1, 2).copy(), y
