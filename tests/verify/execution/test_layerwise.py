"""Test `layerwise`: the layer that breaks equivariance, and laws that shapes alone would not determine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.numeric_subjects import circular, correlate

from jaxconv.verify.execution.layerwise import layerwise
from jaxconv.verify.execution.metrics import equivariance_error, lie_derivative_error

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 6, 8, 2)).astype(np.float32)  # [n, h, w, c]
FIRST = RNG.normal(size=(3, 3, 2, 5)).astype(np.float32)
SECOND = RNG.normal(size=(3, 3, 5, 4)).astype(np.float32)


def network(kernel, x):
    y = jax.nn.relu(circular(x, FIRST))
    y = correlate(y, kernel, padding="SAME")
    y = jnp.tanh(y)
    return y.mean((1, 2))


def test_the_layer_at_which_it_gets_lost():
    layers = layerwise(network, SECOND, X, axes={1: (1, 2)})
    names = [layer.primitive for layer in layers]
    assert names == ["conv_general_dilated", "max", "conv_general_dilated", "tanh", "reduce_sum", "div"]
    assert all(layer.worst < 1e-6 for layer in layers[:2])
    assert all(layer.value > 0.01 for layer in layers[2:])
    assert layers[2].shape == (3, 6, 8, 4)
    assert str(layers[3]).startswith("tanh at test_layerwise.py:")
    assert layers[3].source.endswith("(network)")
    whole = equivariance_error(network, SECOND, X, axes={1: (1, 2)})
    assert layers[-1].value == pytest.approx(whole.mean)
    assert layers[-1].worst == pytest.approx(whole.worst)


def test_layers_by_lie_derivative():
    layers = layerwise(network, SECOND, X, axes={1: (1, 2)}, measure="lie")
    assert layers[0].worst < 1e-9
    assert layers[1].value > 0.1  # the ReLU aliases
    whole = lie_derivative_error(network, SECOND, X, axes={1: (1, 2)})
    size = float(jnp.mean(network(SECOND, X) ** 2))
    assert layers[-1].value == pytest.approx(whole.mean() / size, rel=1e-4)


def test_laws_of_layers_are_proved_where_shapes_would_mislead():
    """Neither a channels-first layout nor a reversal is visible in a shape."""
    fn = lambda x: jnp.tanh(jnp.transpose(x[:, ::-1], (0, 3, 1, 2))) * 2.0
    assert [layer.worst for layer in layerwise(fn, X, axes=(1, 2))] == [0, 0]
    unclear = lambda x: jnp.cumsum(x, axis=1).sum(2) * 2.0  # [3, 6, 2]: do the rows move?
    running, *others = layerwise(unclear, X, axes=(1,))
    assert running.worst > 0.1
    assert all(np.isnan(layer.value) for layer in others)
    assert len(others) == 2


def test_an_unknown_measure_is_refused():
    with pytest.raises(ValueError, match='layerwise: measure is \'gradient\', but should be "relative" or "lie"'):
        layerwise(circular, X, axes=(1,), measure="gradient")
