"""char_lm's recurrent nets are as large as its Transformer."""

import pytest

from dljax.training import cost
from experiments import char_lm


def config(net, data_dir, **options):
    return char_lm.Config(net=net, data_dir=data_dir, **options)


def parameters(one):
    return cost.count_parameters(char_lm.task(one, char_lm.source(one), {})).total


@pytest.mark.parametrize("net", ["rnn", "lstm"])
def test_matched_nets_have_equal_weights(net, data_dir):
    ours, theirs = (parameters(config(name, data_dir)) for name in (net, "transformer"))
    assert 0.98 * theirs < ours <= theirs


@pytest.mark.parametrize("net", ["rnn", "lstm", "transformer"])
def test_weight_counts_equal_the_nets(net, data_dir):
    one = config(net, data_dir)
    vocabulary = char_lm.source(one).details.vocabulary.size
    counted, _ = (
        char_lm.transformer_size(one, vocabulary)
        if net == "transformer"
        else char_lm.recurrent_size(one, vocabulary, char_lm.neurons(one, vocabulary))
    )
    assert counted == parameters(one)


@pytest.mark.parametrize("net", ["rnn", "lstm"])
def test_matched_nets_have_equal_operations(net, data_dir):
    one = config(net, data_dir, equal="operations")
    vocabulary = char_lm.source(one).details.vocabulary.size
    _, ours = char_lm.recurrent_size(one, vocabulary, char_lm.neurons(one, vocabulary))
    _, theirs = char_lm.transformer_size(one, vocabulary)
    assert 0.98 * theirs < ours <= theirs
