"""The cost of nets, against counts by hand."""

import jax.numpy as jnp
import pytest

from dljax.models.cnn import cnn, cnn_parameters
from dljax.models.mlp import mlp, mlp_parameters
from dljax.training.cost import forward_cost


def test_mlp_costs_two_flops_per_weight():
    counted = forward_cost(mlp((32,), 10), jnp.zeros((4, 8, 8, 1)))
    assert counted.parameters == mlp_parameters(64, (32,), 10)
    assert counted.activations == 32 + 10
    weights = 64 * 32 + 32 * 10
    assert counted.flops == pytest.approx(2 * weights, rel=0.05)  # biases and ReLUs too


def test_cnn_costs_its_kernel_at_every_position():
    # Convolutions with 16 features or fewer also multiply zeros: see ops/conv.py.
    counted = forward_cost(cnn((20, 24), 16, 10), jnp.zeros((2, 12, 12, 1)))
    assert counted.parameters == cnn_parameters((12, 12, 1), (20, 24), 16, 10)
    assert counted.activations == 12 * 12 * 20 + 6 * 6 * 24 + 16 + 10
    convolutions = 34**2 * 20 + 16**2 * 20 * 24  # taps on the padding do not count
    dense = 9 * 24 * 16 + 16 * 10
    assert counted.flops == pytest.approx(2 * (convolutions + dense), rel=0.05)


def test_pooling_by_2_quarters_the_cost():
    none, pooled = (
        forward_cost(cnn((4, 8), 16, 10, pool=pool), jnp.zeros((1, 12, 12, 1)))
        for pool in ("none", "max")
    )
    assert none.flops > 2 * pooled.flops
    assert none.activations - pooled.activations == 3 * 36 * 8
