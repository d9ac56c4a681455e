"""Class-conditional generators of images: VAE, GAN and diffusion."""

from typing import Any

from dljax.models.autoencoder import autoencoder
from dljax.models.diffusion import unet
from dljax.models.gan import critic, generator
from dljax.tasks.diffusion import Sampler, diffusion
from dljax.tasks.gan import gan
from dljax.tasks.vae import vae
from dljax.types import SampleEvaluator, Task

KINDS = ("vae", "gan", "diffusion")
LATENT_SIZE = 32  # of VAE and GAN


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
    """Builds a generative task on batches {"image": (b, h, w, c) in [0, 1], "label"}.

    The samples are "generated" images of the batch's labels, "target_class". By kind:
    "vae" has Gaussian pixels. "gan" has the hinge loss, a critic with spectral
    normalization, and one turn per player. "diffusion" has a U-Net that predicts v on
    the cosine schedule, with classifier-free guidance if there are classes.

    Args:
      kind: one of `KINDS`.
      example: one batch of images, for its shape.
      num_classes: number of classes; 0: unconditional.
      width: features at half the image's side (U-Net: at the full side), doubled
        wherever the side is halved; a multiple of 8.
      num_levels: number of resolutions of the U-Net.
      optimizers: {"net"}; for a GAN {"generator", "critic"}.
      sample_evaluator: see `Task.sample_evaluator`.

    Raises:
      ValueError: an unknown kind.
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
