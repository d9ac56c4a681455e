"""Diffusion networks in PyTorch, from its own layers: baselines.

Images are (n, c, h, w) in the U-Net and (n, h, w, c) in the Transformer. Submodules
have the names of dljax's; see `torch_generators.arrays`. Needs the extra `bench`.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

GROUPS = 8


def sinusoids(t, size: int):
    """Sinusoidal embedding (n, size) of times (n,)."""
    frequencies = 10_000.0 ** -(torch.arange(0, size, 2, dtype=t.dtype) / size)
    angles = t[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1)


class Condition(nn.Module):
    """Time (n,) and label (n,) -> (n, width)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.width = width
        self.Dense_0, self.Dense_1 = nn.Linear(width, width), nn.Linear(width, width)
        self.label = nn.Embedding(classes + 1, width)

    def forward(self, t, label):
        x = functional.silu(self.Dense_0(sinusoids(1000 * t, self.width)))
        return self.Dense_1(x) + self.label(label)


class ResidualBlock(nn.Module):
    """Twice group norm, SiLU and 3x3 convolution; the condition is added in between."""

    def __init__(self, inputs: int, features: int, width: int) -> None:
        super().__init__()
        self.GroupNorm_0 = nn.GroupNorm(GROUPS, inputs)
        self.GroupNorm_1 = nn.GroupNorm(GROUPS, features)
        self.Conv_0 = nn.Conv2d(inputs, features, 3, padding=1)
        self.Conv_1 = nn.Conv2d(features, features, 3, padding=1)
        self.Dense_0 = nn.Linear(width, features)
        if inputs != features:
            self.Conv_2 = nn.Conv2d(inputs, features, 1)

    def forward(self, x, condition):
        y = self.Conv_0(functional.silu(self.GroupNorm_0(x)))
        y = y + self.Dense_0(functional.silu(condition))[:, :, None, None]
        y = self.Conv_1(functional.silu(self.GroupNorm_1(y)))
        return y + (self.Conv_2(x) if hasattr(self, "Conv_2") else x)


class Attention(nn.Module):
    """Multi-head self-attention on (n, t, width)."""

    def __init__(self, width: int, heads: int, *, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        for name in ("query", "key", "value"):
            self.add_module(name, nn.Linear(width, width, bias=bias))
        self.out = nn.Linear(width, width, bias=bias)

    def forward(self, x):
        n, t, width = x.shape
        q_BHTD, k_BHTD, v_BHTD = (
            self.get_submodule(name)(x).view(n, t, self.heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        y_BHTD = functional.scaled_dot_product_attention(q_BHTD, k_BHTD, v_BHTD)
        return self.out(y_BHTD.transpose(1, 2).reshape(n, t, width))


class Unet(nn.Module):
    """Images, time (n,) and label (n,) -> images."""

    def __init__(self, channels_in: int, channels, classes: int, heads: int) -> None:
        super().__init__()
        first, last, self.levels = channels[0], channels[-1], len(channels)
        width = 4 * first
        self.Condition_0 = Condition(width, classes)
        convs = [nn.Conv2d(channels_in, first, 3, padding=1)]
        blocks = []
        for i, features in enumerate(channels):
            if i:
                convs.append(nn.Conv2d(channels[i - 1], features, 3, 2, 1))
            blocks.append(ResidualBlock(features, features, width))
        self.LayerNorm_0 = nn.LayerNorm(last)
        self.Attention_0 = Attention(last, heads, bias=False)
        blocks.append(ResidualBlock(last, last, width))
        for i in reversed(range(self.levels)):
            features = channels[i]
            if i < self.levels - 1:
                convs.append(nn.Conv2d(channels[i + 1], features, 3, padding=1))
            blocks.append(ResidualBlock(2 * features, features, width))
        self.GroupNorm_0 = nn.GroupNorm(GROUPS, first)
        convs.append(nn.Conv2d(first, channels_in, 3, padding=1))
        for kind, parts in (("Conv", convs), ("ResidualBlock", blocks)):
            for i, part in enumerate(parts):
                self.add_module(f"{kind}_{i}", part)

    def forward(self, x, t, label):
        convs = iter(self.get_submodule(f"Conv_{i}") for i in range(2 * self.levels))
        blocks = iter(
            self.get_submodule(f"ResidualBlock_{i}") for i in range(2 * self.levels + 1)
        )
        condition = self.Condition_0(t, label)
        x = next(convs)(x)
        skips = []
        for i in range(self.levels):
            x = next(convs)(x) if i else x
            x = next(blocks)(x, condition)
            skips.append(x)
        y_BTD = x.flatten(2).transpose(1, 2)
        y_BTD = y_BTD + self.Attention_0(self.LayerNorm_0(y_BTD))
        x = next(blocks)(y_BTD.transpose(1, 2).reshape(x.shape), condition)
        for i in reversed(range(self.levels)):
            if i < self.levels - 1:
                h, w = skips[i].shape[2:]
                x = functional.interpolate(x, scale_factor=2)[:, :, :h, :w]
                x = next(convs)(x)
            x = next(blocks)(torch.cat([x, skips[i]], 1), condition)
        return next(convs)(functional.silu(self.GroupNorm_0(x)))


class Dit(nn.Module):
    """A Transformer on patches: images (n, h, w, c), time and label -> images."""

    def __init__(self, patch: int, max_len: int, width: int, heads: int, classes: int):
        super().__init__()
        self.patch = patch
        self.Condition_0 = Condition(width, classes)
        self.Dense_0 = nn.Linear(patch**2, width)
        self.position_embedding = nn.Parameter(torch.zeros(max_len, width))
        block: Any = nn.Module()
        block.attention = Attention(width, heads, bias=True)
        block.attention_norm, block.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        block.mlp_up = nn.Linear(width, 4 * width)
        block.mlp_down = nn.Linear(4 * width, width)
        self.Stack_0: Any = nn.Module()
        self.Stack_0.block_0 = block
        self.Stack_0.norm = nn.LayerNorm(width)
        self.Dense_1 = nn.Linear(width, patch**2)

    def forward(self, x, t, label):
        n, h, w, _ = x.shape
        p = self.patch
        patches = x.reshape(n, h // p, p, w // p, p).transpose(2, 3)
        y = self.Dense_0(patches.reshape(n, -1, p * p)) + self.position_embedding
        y = torch.cat([self.Condition_0(t, label)[:, None], y], 1)
        block = self.Stack_0.block_0
        y = y + block.attention(block.attention_norm(y))
        y = y + block.mlp_down(functional.gelu(block.mlp_up(block.mlp_norm(y))))
        y = self.Dense_1(self.Stack_0.norm(y)[:, 1:])
        y = y.reshape(n, h // p, w // p, p, p).transpose(2, 3)
        return y.reshape(n, h, w, 1)
