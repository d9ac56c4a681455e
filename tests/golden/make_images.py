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
    arrays: dict[str, np.ndarray] = {}

    def random_tensor(name, *shape):
        arrays[name] = rng.random(shape).astype(np.float32)
        return torch.tensor(arrays[name], requires_grad=True)

    def add_gradient(name, x, y):
        """Adds y, and the gradient of <g, y> with respect to x."""
        g = random_tensor(f"{name}_g", *y.shape)
        y.backward(g.detach())
        arrays[f"{name}_y"] = y.detach().numpy()
        arrays[f"{name}_dx"] = x.grad.numpy()

    b, h, w, c = 4, 7, 6, 2
    x = random_tensor("rotate_x", b, h, w, c)
    degrees = np.array([0, 17, -40, 90], np.float32)
    arrays["rotate_degrees"] = degrees
    cos, sin = (torch.tensor(f(np.deg2rad(degrees))) for f in (np.cos, np.sin))
    zero = torch.zeros(b)
    # PyTorch counts from -1 to 1 along each side, so that a turn is stretched by h / w.
    theta = torch.stack([cos, -sin * h / w, zero, sin * w / h, cos, zero], 1)
    grid = functional.affine_grid(
        theta.reshape(b, 2, 3), [b, c, h, w], align_corners=False
    )
    rotated = functional.grid_sample(
        x.permute(0, 3, 1, 2), grid, padding_mode="zeros", align_corners=False
    )
    add_gradient("rotate", x, rotated.permute(0, 2, 3, 1))

    x = random_tensor("shift_x", b, h, w, c)
    moves = np.array([[0, 0], [2, -1], [-7, 3], [1, 9]])
    arrays["shift_moves"] = moves
    padded = functional.pad(x, (0, 0, 9, 9, 9, 9))
    add_gradient(
        "shift",
        x,
        torch.stack(
            [
                image[9 - down : 9 - down + h, 9 - right : 9 - right + w]
                for image, (down, right) in zip(padded, moves, strict=True)
            ]
        ),
    )

    x, shares = (
        random_tensor("soft_x", 3, 4),
        random_tensor("soft_shares", 3, 4).detach(),
    )
    functional.cross_entropy(x, shares).backward()
    arrays["soft_dx"] = x.grad.numpy()
    arrays["soft_loss"] = functional.cross_entropy(x, shares).detach().numpy()
    return arrays


if __name__ == "__main__":
    np.savez_compressed(PATH, **make())
    print(f"{PATH}: {PATH.stat().st_size} bytes")
