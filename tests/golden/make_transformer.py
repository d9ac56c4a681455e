"""Makes transformer.npz with PyTorch: python tests/golden/make_transformer.py.

Weights, logits and gradients of a decoder and of an encoder and decoder, in float64 and
in dljax's layout. Checked by tests/test_transformer.py.
"""

import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from experiments.bench.torch_transformer import Gpt, Translator

PATH = pathlib.Path(__file__).with_name("transformer.npz")
TOKENS, WIDTH, DEPTH, HEADS, T = 7, 8, 2, 2, 5


def make() -> dict[str, np.ndarray]:
    """{net: {"x", "y", "loss", "params/PATH", "grads/PATH"}}, joined by "/"."""
    torch.manual_seed(3)
    gpt = Gpt(TOKENS, WIDTH, DEPTH, HEADS, T)
    translator = Translator(TOKENS, WIDTH, DEPTH, HEADS, 2, T)
    there = torch.ones(3, T, dtype=torch.bool)
    there[1, 3:] = False
    found = {"translator/mask": there.double().numpy()}
    for name, net, width, others in (
        ("gpt", gpt, T, ()),
        ("translator", translator, 2 * T, (there,)),
    ):
        net.double()
        with torch.no_grad():
            for value in net.parameters():
                value.copy_(0.5 * torch.randn_like(value) + (value.ndim == 1))
        x = torch.randint(0, TOKENS, (3, width))
        y = torch.randint(0, TOKENS, (3, T))
        logits = net(x, *others)
        functional.cross_entropy(logits, y).backward()
        found |= {
            f"{name}/x": x.numpy(),
            f"{name}/y": y.numpy(),
            f"{name}/logits": logits.detach().transpose(1, 2).numpy(),
        }
        for kind in ("params", "grads"):
            for path, array in arrays(net, of=kind).items():
                found[f"{name}/{kind}/{path}"] = array
    return found


def arrays(net: nn.Module, *, of: str) -> dict[str, np.ndarray]:
    """The weights, or their gradients, by their paths in dljax's net."""
    found: dict[str, np.ndarray] = {}

    def put(path, value, *, turned=False):
        if value is not None:
            array = (value if of == "params" else value.grad).detach().numpy().copy()
            found[path] = array.T if turned else array

    def dense(path, layer):
        put(f"{path}/kernel", layer.weight, turned=True)
        put(f"{path}/bias", layer.bias)

    def norm(path, layer):
        put(f"{path}/scale", layer.weight)
        put(f"{path}/bias", layer.bias)

    def attention(path, layer):
        for name, of_all in (
            ("kernel", layer.in_proj_weight),
            ("bias", layer.in_proj_bias),
        ):
            if of_all is not None:
                put(f"{path}/{name}", of_all)
                whole = found.pop(f"{path}/{name}")
                for part, its in zip(
                    ("query", "key", "value"), np.split(whole, 3), strict=True
                ):
                    found[f"{path}/{part}/{name}"] = its.T
        dense(f"{path}/join", layer.out_proj)

    stacks = (
        {"decoder": net.blocks}
        if isinstance(net, Gpt)
        else {"encoder": net.encoder, "decoder": net.decoder}
    )
    for stack, blocks in stacks.items():
        for i, block in enumerate(blocks):
            path = f"{stack}/block_{i}"
            attention(f"{path}/attention", block.self_attn)
            norms = ["attention_norm", "each_norm"]
            if isinstance(block, nn.TransformerDecoderLayer):
                attention(f"{path}/across", block.multihead_attn)
                norms.insert(1, "across_norm")
            for j, name in enumerate(norms, 1):
                norm(f"{path}/{name}", getattr(block, f"norm{j}"))
            dense(f"{path}/widen", block.linear1)
            dense(f"{path}/narrow", block.linear2)
    put("place/embedding", net.place)
    if isinstance(net, Gpt):
        put("embed_y/embedding", net.embed.weight)
        norm("decoder/norm", net.norm)
    else:
        put("embed_x/embedding", net.theirs.weight)
        put("embed_y/embedding", net.ours.weight)
        dense("head", net.head)
    return found


if __name__ == "__main__":
    np.savez_compressed(PATH, **make())
    print(f"{PATH}: {PATH.stat().st_size} bytes")
