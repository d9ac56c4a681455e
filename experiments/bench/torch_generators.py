"""Autoencoders, GANs and the training of generative nets in PyTorch: baselines.

Images are (n, c, h, w). Submodules have the names of dljax's, so that `arrays` gives
their weights by dljax's paths. Needs the extra `bench`.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .torch_diffusion import Unet


class Down(nn.Module):
    """Convolutions at a stride of 2, LeakyReLU, fully connected."""

    def __init__(self, shape, channels, outputs: int, *, slope: float = 0.2) -> None:
        super().__init__()
        side, inputs, self.slope, self.count = shape[0], shape[2], slope, len(channels)
        for i, features in enumerate(channels):
            self.add_module(f"Conv_{i}", nn.Conv2d(inputs, features, 4, 2, 1))
            inputs, side = features, -(-side // 2)
        self.Dense_0 = nn.Linear(side * side * inputs, outputs)

    def forward(self, x):
        for i in range(self.count):
            x = self.get_submodule(f"Conv_{i}")(x)
            x = functional.leaky_relu(x, self.slope)
        return self.Dense_0(x.permute(0, 2, 3, 1).flatten(1))


class Up(nn.Module):
    """Fully connected, then batch norm (optional), ReLU and transposed convolutions."""

    def __init__(self, shape, channels, inputs: int, *, norm: bool) -> None:
        super().__init__()
        self.shape, self.count, self.first = shape, len(channels), channels[0]
        self.side = math.ceil(shape[0] / 2**self.count)
        self.Dense_0 = nn.Linear(inputs, self.side**2 * self.first)
        for i, features in enumerate((*channels[1:], shape[2])):
            transposed = nn.ConvTranspose2d(channels[i], features, 4, 2, 1)
            self.add_module(f"ConvTranspose_{i}", transposed)
            normed = nn.BatchNorm2d(channels[i]) if norm else nn.Identity()
            self.add_module(f"BatchNorm_{i}", normed)

    def forward(self, z):
        x = self.Dense_0(z).view(len(z), self.side, self.side, self.first)
        x = x.permute(0, 3, 1, 2)
        for i in range(self.count):
            x = functional.relu(self.get_submodule(f"BatchNorm_{i}")(x))
            x = self.get_submodule(f"ConvTranspose_{i}")(x)
        return x[:, :, : self.shape[0], : self.shape[1]]


class Generator(nn.Module):
    """Latents (n, latent_dim) -> images in [0, 1]."""

    def __init__(self, shape, channels, latent_dim: int) -> None:
        super().__init__()
        self.up = Up(shape, channels, latent_dim, norm=True)

    def forward(self, z):
        return self.up(z).sigmoid()


class Critic(nn.Module):
    """Images in [0, 1] -> scores (n,)."""

    def __init__(self, shape, channels) -> None:
        super().__init__()
        self.down = Down(shape, channels, 1)

    def forward(self, x):
        return self.down(2 * x - 1)[:, 0]


class ConvVae(nn.Module):
    """Images -> logits of pixels, mean and log variance of the posterior."""

    def __init__(self, shape, channels, latent_dim: int) -> None:
        super().__init__()
        self.encoder = Down(shape, channels, 2 * latent_dim, slope=0.0)
        self.decoder = Up(shape, channels[::-1], latent_dim, norm=False)

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, -1)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        return self.decoder(z), mean, log_variance


class GenerativeTrainer:
    """One run of a generative net: uint8 images (n, h, w, c) and labels in memory."""

    def __init__(self, case, images, labels) -> None:
        self.case = case
        self.images = torch.as_tensor(images.transpose(0, 3, 1, 2).copy())
        self.labels = torch.as_tensor(labels)
        shape, channels = case.image, case.channels
        if case.generative == "vae":
            self.nets: list[Any] = [ConvVae(shape, channels, case.hidden[0])]
        elif case.generative == "dcgan":
            generator = Generator(shape, channels[::-1], case.hidden[0])
            self.nets = [Critic(shape, channels), generator]
        else:
            self.nets = [Unet(shape[2], channels, 10, 4)]
        self.optimizers = [
            torch.optim.Adam(net.parameters(), lr=1e-3, fused=True) for net in self.nets
        ]
        steps = torch.arange(1000) / 1000
        self.alpha_bar = torch.cos((steps + 0.008) / 1.008 * math.pi / 2) ** 2

    def steps(self, rows: torch.Tensor, count: int) -> None:
        """`count` updates on consecutive batches of the permutation `rows`."""
        b = self.case.batch_size
        for i in range(count):
            batch = rows[i % (len(rows) // b) * b :][:b]
            x, label = self.images[batch].float() / 255, self.labels[batch]
            if self.case.generative == "dcgan":
                self._update(0, lambda x=x: self._critic_loss(x[: b // 2]))
                self._update(1, self._generator_loss)
            elif self.case.generative == "vae":
                self._update(0, lambda x=x: self._negative_elbo(x))
            else:
                self._update(0, lambda x=x, label=label: self._diffusion_loss(x, label))

    def _update(self, i, loss):
        self.optimizers[i].zero_grad(set_to_none=True)
        loss().backward(inputs=list(self.nets[i].parameters()))
        self.optimizers[i].step()

    def _negative_elbo(self, x):
        logits, mean, log_variance = self.nets[0](x)
        reconstruction = functional.binary_cross_entropy_with_logits(
            logits, x, reduction="sum"
        )
        kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum()
        return (reconstruction + kl) / len(x)

    def _generate(self):
        return self.nets[1](torch.randn(self.case.batch_size // 2, self.case.hidden[0]))

    def _critic_loss(self, x):
        critic = self.nets[0]
        with torch.no_grad():
            fake = self._generate()
        real = functional.softplus(-critic(x)).mean()
        return real + functional.softplus(critic(fake)).mean()

    def _generator_loss(self):
        return functional.softplus(-self.nets[0](self._generate())).mean()

    def _diffusion_loss(self, x, label):
        t = torch.randint(1000, (len(x),))
        alpha_bar = self.alpha_bar[t].view(-1, 1, 1, 1)
        noise = torch.randn_like(x)
        noisy = alpha_bar.sqrt() * (2 * x - 1) + (1 - alpha_bar).sqrt() * noise
        label = torch.where(torch.rand(len(x)) < 0.1, 10, label)
        return functional.mse_loss(self.nets[0](noisy, t / 1000, label), noise)


def arrays(net: nn.Module, kind: str) -> dict[str, np.ndarray]:
    """The weights ("params"), or their gradients ("grads"), by dljax's paths."""
    weights = {}
    value: Any
    for name, value in net.named_parameters():
        array = np.asarray((value if kind == "params" else value.grad).detach())
        *path, leaf = name.split(".")
        owner = net.get_submodule(".".join(path))
        if leaf == "weight":
            leaf = "kernel"
            if isinstance(owner, nn.Embedding):
                leaf = "embedding"
            elif array.ndim == 1:
                leaf = "scale"
            else:
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
        weights["/".join([*path, leaf])] = array.copy()
    return weights
