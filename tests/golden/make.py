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
    arrays: dict[str, np.ndarray] = {}

    def random_tensor(name, *shape):
        arrays[name] = rng.normal(size=shape).astype(np.float32)
        return torch.tensor(arrays[name], requires_grad=True)

    def to_nchw(x):
        return x.permute(0, 3, 1, 2)

    def to_nhwc(x):
        return x.permute(0, 2, 3, 1)

    def add_convolution(name, x, kernel, *, stride):
        x, kernel = (
            random_tensor(f"{name}_x", *x),
            random_tensor(f"{name}_kernel", *kernel),
        )
        spatial = range(1, x.ndim - 1)
        conv = functional.conv3d if x.ndim == 5 else functional.conv2d
        y = conv(
            x.permute(0, x.ndim - 1, *spatial),
            kernel.permute(-1, -2, *range(x.ndim - 2)),
            stride=stride,
            padding=kernel.shape[0] // 2,
        ).permute(0, *(i + 1 for i in spatial), 1)
        g = random_tensor(f"{name}_g", *y.shape)
        y.backward(g.detach())
        results = {"y": y.detach(), "dx": x.grad, "dk": kernel.grad}
        arrays.update({f"{name}_{k}": v.numpy() for k, v in results.items()})

    add_convolution("conv_first", (2, 6, 6, 1), (3, 3, 1, 3), stride=1)
    add_convolution("conv_wide", (2, 5, 5, 4), (3, 3, 4, 3), stride=1)
    for name, pool in (
        ("max", functional.max_pool2d),
        ("average", functional.avg_pool2d),
    ):
        x = random_tensor(f"{name}_x", 2, 5, 6, 3)
        y = to_nhwc(pool(to_nchw(x), 2))
        g = random_tensor(f"{name}_g", *y.shape)
        y.backward(g.detach())
        arrays |= {f"{name}_y": y.detach().numpy(), f"{name}_dx": x.grad.numpy()}
    # One step of Adam on a small CNN: conv, ReLU, max pooling, dense, cross-entropy.
    x, labels = random_tensor("step_x", 4, 6, 6, 1).detach(), np.array([0, 2, 1, 2])
    arrays["step_labels"] = labels
    conv, dense = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(18, 3)
    for part, shapes in ((conv, ((2, 1, 3, 3), (2,))), (dense, ((3, 18), (3,)))):
        for kind, shape in zip(("weight", "bias"), shapes, strict=True):
            value = torch.tensor(rng.normal(size=shape).astype(np.float32) * 0.3)
            getattr(part, kind).data.copy_(value)
    arrays["step_kernel"] = conv.weight.detach().permute(2, 3, 1, 0).numpy().copy()
    arrays["step_conv_bias"] = conv.bias.detach().numpy().copy()
    arrays["step_dense"] = dense.weight.detach().numpy().T.copy()
    arrays["step_dense_bias"] = dense.bias.detach().numpy().copy()
    optimizer = torch.optim.Adam([*conv.parameters(), *dense.parameters()], lr=0.01)
    h = to_nhwc(functional.max_pool2d(functional.relu(conv(to_nchw(x))), 2))
    loss = functional.cross_entropy(dense(h.flatten(1)), torch.tensor(labels))
    loss.backward()
    optimizer.step()
    arrays["step_loss"] = loss.detach().numpy()
    arrays["after_kernel"] = conv.weight.detach().permute(2, 3, 1, 0).numpy()
    arrays["after_conv_bias"] = conv.bias.detach().numpy()
    arrays["after_dense"] = dense.weight.detach().numpy().T
    arrays["after_dense_bias"] = dense.bias.detach().numpy()
    # Later arrays come last, so that those before them stay what they are.
    add_convolution("conv_even", (2, 6, 8, 3), (3, 3, 3, 4), stride=2)
    add_convolution("conv_odd", (2, 5, 7, 3), (3, 3, 3, 4), stride=2)
    add_convolution("conv_one", (2, 6, 6, 3), (1, 1, 3, 4), stride=2)
    add_convolution("conv_clip", (2, 4, 5, 6, 2), (3, 3, 3, 2, 3), stride=1)
    return arrays | residual() | recurrent()


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
    arrays = {
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
        arrays.setdefault("resnet_y", y.detach().numpy())
    net.eval()
    arrays |= resnet_arrays("resnet_after", net)
    with torch.no_grad():
        return {
            **arrays,
            "resnet_evaluated": net(torch.tensor(x).permute(0, 3, 1, 2)).numpy(),
        }


def recurrent() -> dict[str, np.ndarray]:
    """Each cell over five steps from a memory of its own: outputs and gradients."""
    torch.manual_seed(2)
    arrays = {}
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
        weights = {"input_kernel": net.weight_ih_l0}
        weights |= {"recurrent_kernel": net.weight_hh_l0}
        weights |= {"bias": net.bias_ih_l0, "recurrent_bias": net.bias_hh_l0}
        others = {"x": x, **{f"begin_{i}": m for i, m in enumerate(memory)}}
        for part, value in (weights | others).items():
            for key, array in ((part, value.detach()), (f"d_{part}", value.grad)):
                array = array.numpy()
                arrays[f"{name}_{key}"] = array.T if part in weights else array
        arrays |= {f"{name}_y": y.detach().numpy(), f"{name}_g": g.numpy()}
    return arrays


def resnet_arrays(name: str, net: nn.Sequential) -> dict[str, np.ndarray]:
    """Copies of a ResNet's arrays, by their paths in dljax's net."""
    stem, _, *blocks, _, _, dense = net
    parts = {"": [stem]}
    parts |= {f"Block_{i}/": [b.first, b.second] for i, b in enumerate(blocks)}
    arrays = {
        "Dense_0/kernel": dense.weight.T,
        "Dense_0/bias": dense.bias,
    }
    for path, pairs in parts.items():
        for i, (conv, norm) in enumerate(pairs):
            arrays[f"{path}Conv_{i}/kernel"] = conv.weight.permute(2, 3, 1, 0)
            arrays[f"{path}BatchNorm_{i}/scale"] = norm.weight
            arrays[f"{path}BatchNorm_{i}/bias"] = norm.bias
            arrays[f"{path}BatchNorm_{i}/mean"] = norm.running_mean
            arrays[f"{path}BatchNorm_{i}/var"] = norm.running_var
    return {f"{name}/{k}": v.detach().numpy().copy() for k, v in arrays.items()}


if __name__ == "__main__":
    np.savez_compressed(PATH, **make())
    print(f"{PATH}: {PATH.stat().st_size} bytes")
