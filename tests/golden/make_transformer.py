"""Makes transformer.npz with PyTorch: python tests/golden/make_transformer.py.

Weights, logits and gradients of a decoder, of an encoder and decoder, of an encoder,
and of a block by itself, in float64 and in dljax's layout. Checked by
tests/test_transformer_parity.py.
"""

import math
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from experiments.bench.torch_transformer import EncoderDecoder, Gpt

PATH = pathlib.Path(__file__).with_name("transformer.npz")
TOKENS, WIDTH, DEPTH, HEADS, T = 7, 8, 2, 2, 5


def make() -> dict[str, np.ndarray]:
    """{net: {"x", "y", "logits", "params/PATH", "grads/PATH"}}, joined by "/"; the mask
    of places; and of the block "to_x", the gradient of (y * logits).sum().
    """
    torch.manual_seed(3)
    gpt = Gpt(TOKENS, WIDTH, DEPTH, HEADS, T)
    translator = EncoderDecoder(TOKENS, WIDTH, DEPTH, HEADS, 2, T)
    mask = torch.ones(3, T, dtype=torch.bool)
    mask[1, 3:] = False
    values = {"mask": mask.double().numpy()}
    for name, net, width, others in (
        ("gpt", gpt, T, ()),
        ("translator", translator, 2 * T, (mask,)),
        ("reader", Reader(), T, (mask,)),
    ):
        randomise(net)
        x = torch.randint(0, TOKENS, (3, width))
        y = torch.randint(0, TOKENS, (3,) if name == "reader" else (3, T))
        logits = net(x, *others)
        functional.cross_entropy(logits, y).backward()
        values |= {
            f"{name}/x": x.numpy(),
            f"{name}/y": y.numpy(),
            f"{name}/logits": logits.detach().movedim(1, -1).numpy(),
        }
        for kind in ("params", "grads"):
            for path, array in arrays(net, kind).items():
                values[f"{name}/{kind}/{path}"] = array
    return values | block_alone(mask)


def randomise(net: nn.Module) -> None:
    """Random weights in float64."""
    net.double()
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(0.5 * torch.randn_like(value) + (value.ndim == 1))


def layer() -> nn.TransformerEncoderLayer:
    """Norms are before; GELU; three times as wide inside."""
    return nn.TransformerEncoderLayer(
        WIDTH,
        HEADS,
        3 * WIDTH,
        dropout=0.0,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )


class Reader(nn.Module):
    """An encoder: tokens (n, t) -> logits (n, vocabulary), of the mean of the places
    that are not padding. Positions are of sines, then of cosines.
    """

    def __init__(self) -> None:
        super().__init__()
        self.source_embed = nn.Embedding(TOKENS, WIDTH)
        self.encoder = nn.ModuleList(layer() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, TOKENS)

    def forward(self, tokens, mask):
        waves = torch.zeros(T, WIDTH, dtype=torch.float64)
        for t in range(T):
            for i in range(half := WIDTH // 2):
                angle = t / 10_000 ** (2 * i / WIDTH)
                waves[t, i], waves[t, half + i] = math.sin(angle), math.cos(angle)
        x = self.source_embed(tokens) + waves
        for block in self.encoder:
            x = block(x, src_key_padding_mask=~mask)
        x = self.norm(x) * mask[..., None]
        return self.head(x.sum(1) / mask.sum(1, keepdim=True))


def block_alone(mask: torch.Tensor) -> dict[str, np.ndarray]:
    """Of values (3, t, width), with a mask."""
    block = layer()
    randomise(block)
    x = torch.randn(3, T, WIDTH, dtype=torch.float64, requires_grad=True)
    y = torch.randn(3, T, WIDTH, dtype=torch.float64)
    out = block(x, src_key_padding_mask=~mask)
    (out * y).sum().backward()
    assert x.grad is not None
    values = {"x": x.detach(), "y": y, "logits": out.detach(), "to_x": x.grad}
    named = {f"block/{name}": value.numpy() for name, value in values.items()}
    for kind in ("params", "grads"):
        for path, array in arrays(block, kind).items():
            named[f"block/{kind}/{path}"] = array
    return named


def arrays(net: nn.Module, kind: str) -> dict[str, np.ndarray]:
    """The weights, or their gradients, by their paths in dljax's net."""
    values: dict[str, np.ndarray] = {}

    def put(path, value, *, transpose=False):
        if value is not None:
            array = (value if kind == "params" else value.grad).detach().numpy().copy()
            values[path] = array.T if transpose else array

    def dense(path, layer):
        put(f"{path}/kernel", layer.weight, transpose=True)
        put(f"{path}/bias", layer.bias)

    def norm(path, layer):
        put(f"{path}/scale", layer.weight)
        put(f"{path}/bias", layer.bias)

    def attention(path, layer):
        for name, stacked in (
            ("kernel", layer.in_proj_weight),
            ("bias", layer.in_proj_bias),
        ):
            if stacked is not None:
                put(f"{path}/{name}", stacked)
                qkv = values.pop(f"{path}/{name}")
                for part, array in zip(
                    ("query", "key", "value"), np.split(qkv, 3), strict=True
                ):
                    values[f"{path}/{part}/{name}"] = array.T
        dense(f"{path}/out", layer.out_proj)

    block_alone_stack = [net] if isinstance(net, nn.TransformerEncoderLayer) else []
    for stack, blocks in {
        "decoder": getattr(net, "blocks", getattr(net, "decoder", [])),
        "encoder": getattr(net, "encoder", block_alone_stack),
    }.items():
        for i, block in enumerate(blocks):
            path = f"{stack}/block_{i}"
            attention(f"{path}/attention", block.self_attn)
            norms = ["attention_norm", "mlp_norm"]
            if isinstance(block, nn.TransformerDecoderLayer):
                attention(f"{path}/cross_attention", block.multihead_attn)
                norms.insert(1, "cross_attention_norm")
            for j, name in enumerate(norms, 1):
                norm(f"{path}/{name}", getattr(block, f"norm{j}"))
            dense(f"{path}/mlp_up", block.linear1)
            dense(f"{path}/mlp_down", block.linear2)
    if isinstance(net, Gpt | EncoderDecoder):
        put("position_embedding/embedding", net.positions)
    if isinstance(net, Gpt):
        put("embed_y/embedding", net.embed.weight)
        norm("decoder/norm", net.norm)
    if isinstance(net, EncoderDecoder):
        put("embed_y/embedding", net.target_embed.weight)
    if isinstance(net, Reader):
        norm("encoder/norm", net.norm)
    if isinstance(net, EncoderDecoder | Reader):
        put("embed_x/embedding", net.source_embed.weight)
        dense("head", net.head)
    return values


if __name__ == "__main__":
    np.savez_compressed(PATH, **make())
    print(f"{PATH}: {PATH.stat().st_size} bytes")
