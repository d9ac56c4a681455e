"""Makes torch.npz with PyTorch: python tests/golden/make.py (extra `bench`).

Random arrays of a fixed seed through PyTorch's layers and training steps: inputs,
outputs and gradients, in dljax's layout (NHWC, HWIO). Checked by tests/test_layers.py
and its neighbours everywhere, and made live and compared where PyTorch is installed.
"""

import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from experiments.bench import torch_models

PATH = pathlib.Path(__file__).with_name("torch.npz")


def make() -> dict[str, np.ndarray]:
    """All arrays, as float32 or int64; those of recurrent cells as float64."""
    rng = np.random.default_rng(0)
    found: dict[str, np.ndarray] = {}

    def given(name, *shape):
        found[name] = rng.normal(size=shape).astype(np.float32)
        return torch.tensor(found[name], requires_grad=True)

    def to_nchw(x):
        return x.permute(0, 3, 1, 2)

    def to_nhwc(x):
        return x.permute(0, 2, 3, 1)

    def convolved(name, x, kernel, *, stride):
        x, kernel = given(f"{name}_x", *x), given(f"{name}_kernel", *kernel)
        places = range(1, x.ndim - 1)
        form = functional.conv3d if x.ndim == 5 else functional.conv2d
        y = form(
            x.permute(0, x.ndim - 1, *places),
            kernel.permute(-1, -2, *range(x.ndim - 2)),
            stride=stride,
            padding=kernel.shape[0] // 2,
        ).permute(0, *(i + 1 for i in places), 1)
        g = given(f"{name}_g", *y.shape)
        y.backward(g.detach())
        made = {"y": y.detach(), "dx": x.grad, "dk": kernel.grad}
        found.update({f"{name}_{k}": v.numpy() for k, v in made.items()})

    convolved("conv_first", (2, 6, 6, 1), (3, 3, 1, 3), stride=1)
    convolved("conv_wide", (2, 5, 5, 4), (3, 3, 4, 3), stride=1)
    for name, pool in (
        ("max", functional.max_pool2d),
        ("average", functional.avg_pool2d),
    ):
        x = given(f"{name}_x", 2, 5, 6, 3)
        y = to_nhwc(pool(to_nchw(x), 2))
        g = given(f"{name}_g", *y.shape)
        y.backward(g.detach())
        found |= {f"{name}_y": y.detach().numpy(), f"{name}_dx": x.grad.numpy()}
    # One step of Adam on a small CNN: conv, ReLU, max pooling, dense, cross-entropy.
    x, labels = given("step_x", 4, 6, 6, 1).detach(), np.array([0, 2, 1, 2])
    found["step_labels"] = labels
    conv, dense = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(18, 3)
    for part, shapes in ((conv, ((2, 1, 3, 3), (2,))), (dense, ((3, 18), (3,)))):
        for kind, shape in zip(("weight", "bias"), shapes, strict=True):
            value = torch.tensor(rng.normal(size=shape).astype(np.float32) * 0.3)
            getattr(part, kind).data.copy_(value)
    found["step_kernel"] = conv.weight.detach().permute(2, 3, 1, 0).numpy().copy()
    found["step_conv_bias"] = conv.bias.detach().numpy().copy()
    found["step_dense"] = dense.weight.detach().numpy().T.copy()
    found["step_dense_bias"] = dense.bias.detach().numpy().copy()
    optimizer = torch.optim.Adam([*conv.parameters(), *dense.parameters()], lr=0.01)
    h = to_nhwc(functional.max_pool2d(functional.relu(conv(to_nchw(x))), 2))
    loss = functional.cross_entropy(dense(h.flatten(1)), torch.tensor(labels))
    loss.backward()
    optimizer.step()
    found["step_loss"] = loss.detach().numpy()
    found["after_kernel"] = conv.weight.detach().permute(2, 3, 1, 0).numpy()
    found["after_conv_bias"] = conv.bias.detach().numpy()
    found["after_dense"] = dense.weight.detach().numpy().T
    found["after_dense_bias"] = dense.bias.detach().numpy()
    # Later arrays come last, so that those before them stay what they are.
    convolved("conv_even", (2, 6, 8, 3), (3, 3, 3, 4), stride=2)
    convolved("conv_odd", (2, 5, 7, 3), (3, 3, 3, 4), stride=2)
    convolved("conv_one", (2, 6, 6, 3), (1, 1, 3, 4), stride=2)
    convolved("conv_clip", (2, 4, 5, 6, 2), (3, 3, 3, 2, 3), stride=1)
    return found | residual() | recurrent()


def residual() -> dict[str, np.ndarray]:
    """Two steps of SGD with momentum and weight decay on a ResNet-8 of width 2."""
    rng = np.random.default_rng(1)
    net = torch_models.resnet(8, 3, width=2)
    with torch.no_grad():
        for value in net.parameters():
            noise = torch.tensor(rng.normal(size=value.shape).astype(np.float32))
            value.copy_(0.3 * noise + (value.ndim == 1))
    x = rng.normal(size=(6, 8, 8, 3)).astype(np.float32)
    labels = rng.integers(0, 3, 6)
    found = {
        "resnet_x": x,
        "resnet_labels": labels,
        **resnet_arrays("resnet_before", net),
    }
    optimizer = torch.optim.SGD(
        net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4
    )
    for _ in range(2):
        optimizer.zero_grad()
        y = net(torch.tensor(x).permute(0, 3, 1, 2))
        functional.cross_entropy(y, torch.tensor(labels)).backward()
        optimizer.step()
        found.setdefault("resnet_y", y.detach().numpy())
    net.eval()
    found |= resnet_arrays("resnet_after", net)
    with torch.no_grad():
        return {
            **found,
            "resnet_evaluated": net(torch.tensor(x).permute(0, 3, 1, 2)).numpy(),
        }


def recurrent() -> dict[str, np.ndarray]:
    """Each cell over five steps from a memory of its own: outputs and gradients."""
    torch.manual_seed(2)
    found = {}
    for name, kind in (("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)):
        net = kind(2, 4).double()
        x = torch.randn(5, 3, 2, dtype=torch.double, requires_grad=True)
        memory = [
            torch.randn(1, 3, 4, dtype=torch.double, requires_grad=True)
            for _ in range(2 if name == "lstm" else 1)
        ]
        y, _ = net(x, tuple(memory) if name == "lstm" else memory[0])
        g = torch.randn_like(y)
        y.backward(g)
        weights = {"inputs": net.weight_ih_l0, "memory": net.weight_hh_l0}
        weights |= {"bias": net.bias_ih_l0, "memory_bias": net.bias_hh_l0}
        others = {"x": x, **{f"begin_{i}": m for i, m in enumerate(memory)}}
        for part, value in (weights | others).items():
            for key, array in ((part, value.detach()), (f"d_{part}", value.grad)):
                array = array.numpy()
                found[f"{name}_{key}"] = array.T if part in weights else array
        found |= {f"{name}_y": y.detach().numpy(), f"{name}_g": g.numpy()}
    return found


def resnet_arrays(name: str, net: nn.Sequential) -> dict[str, np.ndarray]:
    """Copies of a ResNet's arrays, by their paths in dljax's net."""
    stem, _, *blocks, _, _, dense = net
    parts = {"": [stem]}
    parts |= {f"Block_{i}/": [b.first, b.second] for i, b in enumerate(blocks)}
    found = {
        "Dense_0/kernel": dense.weight.T,
        "Dense_0/bias": dense.bias,
    }
    for path, pairs in parts.items():
        for i, (conv, norm) in enumerate(pairs):
            found[f"{path}Conv_{i}/kernel"] = conv.weight.permute(2, 3, 1, 0)
            found[f"{path}BatchNorm_{i}/scale"] = norm.weight
            found[f"{path}BatchNorm_{i}/bias"] = norm.bias
            found[f"{path}BatchNorm_{i}/mean"] = norm.running_mean
            found[f"{path}BatchNorm_{i}/var"] = norm.running_var
    return {f"{name}/{k}": v.detach().numpy().copy() for k, v in found.items()}


if __name__ == "__main__":
    np.savez_compressed(PATH, **make())
    print(f"{PATH}: {PATH.stat().st_size} bytes")
