"""Recurrent nets by architecture: one or many input steps, one or many output steps."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from dljax.models.cell import RecurrentLayer
from dljax.models.layers import Dense, Dropout
from dljax.models.lstm import ABLATIONS, LSTM
from dljax.models.net import net
from dljax.models.rnn import GRU, RNN
from dljax.models.seq2seq import seq2seq
from dljax.types import Net

CELLS = {"rnn": RNN, "gru": GRU, "lstm": LSTM, **ABLATIONS}
# The architectures with `Net.generate`.
GENERATIVE = ("decoder", "one_to_many", "encoder_decoder", "attention")
ARCHITECTURES = ("one_to_one", "many_to_one", "many_to_many", *GENERATIVE)


def _max(x_TBH, mask_TB1):
    return jnp.where(mask_TB1 > 0, x_TBH, -jnp.inf).max(0)


def _mean(x_TBH, mask_TB1):
    return (x_TBH * mask_TB1).sum(0) / mask_TB1.sum(0)


POOLS_OVER_TIME = {"max": _max, "mean": _mean}


class Recurrent(nn.Module):
    """Recurrent net without a decoder; see `recurrent`."""

    architecture: str
    cell: str
    hidden: int
    outputs: int
    layers: int = 1
    bidirectional: bool = False
    vocabulary: int = 0
    embedding: int = 0
    dropout: float = 0.0
    orthogonal: bool = False
    forget_bias: float = 1.0
    reset_every: int = 0
    pool: str = "last"
    trace: bool = False

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False):
        inputs = inputs if isinstance(inputs, dict) else {"x": inputs}
        x_TBF, mask_TB = self._embedded(inputs["x"]), inputs.get("mask")
        mask_TB = None if mask_TB is None else mask_TB.swapaxes(0, 1)
        y_TBH, last_BH, traces = self._layers(x_TBF, mask_TB, train)
        if self.architecture == "many_to_many":
            y = y_TBH.swapaxes(0, 1)
        elif self.pool == "last":
            y = last_BH
        else:
            mask_TB = jnp.ones(y_TBH.shape[:2]) if mask_TB is None else mask_TB
            y = POOLS_OVER_TIME[self.pool](y_TBH, mask_TB[..., None])
        y = Dense(self.outputs)(Dropout(self.dropout)(y, train=train))
        return (y, traces) if self.trace else y

    def _embedded(self, x):
        if self.vocabulary:
            x = nn.Embed(self.vocabulary, self.embedding)(x)
        if self.architecture == "one_to_one":
            x = x[:, None]
        return x.swapaxes(0, 1)

    def _layers(self, x_TBF, mask_TB, train):
        """Applies all layers.

        Returns:
          outputs of the last layer (t, b, hidden), with both directions concatenated;
          its final outputs (b, hidden); {layer: {gate or state: (b, t, hidden)}},
          empty without `trace`.
        """
        directions = ("forward", "backward") if self.bidirectional else ("forward",)
        last_BH, traces = None, {}
        for i in range(self.layers):
            x_TBF = Dropout(self.dropout)(x_TBF, train=train)
            names = [f"{direction}_{i}" for direction in directions]
            results = [self._layer(name)(x_TBF, mask_TB=mask_TB) for name in names]
            x_TBF = jnp.concatenate([outputs for outputs, *_ in results], -1)
            last_BH = jnp.concatenate([carry[0] for _, carry, *_ in results], -1)
            if self.trace:
                for name, (*_, trace) in zip(names, results, strict=True):
                    traces[name] = {k: v.swapaxes(0, 1) for k, v in trace.items()}
        return x_TBF, last_BH, traces

    def _layer(self, name):
        return RecurrentLayer(
            CELLS[self.cell],
            self.hidden,
            orthogonal=self.orthogonal,
            forget_bias=self.forget_bias,
            reset_every=self.reset_every,
            reverse=name.startswith("backward"),
            trace=self.trace,
            name=name,
        )


def recurrent(
    architecture: str,
    cell: str,
    hidden: int,
    outputs: int,
    *,
    layers: int = 1,
    bidirectional: bool = False,
    vocabulary: int = 0,
    embedding: int = 0,
    dropout: float = 0.0,
    orthogonal: bool = False,
    forget_bias: float = 1.0,
    reset_every: int = 0,
    pool: str = "last",
    trace: bool = False,
) -> Net:
    """Builds a recurrent net.

    Its input is an array x, or {"x": x, "mask": (b, t)}, where the mask is 0 at padding
    and padding is at the end. By architecture:

    one_to_one     x (b, features) -> (b, outputs): a single step
    many_to_one    x (b, t, features) -> (b, outputs), from the final outputs
    many_to_many   x (b, t, features) -> (b, t, outputs), one output per step
    decoder        x tokens (b, t) -> (b, t, outputs); `Net.generate` continues x
    one_to_many    x (b, features) -> (b, t, outputs): x is projected to the initial
                   carry of a decoder
    encoder_decoder
                   x (b, s, features) -> (b, t, outputs): the encoder's final carry is
                   projected to the decoder's initial carry
    attention      encoder_decoder whose decoder attends to the encoder's outputs

    The last three also take "decoder_inputs", the output before each step: tokens (b,
    t) if x is tokens, else values (b, t, outputs). `Net.generate` starts from the first
    of them.

    Args:
      architecture: one of `ARCHITECTURES`.
      cell: a key of `CELLS`: "rnn", "gru", "lstm", or an LSTM without one part, as
        "lstm_forget_gate"; "lstm_coupled" has forget gate = 1 - input gate.
      hidden: hidden units of each layer and direction.
      outputs: number of outputs.
      layers: number of stacked recurrent layers.
      bidirectional: adds to each layer a second one that runs from the last step to the
        first; outputs of many_to_many then depend on later steps.
      vocabulary: number of input tokens: x is int32 tokens (b, t); 0: x is values.
      embedding: size of token embeddings, also of "decoder_inputs", whose vocabulary is
        `outputs`; 0: x is values.
      dropout: rate on the inputs of each layer and of the output layer; may be traced.
      orthogonal, forget_bias: see `cell.RecurrentLayer`.
      reset_every: see `cell.unroll`; 1 removes the recurrence.
      pool: what many_to_one's output layer takes: the "last" outputs, or the "max" or
        "mean" over the outputs of all steps.
      trace: returns (y, {layer: {gate or state: (b, t, hidden)}}). Like `reset_every`,
        not for the architectures in `GENERATIVE`.

    Raises:
      ValueError: an unknown architecture, a vocabulary without embedding size, or an
        option that the architecture does not have.
      KeyError: an unknown cell.

    Source: Elman 1990; Hochreiter, Schmidhuber 1997; Gers et al. 2000; Schuster,
    Paliwal 1997; Cho et al. 2014; for decoders see `seq2seq`.
    """
    CELLS[cell]
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture {architecture}: must be one of {ARCHITECTURES}")
    if bool(vocabulary) != bool(embedding):
        raise ValueError("vocabulary and embedding: give both, or none")
    if architecture in GENERATIVE and (reset_every or trace):
        raise ValueError(
            f"architecture {architecture}: has no reset_every and no trace"
        )
    options: dict[str, Any] = {
        "hidden": hidden,
        "outputs": outputs,
        "layers": layers,
        "bidirectional": bidirectional,
        "vocabulary": vocabulary,
        "embedding": embedding,
        "dropout": dropout,
        "orthogonal": orthogonal,
        "forget_bias": forget_bias,
    }
    if architecture in GENERATIVE:
        encoder = architecture in ("encoder_decoder", "attention")
        attention = architecture == "attention"
        return seq2seq(
            cell=CELLS[cell], encoder=encoder, attention=attention, **options
        )
    options |= {"reset_every": reset_every, "pool": pool, "trace": trace}
    return net(Recurrent(architecture, cell, **options))


def image_rows(x_BHWC):
    """Reshapes images to sequences of rows: (b, h, w, c) -> (b, h, w * c)."""
    return x_BHWC.reshape(*x_BHWC.shape[:2], -1)
