"""Recurrent decoders: sequences generated from a vector, or from another sequence.

Each output is the next input. Training computes all steps at once from the true outputs
(teacher forcing).

Shapes: T decoder steps, S encoder steps, B examples, H hidden units.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dljax.models.cell import Cell, RecurrentLayer
from dljax.models.decoding import sample_tokens
from dljax.models.layers import Dense, Dropout
from dljax.models.net import net
from dljax.ops.attention import MASKED_SCORE
from dljax.ops.dense import softmax
from dljax.types import Net


class Seq2Seq(nn.Module):
    """Recurrent decoder: {"x", "mask", "decoder_inputs"} -> (b, t, outputs).

    "decoder_inputs" is (b, t) tokens or (b, t, outputs) values. With `encoder`, x is a
    sequence, tokens (b, s) or (b, s, features); without, x is a vector (b, features)
    that is projected to the decoder's initial carry. An array in place of the dict is
    "decoder_inputs", with a zero vector for x.

    See `recurrent.recurrent` for the fields.
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
            RecurrentLayer,
            self.cell,
            self.hidden,
            orthogonal=self.orthogonal,
            forget_bias=self.forget_bias,
        )
        directions = ("forward", "backward") if self.bidirectional else ("forward",)
        layers = range(self.layers)
        if self.vocabulary:
            self.embed_y = nn.Embed(self.outputs, self.embedding)
        if self.encoder:
            if self.vocabulary:
                self.embed_x = nn.Embed(self.vocabulary, self.embedding)
            self.encoders = [
                {name: layer(reverse=name == "backward") for name in directions}
                for _ in layers
            ]
        states = range(self.cell.num_states)
        self.initial_carry = [[nn.Dense(self.hidden) for _ in states] for _ in layers]
        self.decoders = [layer() for _ in layers]
        if self.attention:
            self.attention_query = Dense(self.hidden * len(directions), use_bias=False)
            self.attention_out = Dense(self.hidden)
        self.drop = Dropout(self.dropout)
        self.head = Dense(self.outputs)

    def __call__(self, inputs: Any, *, train: bool = False):
        if not isinstance(inputs, dict):
            inputs = unconditional(inputs)
        carries, encoded = self.encode(inputs, train=train)
        return self.decode(inputs["decoder_inputs"], carries, encoded, train=train)[0]

    def encode(self, inputs: Any, *, train: bool = False):
        """Encodes x.

        Returns:
          carries, the decoder's initial carry of each layer; and encoded, the encoder's
          outputs (b, s, hidden) with their mask (b, s) or None. Without an encoder
          encoded is None.
        """
        x = inputs["x"]
        if not self.encoder:
            return self._initial([(x,) * self.cell.num_states] * self.layers), None
        mask_BS = inputs.get("mask")
        x = self.embed_x(x) if self.vocabulary else x
        x_SBF = x.swapaxes(0, 1)
        mask_SB = None if mask_BS is None else mask_BS.swapaxes(0, 1)
        carries = []
        for layer in self.encoders:
            x_SBF = self.drop(x_SBF, train=train)
            results = [one(x_SBF, mask_TB=mask_SB) for one in layer.values()]
            x_SBF = jnp.concatenate([outputs for outputs, _ in results], -1)
            states = zip(*(carry for _, carry in results), strict=True)
            carries.append(tuple(jnp.concatenate(state, -1) for state in states))
        return self._initial(carries), (x_SBF.swapaxes(0, 1), mask_BS)

    def decode(
        self, decoder_inputs: Any, carries: Any, encoded: Any, *, train: bool = False
    ) -> tuple[Any, Any, Any]:
        """Decodes all steps of `decoder_inputs`.

        Returns:
          outputs (b, t, outputs), the final carries, and the attention weights (b, t,
          s) or None.
        """
        y = self.embed_y(decoder_inputs) if self.vocabulary else decoder_inputs
        y_TBH, after = y.swapaxes(0, 1), []
        for layer, carry in zip(self.decoders, carries, strict=True):
            y_TBH, last = layer(self.drop(y_TBH, train=train), carry)
            after.append(last)
        y_BTH, weights_BTS = y_TBH.swapaxes(0, 1), None
        if self.attention:
            y_BTH, weights_BTS = self._attention(y_BTH, *encoded)
        return self.head(self.drop(y_BTH, train=train)), tuple(after), weights_BTS

    def _initial(self, carries):
        """Projects `carries` to the decoder's initial carry of each layer."""
        return tuple(
            tuple(
                jnp.tanh(dense(state))
                for dense, state in zip(layer, carry, strict=True)
            )
            for layer, carry in zip(self.initial_carry, carries, strict=True)
        )

    def _attention(self, y_BTH, encoded_BSH, mask_BS):
        scores_BTS = self.attention_query(y_BTH) @ encoded_BSH.swapaxes(1, 2)
        if mask_BS is not None:
            scores_BTS += MASKED_SCORE * (1 - mask_BS[:, None])
        weights_BTS = softmax(scores_BTS)
        context = jnp.concatenate([weights_BTS @ encoded_BSH, y_BTH], -1)
        return jnp.tanh(self.attention_out(context)), weights_BTS


def seq2seq(**fields: Any) -> Net:
    """Builds a `Seq2Seq` net; see `recurrent.recurrent` for its fields.

    Source: Sutskever, Vinyals, Le 2014; Cho et al. 2014; attention as in Luong et al.
    2015: global, with the "general" score (a linear map of the decoder's output times
    each encoder output), without input feeding.
    """
    module = Seq2Seq(**fields)
    return net(module)._replace(generate=functools.partial(generate, module))


def generate(
    module, params, model_state, inputs, *, steps, key, draw=sample_tokens
) -> dict[str, Any]:
    """Generates a sequence; see `types.Net.generate`.

    Decoding starts from the first of the decoder inputs or, if `inputs` is an array,
    from all of them. Tokens are drawn with `draw`; values are binary and drawn
    independently.
    """
    variables = {"params": params, **model_state}

    def apply(*arguments, method) -> Any:
        return module.apply(variables, *arguments, method=method)

    is_array = not isinstance(inputs, dict)
    inputs = unconditional(inputs) if is_array else inputs
    carries, encoded = apply(inputs, method="encode")
    decoder_inputs = inputs["decoder_inputs"]
    if is_array and decoder_inputs.shape[1] > 1:  # the prompt
        prompt = decoder_inputs[:, :-1]
        _, carries, _ = apply(prompt, carries, encoded, method="decode")
        decoder_inputs = decoder_inputs[:, -1:]

    def step(carry, key):
        last, carries = carry
        y, carries, weights = apply(last[:, None], carries, encoded, method="decode")
        new = draw(y[:, 0], key) if last.ndim == 1 else _sample_binary(y[:, 0], key)
        new = new.astype(last.dtype)
        return (new, carries), (new, None if weights is None else weights[:, 0])

    keys = None if key is None else jax.random.split(key, steps)
    first = (decoder_inputs[:, 0], carries)
    _, (y, weights) = jax.lax.scan(step, first, keys, length=steps)
    samples = {"prediction": y.swapaxes(0, 1)}
    if weights is not None:
        samples["attention"] = weights.swapaxes(0, 1)
    return samples


def unconditional(decoder_inputs):
    """Returns the inputs of a net without an encoder whose x is a zero vector."""
    zeros = jnp.zeros((len(decoder_inputs), 1))
    return {"x": zeros, "decoder_inputs": decoder_inputs}


def _sample_binary(logits, key):
    """Samples bool (b, k) independently; without a key thresholds at 1/2."""
    probability = jax.nn.sigmoid(logits)
    if key is None:
        return probability > 0.5
    return jax.random.bernoulli(key, probability)
