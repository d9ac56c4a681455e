"""Makes torch.npz with PyTorch: python tests/golden/make.py (extra `bench`).

Random arrays of a fixed seed through PyTorch's layers and one training step: inputs,
outputs and gradients, in dljax's layout (NHWC, HWIO). Checked by tests/test_layers.py
everywhere, and made live and compared where PyTorch is installed.
"""

import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional

PATH = pathlib.Path(__file__).with_name("torch.npz")


def make() -> dict[str, np.ndarray]:
    """All arrays, as float32 or int64."""
    rng = np.random.default_rng(0)
    found: dict[str, np.ndarray] = {}

    def given(name, *shape):
        found[name] = rng.normal(size=shape).astype(np.float32)
        return torch.tensor(found[name], requires_grad=True)

    def to_nchw(x):
        return x.permute(0, 3, 1, 2)

    def to_nhwc(x):
        return x.permute(0, 2, 3, 1)

    for name, side, inputs, features in (("first", 6, 1, 3), ("wide", 5, 4, 3)):
        x = given(f"conv_{name}_x", 2, side, side, inputs)
        kernel = given(f"conv_{name}_kernel", 3, 3, inputs, features)
        weight = kernel.permute(3, 2, 0, 1)
        y = to_nhwc(functional.conv2d(to_nchw(x), weight, padding=1))
        g = given(f"conv_{name}_g", *y.shape)
        y.backward(g.detach())
        found |= {f"conv_{name}_y": y.detach().numpy()}
        found |= {
            f"conv_{name}_dx": x.grad.numpy(),
            f"conv_{name}_dk": kernel.grad.numpy(),
        }
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
    return found


if __name__ == "__main__":
    np.savez_compressed(PATH, **make())
    print(f"{PATH}: {PATH.stat().st_size} bytes")
