"""Every public function in every environment that JAX has: flags, empty and smallest inputs, processes, devices."""

import environments
import jax
import numpy as np
import pytest
from environments import LAYERS, difference, forward_and_gradient

every_layer = pytest.mark.parametrize("name", LAYERS)


def test_no_public_function_is_missing():
    assert {*LAYERS, *environments.MADE, *environments.TOOLS} == environments.public_functions()


def test_a_difference_is_seen():
    """The comparison's own twins: a value, a NaN, a shape, a leaf."""
    tree = {"a": np.arange(3.0), "b": np.zeros(0)}
    assert difference(tree, tree) == ""
    assert "['a'] is off by 1" in difference(tree | {"a": np.array([0, 1, 3])}, tree)
    assert "['a'] is off by nan" in difference(tree | {"a": np.array([0, 1, np.nan])}, tree)
    assert "['b'] (0, 1) instead of ['b'] (0,)" in difference(tree | {"b": np.zeros((0, 1))}, tree)
    assert "['c']" in difference({"a": tree["a"], "c": tree["b"]}, tree)


@every_layer
def test_an_empty_batch_gives_an_empty_batch(name):
    """And the derivative by parameters is a sum over no examples."""
    layer = LAYERS[name]
    params, x = layer.operands()
    if layer.of_the_batch:
        with pytest.raises(ValueError, match="1 cell or more of each channel"):
            layer.apply(params, x[:0])
        return
    y, (dparams, dx) = jax.jit(forward_and_gradient(layer))(params, x[:0])
    assert dx.shape == (0, *x.shape[1:])
    if layer.takes_x:
        whole = jax.eval_shape(layer.apply, params, x)
        assert [leaf.shape for leaf in jax.tree.leaves(y)] == [(0, *leaf.shape[1:]) for leaf in jax.tree.leaves(whole)]
        assert difference(dparams, jax.tree.map(np.zeros_like, params)) == ""
