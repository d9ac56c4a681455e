"""Makes images.npz with PyTorch: python tests/golden/make_images.py (extra `bench`).

Random images of a fixed seed through PyTorch's sampling and padding, and its loss of
soft labels: values and gradients, images as (b, h, w, c). Checked by
tests/test_augment.py everywhere, and made live and compared where PyTorch is installed.
"""

import pathlib

import numpy as np
import torch
from torch.nn import functional

PATH = pathlib.Path(__file__).with_name("images.npz")


def make() -> dict[str, np.ndarray]:
    """All arrays, as float32 or int64."""
    rng = np.random.default_rng(0)
    found: dict[str, np.ndarray] = {}

    def given(name, *shape):
        found[name] = rng.random(shape).astype(np.float32)
        return torch.tensor(found[name], requires_grad=True)

    def pulled(name, x, y):
        """Keeps y, and the gradient of <g, y> with respect to x."""
        g = given(f"{name}_g", *y.shape)
        y.backward(g.detach())
        found[f"{name}_y"] = y.detach().numpy()
        found[f"{name}_dx"] = x.grad.numpy()

    b, h, w, c = 4, 7, 6, 2
    x = given("rotate_x", b, h, w, c)
    degrees = np.array([0, 17, -40, 90], np.float32)
    found["rotate_degrees"] = degrees
    cos, sin = (torch.tensor(f(np.deg2rad(degrees))) for f in (np.cos, np.sin))
    zero = torch.zeros(b)
    # PyTorch counts from -1 to 1 along each side, so that a turn is stretched by h / w.
    theta = torch.stack([cos, -sin * h / w, zero, sin * w / h, cos, zero], 1)
    grid = functional.affine_grid(
        theta.reshape(b, 2, 3), [b, c, h, w], align_corners=False
    )
    turned = functional.grid_sample(
        x.permute(0, 3, 1, 2), grid, padding_mode="zeros", align_corners=False
    )
    pulled("rotate", x, turned.permute(0, 2, 3, 1))

    x = given("shift_x", b, h, w, c)
    moves = np.array([[0, 0], [2, -1], [-7, 3], [1, 9]])
    found["shift_moves"] = moves
    padded = functional.pad(x, (0, 0, 9, 9, 9, 9))
    pulled(
        "shift",
        x,
        torch.stack(
            [
                one[9 - down : 9 - down + h, 9 - right : 9 - right + w]
                for one, (down, right) in zip(padded, moves, strict=True)
            ]
        ),
    )

    x, shares = given("soft_x", 3, 4), given("soft_shares", 3, 4).detach()
    functional.cross_entropy(x, shares).backward()
    found["soft_dx"] = x.grad.numpy()
    found["soft_loss"] = functional.cross_entropy(x, shares).detach().numpy()
    return found


if __name__ == "__main__":
    np.savez_compressed(PATH, **make())
    print(f"{PATH}: {PATH.stat().st_size} bytes")
