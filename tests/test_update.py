"""The order of examples and of players."""

import jax
import jax.numpy as jnp
import numpy as np
from families import FAMILIES

from dljax.training import update


def test_each_epoch_has_another_permutation():
    f = FAMILIES["plain"]()
    key, rows = jax.random.key(0), np.arange(96, dtype=np.int32)
    orders = np.asarray(update.permutations(f.source, key, rows, 2, 3))
    np.testing.assert_array_equal(np.sort(orders, 1), np.tile(rows, (3, 1)))
    assert (orders[0] != orders[1]).any()
    later = np.asarray(update.permutations(f.source, key, rows, 3, 1))
    np.testing.assert_array_equal(orders[1], later[0])


def test_players_have_separate_optimizers_and_take_turns():
    f = FAMILIES["gan"]()
    state = update.init(f.task, jax.random.key(0))
    batch = f.source.gather(f.source.arrays, jnp.arange(24))
    new, metrics = update.update(f.task, state, batch)
    counts = {name: int(opt[0].count) for name, opt in new.opt.items()}
    assert counts == {"critic": 2, "generator": 1}
    assert int(metrics["critic_loss"][1]) == 2
    assert int(metrics["generator_loss"][1]) == 1
