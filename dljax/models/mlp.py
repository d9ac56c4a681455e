"""Feed-forward nets: multi-layer perceptrons, and a bag-of-words classifier."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from dljax.models.layers import Dropout
from dljax.models.net import net
from dljax.types import Net

ACTIVATIONS: dict[str, Callable] = {
    "identity": lambda x: x,
    "step": lambda x: jnp.where(x > 0, 1.0, 0.0).astype(x.dtype),
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
}
BIASES = ("none", "bias", "input")


def _with_zero_row(init: Callable) -> Callable:
    """Wraps a kernel initializer: the weights of the last input start at 0."""

    def init_with_row(key, shape, dtype=jnp.float32):
        rows = init(key, (shape[0] - 1, *shape[1:]), dtype)
        return jnp.concatenate([rows, jnp.zeros((1, *shape[1:]), dtype)])

    return init_with_row


class Mlp(nn.Module):
    """Multi-layer perceptron: (b, ...), flattened, -> (b, outputs); see `mlp`."""

    hidden: tuple[int, ...]
    outputs: int
    activation: str = "relu"
    bias: str = "bias"
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x, *, train: bool = False):
        x = x.reshape(x.shape[0], -1)
        for i, width in enumerate(self.hidden):
            x = self._dense(x, width, i, nn.initializers.he_normal())
            x = ACTIVATIONS[self.activation](x)
            x = Dropout(self.dropout)(x, train=train)
        init = nn.initializers.lecun_normal()
        return self._dense(x, self.outputs, len(self.hidden), init)

    def _dense(self, x, width, i, init):
        """Applies a dense layer with the bias that `self.bias` names."""
        if self.bias == "input":
            x = jnp.concatenate([x, jnp.ones((len(x), 1), x.dtype)], -1)
            init = _with_zero_row(init)
        use_bias = self.bias == "bias"
        return nn.Dense(width, use_bias, kernel_init=init, name=f"Dense_{i}")(x)


def mlp(
    hidden: tuple[int, ...],
    outputs: int,
    *,
    activation: str = "relu",
    bias: str = "bias",
    dropout: float = 0.0,
) -> Net:
    """Builds a multi-layer perceptron: x (b, ...), flattened, -> (b, outputs).

    Args:
      hidden: widths of the hidden layers; empty for a linear model.
      outputs: number of outputs.
      activation: a key of `ACTIVATIONS`; "step" is 1 above 0, else 0, and has a zero
        gradient.
      bias: "none", "bias", or "input": each layer has one more input that is always 1
        and whose weights start at 0.
      dropout: rate after each hidden layer; may be traced.

    Raises:
      KeyError: an unknown activation.
      ValueError: an unknown bias.
    """
    ACTIVATIONS[activation]
    if bias not in BIASES:
        raise ValueError(f"bias {bias}: must be one of {BIASES}")
    return net(Mlp(tuple(hidden), outputs, activation, bias, dropout))


def mlp_parameters(inputs: int, hidden: tuple[int, ...], outputs: int) -> int:
    """Counts the weights and biases of `mlp` with bias="bias"."""
    widths = (inputs, *hidden, outputs)
    return sum((a + 1) * b for a, b in zip(widths, widths[1:], strict=False))


def width_for(parameters: int, *, inputs: int, outputs: int, layers: int = 1) -> int:
    """Returns the width of equal hidden layers for a number of parameters.

    Args:
      parameters: the target; the MLP has about this number of parameters.
      inputs, outputs: the MLP's inputs and outputs.
      layers: number of hidden layers; 0 returns 0.
    """
    if layers == 0:
        return 0
    # (layers - 1) w^2 + (inputs + layers + outputs) w + outputs = parameters
    square, linear = layers - 1, inputs + layers + outputs
    rest = parameters - outputs
    root = math.sqrt(linear**2 + 4 * square * rest)
    return max(1, round(2 * rest / (linear + root)))


class BagOfWords(nn.Module):
    """Linear classifier of word counts; see `bag_of_words`."""

    vocabulary: int
    outputs: int
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs, *, train: bool = False):
        zeros = nn.initializers.zeros
        weights = nn.Embed(self.vocabulary, self.outputs, embedding_init=zeros)
        mask_BT = Dropout(self.dropout)(inputs["mask"], train=train)
        bias = self.param("bias", zeros, (self.outputs,))
        return (weights(inputs["x"]) * mask_BT[..., None]).sum(1) + bias[None]


def bag_of_words(vocabulary: int, outputs: int, *, dropout: float = 0.0) -> Net:
    """Builds a linear classifier: {"x": int32 (b, t), "mask": (b, t)} -> (b, outputs).

    The logits are the bias plus the sum of the weights of all words with mask 1. All
    weights start at 0.

    Args:
      vocabulary: number of words.
      outputs: number of classes.
      dropout: rate at which training ignores words; may be traced.
    """
    return net(BagOfWords(vocabulary, outputs, dropout))
