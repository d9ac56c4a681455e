"""Autoencoders and GANs in PyTorch, of its own layers: what dljax's are held to.

Images are (n, c, h, w), as PyTorch has them. Parts have the names of dljax's parts, so
that `arrays` gives their weights by dljax's paths.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from experiments.bench.torch_denoisers import Unet


class Down(nn.Module):
    """Convolutions at a stride of 2, LeakyReLU, fully connected."""

    def __init__(self, shape, channels, outputs: int, *, slope: float = 0.2) -> None:
        super().__init__()
        side, before, self.slope, self.count = shape[0], shape[2], slope, len(channels)
        for i, features in enumerate(channels):
            self.add_module(f"Conv_{i}", nn.Conv2d(before, features, 4, 2, 1))
            before, side = features, -(-side // 2)
        self.Dense_0 = nn.Linear(side * side * before, outputs)

    def forward(self, x):
        for i in range(self.count):
            x = self.get_submodule(f"Conv_{i}")(x)
            x = functional.leaky_relu(x, self.slope)
        return self.Dense_0(x.permute(0, 2, 3, 1).flatten(1))


class Up(nn.Module):
    """Fully connected; batch norm if asked for, ReLU, transposed convolutions."""

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
    """Noise (n, k) -> images in [0, 1]."""

    def __init__(self, shape, channels, noise: int) -> None:
        super().__init__()
        self.up = Up(shape, channels, noise, norm=True)

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
    """Images -> logits of pixels, mean and log variance of a drawn code."""

    def __init__(self, shape, channels, code: int) -> None:
        super().__init__()
        self.encoder = Down(shape, channels, 2 * code, slope=0.0)
        self.decoder = Up(shape, channels[::-1], code, norm=False)

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, -1)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        return self.decoder(z), mean, log_variance


class Maker:
    """One run of what makes images: uint8 (n, h, w, c) and labels in memory."""

    def __init__(self, size, images, labels) -> None:
        self.size = size
        self.images = torch.as_tensor(images.transpose(0, 3, 1, 2).copy())
        self.labels = torch.as_tensor(labels)
        shape, channels = size.image, size.channels
        if size.makes == "vae":
            self.nets: list[Any] = [ConvVae(shape, channels, size.hidden[0])]
        elif size.makes == "dcgan":
            generator = Generator(shape, channels[::-1], size.hidden[0])
            self.nets = [Critic(shape, channels), generator]
        else:
            self.nets = [Unet(shape[2], channels, 10, 4)]
        self.optimizers = [
            torch.optim.Adam(net.parameters(), lr=1e-3, fused=True) for net in self.nets
        ]
        steps = torch.arange(1000) / 1000
        self.kept = torch.cos((steps + 0.008) / 1.008 * math.pi / 2) ** 2

    def steps(self, rows: torch.Tensor, count: int) -> None:
        """`count` updates on consecutive batches of the permutation `rows`."""
        b = self.size.batch
        for i in range(count):
            at = rows[i % (len(rows) // b) * b :][:b]
            x, label = self.images[at].float() / 255, self.labels[at]
            if self.size.makes == "dcgan":
                self._move(0, lambda x=x: self._critic(x[: b // 2]))
                self._move(1, self._generator)
            elif self.size.makes == "vae":
                self._move(0, lambda x=x: self._bound(x))
            else:
                self._move(0, lambda x=x, label=label: self._noise(x, label))

    def _move(self, i, loss):
        self.optimizers[i].zero_grad(set_to_none=True)
        loss().backward(inputs=list(self.nets[i].parameters()))
        self.optimizers[i].step()

    def _bound(self, x):
        logits, mean, log_variance = self.nets[0](x)
        missed = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum()
        return (missed + kl) / len(x)

    def _made(self):
        return self.nets[1](torch.randn(self.size.batch // 2, self.size.hidden[0]))

    def _critic(self, x):
        critic = self.nets[0]
        with torch.no_grad():
            fake = self._made()
        real = functional.softplus(-critic(x)).mean()
        return real + functional.softplus(critic(fake)).mean()

    def _generator(self):
        return functional.softplus(-self.nets[0](self._made())).mean()

    def _noise(self, x, label):
        t = torch.randint(1000, (len(x),))
        kept = self.kept[t].view(-1, 1, 1, 1)
        noise = torch.randn_like(x)
        noisy = kept.sqrt() * (2 * x - 1) + (1 - kept).sqrt() * noise
        label = torch.where(torch.rand(len(x)) < 0.1, 10, label)
        return functional.mse_loss(self.nets[0](noisy, t / 1000, label), noise)


def arrays(net: nn.Module, *, of: str) -> dict[str, np.ndarray]:
    """The weights ("params"), or their gradients ("grads"), by dljax's paths."""
    found = {}
    value: Any
    for name, value in net.named_parameters():
        array = np.asarray((value if of == "params" else value.grad).detach())
        *path, kind = name.split(".")
        owner = net.get_submodule(".".join(path))
        if kind == "weight":
            kind = "kernel"
            if isinstance(owner, nn.Embedding):
                kind = "embedding"
            elif array.ndim == 1:
                kind = "scale"
            else:
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
        found["/".join([*path, kind])] = array.copy()
    return found
