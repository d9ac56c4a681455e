"""Recurrent nets, by architecture: what goes in and comes out, and when."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from dljax.models.cell import Layer
from dljax.models.layers import Dense, Dropout
from dljax.models.lstm import LSTM, WITHOUT
from dljax.models.net import net
from dljax.models.rnn import GRU, RNN
from dljax.models.seq2seq import seq2seq
from dljax.types import Net

CELLS = {"rnn": RNN, "gru": GRU, "lstm": LSTM, **WITHOUT}
# These have `Net.generate`.
GENERATIVE = ("decoder", "one_to_many", "encoder_decoder", "attention")
ARCHITECTURES = ("one_to_one", "many_to_one", "many_to_many", *GENERATIVE)


def _max(x, there):
    return jnp.where(there > 0, x, -jnp.inf).max(0)


def _mean(x, there):
    return (x * there).sum(0) / there.sum(0)


POOLS = {"max": _max, "mean": _mean}  # of (t, b, hidden) and (t, b, 1)


class Recurrent(nn.Module):
    """(b, t, features), or int32 tokens (b, t), -> (b, outputs) or (b, t, outputs)."""

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
    reset: int = 0
    pool: str = "last"
    trace: bool = False

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False):
        inputs = inputs if isinstance(inputs, dict) else {"x": inputs}
        x, mask = inputs["x"], inputs.get("mask")
        if self.vocabulary:
            x = nn.Embed(self.vocabulary, self.embedding)(x)
        if self.architecture == "one_to_one":
            x = x[:, None]
        x = x.swapaxes(0, 1)
        mask = None if mask is None else mask.swapaxes(0, 1)
        lasts, traces = [], {}
        for i in range(self.layers):
            x = Dropout(self.dropout)(x, train=train)
            ways = ("forward", "backward") if self.bidirectional else ("forward",)
            found = [self._layer(f"{way}_{i}")(x, mask=mask) for way in ways]
            x = jnp.concatenate([outputs for outputs, *_ in found], -1)
            lasts = [memory[0] for _, memory, *_ in found]
            if self.trace:
                for way, (*_, seen) in zip(ways, found, strict=True):
                    parts = {name: part.swapaxes(0, 1) for name, part in seen.items()}
                    traces[f"{way}_{i}"] = parts
        if self.architecture == "many_to_many":
            y = x.swapaxes(0, 1)
        elif self.pool == "last":
            y = jnp.concatenate(lasts, -1)
        else:
            there = jnp.ones(x.shape[:2]) if mask is None else mask
            y = POOLS[self.pool](x, there[..., None])
        y = Dense(self.outputs)(Dropout(self.dropout)(y, train=train))
        return (y, traces) if self.trace else y

    def _layer(self, name):
        return Layer(
            CELLS[self.cell],
            self.hidden,
            orthogonal=self.orthogonal,
            forget_bias=self.forget_bias,
            reset=self.reset,
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
    reset: int = 0,
    pool: str = "last",
    trace: bool = False,
) -> Net:
    """A recurrent net.

    Its input is an array, or {"x": the array, "mask": (b, t), 0 at padding, which must
    be at the end}. By architecture:

    one_to_one     x (b, features) -> (b, outputs): a single step
    many_to_one    x (b, t, features) -> (b, outputs), from the memory at the end
    many_to_many   x (b, t, features) -> (b, t, outputs), one at each step
    decoder        x tokens (b, t) -> (b, t, outputs); `Net.generate` goes on from them
    one_to_many    x (b, features) -> (b, t, outputs), a sequence that begins from it
    encoder_decoder
                   x (b, s, features) -> (b, t, outputs), another sequence, made of the
                   memory at the end
    attention      the same, and each step looks at all steps of x

    The last three also take "decoder_inputs", the output before each step: tokens (b,
    t) where x is tokens, else values (b, t, outputs); `Net.generate` begins with the
    first of them.

    Args:
      cell: one of `CELLS`: "rnn", "gru", "lstm", or an LSTM that lacks a part, as
        "lstm_forget_gate"; "lstm_coupled" has one gate for writing and keeping.
      layers: each works on the outputs of the one before.
      bidirectional: beside each layer one that goes from the last step to the first. A
        net of many to many then sees what is to come.
      vocabulary, embedding: x is int32 tokens (b, t), embedded as vectors of this
        size, as are the tokens of "decoder_inputs" (of a vocabulary of `outputs`); 0: x
        is values.
      dropout: of what goes into each layer and into the output.
      orthogonal, forget_bias: see `cell.Layer`.
      reset: every so many steps the memory begins anew; 1: there is no feedback; 0: it
        never does.
      pool: what many_to_one answers from: the "last" memory, or the "max" or the "mean"
        of the outputs of all steps.
      trace: gives (y, {layer: {gate or state: (b, t, hidden)}}). Neither this
        nor `reset` is for nets that make sequences.

    Source: Elman 1990; Hochreiter, Schmidhuber 1997; Gers et al. 2000; Schuster,
    Paliwal 1997; Cho et al. 2014; see `seq2seq` too.

    Raises:
      ValueError: an unknown architecture, or a vocabulary without embedding, or what a
      net that makes sequences has not. KeyError: an unknown cell.
    """
    CELLS[cell]
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture {architecture}: must be one of {ARCHITECTURES}")
    if bool(vocabulary) != bool(embedding):
        raise ValueError("give both vocabulary and embedding, or none")
    if architecture in GENERATIVE:
        if reset or trace:
            raise ValueError(f"architecture {architecture}: has no reset and no trace")
        return seq2seq(
            cell=CELLS[cell],
            hidden=hidden,
            outputs=outputs,
            encoder=architecture in ("encoder_decoder", "attention"),
            attention=architecture == "attention",
            layers=layers,
            bidirectional=bidirectional,
            vocabulary=vocabulary,
            embedding=embedding,
            dropout=dropout,
            orthogonal=orthogonal,
            forget_bias=forget_bias,
        )
    module = Recurrent(
        architecture,
        cell,
        hidden,
        outputs,
        layers,
        bidirectional,
        vocabulary,
        embedding,
        dropout,
        orthogonal,
        forget_bias,
        reset,
        pool,
        trace,
    )
    return net(module)


def image_rows(images):
    """Each image as the sequence of its rows: (b, h, w, c) -> (b, h, w * c)."""
    return images.reshape(*images.shape[:2], -1)
