"""Feed-forward nets: layers of neurons, each a weighted sum, a bias, an activation."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from dljax.contract import Net
from dljax.models.layers import Dropout
from dljax.models.net import net

ACTIVATIONS: dict[str, Callable] = {
    "identity": lambda x: x,
    "step": lambda x: jnp.where(x > 0, 1.0, 0.0).astype(x.dtype),
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
}


class Mlp(nn.Module):
    """Input (b, ...), flattened; hidden layers; one linear output layer."""

    hidden: tuple[int, ...]
    outputs: int
    activation: str = "relu"
    bias: bool = True
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x, *, train: bool = False):
        x = x.reshape(x.shape[0], -1)
        for width in self.hidden:
            x = nn.Dense(
                width,
                use_bias=self.bias,
                kernel_init=nn.initializers.he_normal(),
            )(x)
            x = ACTIVATIONS[self.activation](x)
            x = Dropout(self.dropout)(x, train=train)
        return nn.Dense(self.outputs, use_bias=self.bias)(x)


def mlp(
    hidden: tuple[int, ...],
    outputs: int,
    *,
    activation: str = "relu",
    bias: bool = True,
    dropout: float = 0.0,
) -> Net:
    """A multi-layer perceptron: x (b, ...) -> (b, outputs).

    `hidden` may be empty (a linear model). `activation` is a key of `ACTIVATIONS`;
    "step" fires past a threshold of 0 and has no useful gradient.

    Raises:
      KeyError: an unknown activation.
    """
    ACTIVATIONS[activation]
    return net(Mlp(tuple(hidden), outputs, activation, bias, dropout))


def mlp_parameters(inputs: int, hidden: tuple[int, ...], outputs: int) -> int:
    """How many weights and biases `mlp` has."""
    widths = (inputs, *hidden, outputs)
    return sum((a + 1) * b for a, b in zip(widths, widths[1:], strict=False))


def width_for(parameters: int, *, inputs: int, outputs: int) -> int:
    """The width of one hidden layer that comes nearest to `parameters` in all."""
    return max(1, round((parameters - outputs) / (inputs + 1 + outputs)))
