"""What makes images of classes: a VAE, a GAN and diffusion, of convolutions alike."""

from typing import Any

from dljax.models.autoencoder import autoencoder
from dljax.models.diffusion import unet
from dljax.models.gan import critic, generator
from dljax.tasks.diffusion import Sampler, diffusion
from dljax.tasks.gan import gan
from dljax.tasks.vae import vae
from dljax.types import SampleEvaluator, Task

KINDS = ("vae", "gan", "diffusion")
CODE = 32  # numbers of a VAE's code, and of a GAN's noise


def maker(
    kind: str,
    example: Any,
    *,
    classes: int,
    width: int,
    sides: int = 2,
    optimizers: dict[str, Any],
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """Batches {"image": (b, h, w, c) in [0, 1], "label"}; samples are "generated", of
    the classes "target_class".

    vae: its pixels are Gaussian about what is decoded. gan: hinge, a critic of spectral
    norm, one turn each. diffusion: a U-Net that tells velocities of the cosine
    schedule, and where there are classes guidance by them.

    Args:
      example: one batch of images, for its shape.
      width: features at half of the side, in the U-Net at the whole side, a multiple of
        8; twice as many at half of that.
      sides: how many a U-Net has, each half of that before.
      optimizers: {"net"}, and of a GAN {"generator", "critic"}.
      sample_evaluator: as `Task.sample_evaluator`.

    Raises:
      ValueError: another kind.
    """
    shape, channels = example.shape[1:], (width, 2 * width)
    common = {
        "example": example,
        "classes": classes,
        "sample_evaluator": sample_evaluator,
    }
    if kind == "vae":
        nets = autoencoder("conv", shape, CODE, channels=channels, codes=2)
        return vae(nets, optimizers["net"], code=CODE, likelihood="gaussian", **common)
    if kind == "gan":
        players = generator(shape, channels[::-1]), critic(channels, norm="spectral")
        return gan(*players, optimizers, noise=CODE, objective="hinge", **common)
    if kind == "diffusion":
        net = unet(tuple(width * 2**i for i in range(sides)), classes=classes)
        guided = {"generated": Sampler(guidance=1.0 if classes else 0.0)}
        return diffusion(
            net, optimizers["net"], predicted="velocity", samplers=guided, **common
        )
    raise ValueError(f"kind {kind}: must be one of {KINDS}")
