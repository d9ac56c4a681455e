"""char_lm: recurrent nets match the Transformer in weights or operations."""

import pytest

from dljax.training import cost
from experiments import char_lm


def config(network, data_dir, **options):
    return char_lm.Config(network=network, data_dir=data_dir, **options)


def parameters(run_config):
    return cost.count_parameters(
        char_lm.task(run_config, char_lm.source(run_config), {})
    ).total


@pytest.mark.parametrize("network", ["rnn", "lstm"])
def test_matched_nets_have_equal_weights(network, data_dir):
    ours, theirs = (
        parameters(config(name, data_dir)) for name in (network, "transformer")
    )
    assert 0.98 * theirs < ours <= theirs


@pytest.mark.parametrize("network", ["rnn", "lstm", "transformer"])
def test_weight_counts_equal_the_nets(network, data_dir):
    run_config = config(network, data_dir)
    vocabulary = char_lm.source(run_config).details.vocabulary.size
    counted, _ = (
        char_lm.transformer_size(run_config, vocabulary)
        if network == "transformer"
        else char_lm.recurrent_size(
            run_config, vocabulary, char_lm.neurons(run_config, vocabulary)
        )
    )
    assert counted == parameters(run_config)


@pytest.mark.parametrize("network", ["rnn", "lstm"])
def test_matched_nets_have_equal_operations(network, data_dir):
    run_config = config(network, data_dir, match="operations")
    vocabulary = char_lm.source(run_config).details.vocabulary.size
    _, ours = char_lm.recurrent_size(
        run_config, vocabulary, char_lm.neurons(run_config, vocabulary)
    )
    _, theirs = char_lm.transformer_size(run_config, vocabulary)
    assert 0.98 * theirs < ours <= theirs
