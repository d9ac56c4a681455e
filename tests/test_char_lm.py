"""char_lm's recurrent nets are as large as its Transformer."""

import pytest

from dljax.training import cost
from experiments import char_lm


def config(network, data_dir, **options):
    return char_lm.Config(network=network, data_dir=data_dir, **options)


def parameters(one):
    return cost.count_parameters(char_lm.task(one, char_lm.source(one), {})).total


@pytest.mark.parametrize("network", ["rnn", "lstm"])
def test_matched_nets_have_equal_weights(network, data_dir):
    ours, theirs = (
        parameters(config(name, data_dir)) for name in (network, "transformer")
    )
    assert 0.98 * theirs < ours <= theirs


@pytest.mark.parametrize("network", ["rnn", "lstm", "transformer"])
def test_weight_counts_equal_the_nets(network, data_dir):
    one = config(network, data_dir)
    vocabulary = char_lm.source(one).details.vocabulary.size
    counted, _ = (
        char_lm.transformer_size(one, vocabulary)
        if network == "transformer"
        else char_lm.recurrent_size(one, vocabulary, char_lm.neurons(one, vocabulary))
    )
    assert counted == parameters(one)


@pytest.mark.parametrize("network", ["rnn", "lstm"])
def test_matched_nets_have_equal_operations(network, data_dir):
    one = config(network, data_dir, match="operations")
    vocabulary = char_lm.source(one).details.vocabulary.size
    _, ours = char_lm.recurrent_size(one, vocabulary, char_lm.neurons(one, vocabulary))
    _, theirs = char_lm.transformer_size(one, vocabulary)
    assert 0.98 * theirs < ours <= theirs
