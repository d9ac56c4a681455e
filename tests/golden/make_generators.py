"""Makes generators.npz with PyTorch: python tests/golden/make_generators.py.

Weights, what is given, outputs and gradients of a transposed convolution, DCGAN's two
nets, a U-Net and a Transformer of squares, computed in float64, in dljax's layout.
Checked by tests/test_generators.py.
"""

import pathlib

import numpy as np
import torch
from torch import nn

from experiments.bench.torch_diffusion import Dit, Unet
from experiments.bench.torch_generators import Critic, Generator, arrays

PATH = pathlib.Path(__file__).with_name("generators.npz")
SHAPE = (8, 8, 1)


class Transposed(nn.Module):
    """One transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(3, 2, 4, 2, 1)

    def forward(self, x):
        return self.conv(x)


def make() -> dict[str, np.ndarray]:
    """{net: {"x", "t", "label", "g", "y", "dx", "params/PATH", "grads/PATH"}}, joined
    by "/".
    """
    torch.manual_seed(5)
    image, label = torch.randn(3, 1, 8, 8), torch.tensor([0, 2, 1])
    times = torch.tensor([0.1, 0.5, 0.9], dtype=torch.double)
    nets = {
        "transposed": (Transposed(), torch.randn(2, 3, 3, 4)),
        "generator": (Generator(SHAPE, (4, 3), 2), torch.randn(5, 2)),
        "critic": (Critic(SHAPE, (3, 4)), image.sigmoid()),
        "unet": (Unet(1, (8, 8), 2, 2), image),
        "dit": (Dit(2, 16, 8, 2, 2), image.permute(0, 2, 3, 1)),
    }
    values: dict[str, np.ndarray] = {}
    for name, (net, x) in nets.items():
        net.double()
        with torch.no_grad():
            for value in net.parameters():
                value.copy_(0.3 * torch.randn_like(value) + 0.5 * (value.ndim == 1))
        x = x.double().requires_grad_()
        others = (times, label) if name in ("unet", "dit") else ()
        y = net(x, *others)
        g = torch.randn_like(y)
        y.backward(g)
        channels_first = name != "dit"  # whose images have their channels last
        for key, value in (("x", x), ("y", y), ("g", g), ("dx", x.grad)):
            channels_last = (
                value.permute(0, 2, 3, 1)
                if value.ndim == 4 and channels_first
                else value
            )
            values[f"{name}/{key}"] = channels_last.detach().numpy()
        for kind in ("params", "grads"):
            for path, array in arrays(net, kind).items():
                values[f"{name}/{kind}/{path}"] = array
    float32 = {k: v.astype(np.float32) for k, v in values.items()}
    return float32 | {"t": times.numpy(), "label": label.numpy()}


if __name__ == "__main__":
    np.savez_compressed(PATH, **make())
    print(f"{PATH}: {PATH.stat().st_size} bytes")
