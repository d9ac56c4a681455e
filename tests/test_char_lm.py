"""The widths of char_lm's recurrent nets are what makes them equal to the Transformer."""

import pytest

from dljax.train import cost
from experiments import char_lm


def config(net, equal="weights", **options):
    return char_lm.Config(net=net, equal=equal, **options)


def products(net, config, vocabulary):
    """Multiply-adds of a token's products with weights, and of attention's."""
    width, depth = config.width, config.depth
    if net == "transformer":
        attention = 2 * config.context * width
        return depth * (12 * width**2 + attention) + width * vocabulary
    hidden = char_lm.WIDTHS[net, config.equal]
    parts = {"rnn": 1, "lstm": 4}[net]
    return parts * hidden * (hidden + config.embedding) + hidden * vocabulary


@pytest.mark.parametrize("net", ["rnn", "lstm"])
def test_they_have_as_many_weights_or_take_as_many_operations(net, data_dir):
    options = {"data_dir": data_dir}
    sizes = [
        cost.parameters(char_lm.task(config(name, **options))).total
        for name in (net, "transformer")
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)
    one = config(net, "operations", **options)
    vocabulary = char_lm.text(one).vocabulary.size
    ours, theirs = (products(name, one, vocabulary) for name in (net, "transformer"))
    assert ours == pytest.approx(theirs, rel=0.02)
