"""Nets that make sequences: from one thing, or from another sequence.

What is made is fed back, a step at a time. In training all steps are computed at once,
each from what truly came before (teacher forcing).
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dljax.models.cell import Cell, Layer
from dljax.models.decoding import sample_tokens
from dljax.models.layers import Dense, Dropout
from dljax.models.net import net
from dljax.ops.attention import MASKED_SCORE
from dljax.ops.dense import softmax
from dljax.types import Net


class Seq2Seq(nn.Module):
    """{"x", "mask", "decoder_inputs": (b, t) or (b, t, outputs)} -> (b, t, outputs).

    With `encoder` x is a sequence, tokens (b, s) or (b, s, features); without, it is
    one thing, (b, features), from which the decoder's memory begins. It may be given
    "decoder_inputs" alone, as an array.
    """

    cell: Cell
    hidden: int
    outputs: int
    encoder: bool
    attention: bool
    layers: int
    bidirectional: bool
    vocabulary: int
    embedding: int
    dropout: float
    orthogonal: bool
    forget_bias: float

    def setup(self):
        layer = functools.partial(
            Layer,
            self.cell,
            self.hidden,
            orthogonal=self.orthogonal,
            forget_bias=self.forget_bias,
        )
        ways = ("forward", "backward") if self.bidirectional else ("forward",)
        layers = range(self.layers)
        if self.vocabulary:
            self.embed_y = nn.Embed(self.outputs, self.embedding)
        if self.encoder:
            if self.vocabulary:
                self.embed_x = nn.Embed(self.vocabulary, self.embedding)
            self.encoders = [
                {way: layer(reverse=way == "backward") for way in ways} for _ in layers
            ]
        memories = range(self.cell.memories)
        self.begins = [[nn.Dense(self.hidden) for _ in memories] for _ in layers]
        self.decoders = [layer() for _ in layers]
        if self.attention:
            self.ask = Dense(self.hidden * len(ways), use_bias=False)
            self.join = Dense(self.hidden)
        self.drop = Dropout(self.dropout)
        self.head = Dense(self.outputs)

    def __call__(self, given: Any, *, train: bool = False):
        if not isinstance(given, dict):
            given = from_nothing(given)
        memory, seen = self.encode(given, train=train)
        return self.decode(given["decoder_inputs"], memory, seen, train=train)[0]

    def encode(self, given: Any, *, train: bool = False):
        """The decoder's memory at the start; and what attention sees (b, s, hidden)
        with the mask (b, s), None without an encoder.
        """
        x = given["x"]
        if not self.encoder:
            return self._begun([(x,) * self.cell.memories] * self.layers), None
        mask = given.get("mask")
        x = self.embed_x(x) if self.vocabulary else x
        x, over = x.swapaxes(0, 1), None if mask is None else mask.swapaxes(0, 1)
        ends = []
        for layer in self.encoders:
            x = self.drop(x, train=train)
            found = [one(x, mask=over) for one in layer.values()]
            x = jnp.concatenate([outputs for outputs, _ in found], -1)
            lasts = zip(*(last for _, last in found), strict=True)
            ends.append(tuple(jnp.concatenate(parts, -1) for parts in lasts))
        return self._begun(ends), (x.swapaxes(0, 1), mask)

    def decode(
        self, before: Any, memory: Any, seen: Any, *, train: bool = False
    ) -> tuple[Any, Any, Any]:
        """(b, t, outputs), the memory after it, and where attention was (b, t, s)."""
        y = self.embed_y(before) if self.vocabulary else before
        y, after = y.swapaxes(0, 1), []
        for layer, begin in zip(self.decoders, memory, strict=True):
            y, last = layer(self.drop(y, train=train), begin)
            after.append(last)
        y, weights = y.swapaxes(0, 1), None
        if self.attention:
            y, weights = self._attended(y, *seen)
        return self.head(self.drop(y, train=train)), tuple(after), weights

    def _begun(self, ends):
        return tuple(
            tuple(jnp.tanh(dense(end)) for dense, end in zip(layer, its, strict=True))
            for layer, its in zip(self.begins, ends, strict=True)
        )

    def _attended(self, y_BxTxH, seen_BxSxH, mask_BxS):
        scores_BxTxS = self.ask(y_BxTxH) @ seen_BxSxH.swapaxes(1, 2)
        if mask_BxS is not None:
            scores_BxTxS += MASKED_SCORE * (1 - mask_BxS[:, None])
        weights_BxTxS = softmax(scores_BxTxS)
        both = jnp.concatenate([weights_BxTxS @ seen_BxSxH, y_BxTxH], -1)
        return jnp.tanh(self.join(both)), weights_BxTxS


def seq2seq(**fields: Any) -> Net:
    """A `Seq2Seq` as a net; `recurrent` says what its fields are.

    Source: Sutskever, Vinyals, Le 2014; Cho et al. 2014; attention as Luong et al.
    2015 have it ("global", "general", without input feeding): what the decoder's
    output asks for is compared with every output of the encoder.
    """
    module = Seq2Seq(**fields)

    def generate(params, model_state, given, *, steps, key, draw=sample_tokens):
        variables = {"params": params, **model_state}
        alone = not isinstance(given, dict)
        its = from_nothing(given) if alone else given
        begun: Any = module.apply(variables, its, method="encode")
        memory, seen = begun
        before = its["decoder_inputs"]
        if alone and before.shape[1] > 1:  # what it goes on from
            read: Any = module.apply(
                variables, before[:, :-1], memory, seen, method="decode"
            )
            _, memory, _ = read
            before = before[:, -1:]

        def step(carry, key):
            before, memory = carry
            made: Any = module.apply(
                variables, before[:, None], memory, seen, method="decode"
            )
            y, memory, weights = made
            new = draw(y[:, 0], key) if before.ndim == 1 else _keys(y[:, 0], key)
            new = new.astype(before.dtype)
            return (new, memory), (new, None if weights is None else weights[:, 0])

        keys = None if key is None else jax.random.split(key, steps)
        first = (before[:, 0], memory)
        _, (y, weights) = jax.lax.scan(step, first, keys, length=steps)
        found = {"prediction": y.swapaxes(0, 1)}
        if weights is not None:
            found["attention"] = weights.swapaxes(0, 1)
        return found

    return net(module)._replace(generate=generate)


def from_nothing(before):
    """What a net without an encoder takes where there is nothing to begin from."""
    return {"x": jnp.zeros((len(before), 1)), "decoder_inputs": before}


def _keys(y, key):
    """What is 1 of values (b, k), each by itself."""
    likely = jax.nn.sigmoid(y)
    return likely > 0.5 if key is None else jax.random.bernoulli(key, likely)
