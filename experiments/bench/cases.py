"""The cases of `step_time`: networks and tasks, in dljax and in PyTorch."""

from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """A network and the size of its data.

    The first field that is set, from the last to the first, decides what the network
    is: `generative` a convolutional VAE ("vae"), a DCGAN whose two turns share the
    batch ("dcgan") or a diffusion U-Net ("unet"); `transformer` a "decoder" or an
    "encoder_decoder" of `depth` blocks; `vocabulary` a recurrent net with attention
    that translates sentences of image[0] tokens; `cell` a recurrent net that reads
    images row by row; `depth` a ResNet; `channels` a CNN; else an MLP.
    """

    hidden: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    depth: int = 0
    cell: str = ""
    batch_size: int = 128
    image: tuple[int, int, int] = (28, 28, 1)
    vocabulary: int = 0
    transformer: str = ""
    generative: str = ""


CASES = {
    "mlp": Case((512, 512)),
    "lenet": Case((256,), (32, 64)),
    "resnet8": Case(depth=8, batch_size=64, image=(32, 32, 3)),
    "resnet20": Case(depth=20, batch_size=64, image=(32, 32, 3)),
} | {
    f"{cell}{length}": Case((128,), cell=cell, batch_size=64, image=(length, 64, 1))
    for cell in ("rnn", "gru", "lstm")
    for length in (100, 400)
}
CASES |= {
    f"attention{length}": Case(
        (128,), cell="gru", batch_size=64, image=(length, 1, 1), vocabulary=2000
    )
    for length in (100, 400)
}
CASES |= {
    "gpt": Case(  # nanoGPT's for a CPU
        (128,),
        depth=4,
        batch_size=12,
        image=(64, 1, 1),
        vocabulary=65,
        transformer="decoder",
    ),
    "translator": Case(
        (128,),
        depth=3,
        batch_size=64,
        image=(24, 1, 1),
        vocabulary=2000,
        transformer="encoder_decoder",
    ),
}


CASES |= {
    "vae": Case((20,), (32, 64), generative="vae"),
    "dcgan": Case((64,), (32, 64), generative="dcgan"),
    "unet": Case(channels=(32, 64), batch_size=32, generative="unet"),
}


def data(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Random images, uint8 (n, h, w, c), and labels, int64 (n,); or random sentences
    and translations, both int32 (n, t).
    """
    rng = np.random.default_rng(0)
    image = case.image
    if case.vocabulary:
        x, y = rng.integers(4, case.vocabulary, (2, 10_000, image[0]), np.int32)
        return x, y
    images = rng.integers(0, 256, (10_000, *image), np.uint8)
    return images, rng.integers(0, 10, 10_000)


def source_and_task(case: Case) -> tuple[Any, Any]:
    """The source and the task of a case, in dljax."""
    return tokens_case(case) if case.vocabulary else images_case(case)


def images_case(case: Case) -> tuple[Any, Any]:
    """The source and the task of a case of images, in dljax."""
    import jax.numpy as jnp

    from dljax.datasets.array_dataset import ArrayDataset
    from dljax.models.cnn import cnn
    from dljax.models.mlp import mlp
    from dljax.models.net import map_inputs
    from dljax.models.recurrent import image_rows, recurrent
    from dljax.models.resnet import resnet
    from dljax.sources.resident import resident
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    images, labels = data(case)
    arrays = {"image": images, "label": labels.astype(np.int32)}
    examples = np.arange(len(labels))
    splits = {"train": examples, "test": examples[:500]}
    source = resident(ArrayDataset("random", "1", arrays, splits, ()))
    if case.generative:
        return source, generative_task(case, jnp.zeros((1, *case.image)))
    if case.depth:
        net = resnet(case.depth, 10)
    elif case.cell:
        net = recurrent("many_to_one", case.cell, case.hidden[0], 10)
        net = map_inputs(net, image_rows)
    elif case.channels:
        net = cnn(case.channels, case.hidden[0], 10)
    else:
        net = mlp(case.hidden, 10)
    task = classification(net, adamw(1e-3), example=jnp.zeros((1, *case.image)))
    return source, task


def generative_task(case: Case, example: Any) -> Any:
    """The task of a VAE, a GAN or a diffusion model, in dljax."""
    from dljax.models.autoencoder import autoencoder
    from dljax.models.diffusion import unet
    from dljax.models.gan import critic, generator
    from dljax.tasks.diffusion import diffusion
    from dljax.tasks.gan import gan
    from dljax.tasks.vae import vae
    from dljax.training.optimizers import adamw

    if case.generative == "vae":
        size, channels = case.hidden[0], case.channels
        nets = autoencoder("conv", case.image, size, channels=channels, codes=2)
        return vae(nets, adamw(1e-3), example=example, latent_size=size)
    if case.generative == "dcgan":
        optimizers = {name: adamw(1e-3) for name in ("generator", "critic")}
        return gan(
            generator(case.image, case.channels[::-1]),
            critic(case.channels),
            optimizers,
            example=example,
            latent_size=case.hidden[0],
        )
    net = unet(case.channels, classes=10)
    return diffusion(net, adamw(1e-3), example=example, num_classes=10)


def tokens_case(case: Case) -> tuple[Any, Any]:
    """The source and the task of a case of sentences, in dljax."""
    from dljax.models.recurrent import recurrent
    from dljax.models.transformer import transformer
    from dljax.sources.examples import example_batch
    from dljax.sources.resident import order, take_rows
    from dljax.tasks.tokens import tokens
    from dljax.training.optimizers import adamw
    from dljax.types import Source

    x, y = data(case)
    rows = np.arange(len(y))
    arrays = {"x": x, "y": y, "decoder_inputs": np.roll(y, 1, axis=1)}
    splits = {"train": rows[:9000], "valid": rows[:500], "test": rows[:500]}
    source = Source("random", "1", "", arrays, lambda seed: splits, order, take_rows)
    width, k = case.hidden[0], case.vocabulary
    options: dict[str, Any] = {}
    if case.transformer:
        options = {"depth": case.depth, "heads": 4, "max_len": case.image[0]}
    if case.transformer == "decoder":
        net = transformer("decoder", width, k, bias=False, tied=True, **options)
        return source, tokens(net, adamw(1e-3), example=example_batch(source, "x")["x"])
    inputs = example_batch(source, "x", "decoder_inputs")
    if case.transformer:
        options |= {"vocabulary": k, "norm": "post", "activation": "relu"}
        options |= {"mlp_ratio": 2}
        net = transformer("encoder_decoder", width, k, **options)
        return source, tokens(
            net, adamw(1e-3), example=inputs, input_keys=tuple(inputs)
        )
    net = recurrent(
        "attention",
        case.cell,
        case.hidden[0],
        case.vocabulary,
        vocabulary=case.vocabulary,
        embedding=64,
        bidirectional=True,
    )
    return source, tokens(net, adamw(1e-3), example=inputs, input_keys=tuple(inputs))


def torch_net_and_data(case: Case) -> tuple[Any, np.ndarray, np.ndarray]:
    """The network of a case in PyTorch, with its inputs and labels."""
    from . import torch_models, torch_transformer

    x, y = data(case)
    net: Any
    if case.vocabulary:
        width, k, length = case.hidden[0], case.vocabulary, case.image[0]
        if case.transformer == "decoder":
            return torch_transformer.Gpt(k, width, case.depth, 4, length), x, y
        if case.transformer:
            net = torch_transformer.EncoderDecoder(k, width, case.depth, 4, 2, length)
        else:
            net = torch_models.Seq2Seq(k, 64, width)
        return net, np.concatenate([x, np.roll(y, 1, axis=1)], axis=1), y
    if case.depth:
        net = torch_models.resnet(case.depth, 10)
    elif case.cell:
        net = torch_models.Recurrent(case.cell, case.image[1], case.hidden[0], 10)
    elif case.channels:
        net = torch_models.cnn(28, case.channels, case.hidden[0], 10)
    else:
        net = torch_models.mlp(784, case.hidden, 10)
    return net, x.transpose(0, 3, 1, 2).copy(), y
