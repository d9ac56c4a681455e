"""Class-conditional generators of images: a VAE, a GAN and diffusion."""

from typing import Any

from dljax.models.autoencoder import autoencoder
from dljax.models.diffusion import unet
from dljax.models.gan import critic, generator
from dljax.tasks.diffusion import Sampler, diffusion
from dljax.tasks.gan import gan
from dljax.tasks.vae import vae
from dljax.types import SampleEvaluator, Task

KINDS = ("vae", "gan", "diffusion")
LATENT_SIZE = 32  # of a VAE and of a GAN


def conditional_generator(
    kind: str,
    example: Any,
    *,
    num_classes: int,
    width: int,
    num_levels: int = 2,
    optimizers: dict[str, Any],
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """A generative task on batches {"image": (b, h, w, c) in [0, 1], "label"}.

    Samples are "generated", of the batch's labels, "target_class". vae: Gaussian
    pixels. gan: hinge loss, a critic with spectral norm, one turn each. diffusion: a
    U-Net that predicts v on the cosine schedule; with classes, guidance by the label.

    Args:
      example: one batch of images, for its shape.
      num_classes: number of classes (0: unconditional).
      width: features at half of the image's side, in the U-Net at the full side, a
        multiple of 8; doubled wherever the side is halved.
      num_levels: resolutions of the U-Net.
      optimizers: {"net"}, and of a GAN {"generator", "critic"}.
      sample_evaluator: as `Task.sample_evaluator`.

    Raises:
      ValueError: another kind.
    """
    shape, channels = example.shape[1:], (width, 2 * width)
    common = {
        "example": example,
        "num_classes": num_classes,
        "sample_evaluator": sample_evaluator,
    }
    if kind == "vae":
        nets = autoencoder("conv", shape, LATENT_SIZE, channels=channels, codes=2)
        return vae(
            nets,
            optimizers["net"],
            latent_size=LATENT_SIZE,
            likelihood="gaussian",
            **common,
        )
    if kind == "gan":
        players = generator(shape, channels[::-1]), critic(channels, norm="spectral")
        return gan(
            *players, optimizers, latent_size=LATENT_SIZE, objective="hinge", **common
        )
    if kind == "diffusion":
        net = unet(tuple(width * 2**i for i in range(num_levels)), classes=num_classes)
        samplers = {"generated": Sampler(guidance=1.0 if num_classes else 0.0)}
        return diffusion(
            net, optimizers["net"], prediction_type="v", samplers=samplers, **common
        )
    raise ValueError(f"kind {kind}: must be one of {KINDS}")
