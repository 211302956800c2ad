"""Global pooling: layouts and errors. tests/laws covers values and gradients."""

from functools import partial

import numpy as np
import pytest
from support import by_numpy

X = np.random.default_rng(0).integers(0, 100, (2, 6, 7, 3)).astype(np.float32)
LAYERS = [
    by_numpy.global_max_pool,
    by_numpy.global_min_pool,
    by_numpy.global_avg_pool,
    partial(by_numpy.global_lp_pool, norm=2),
]
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=["max", "min", "avg", "lp"])


@every_layer
def test_layouts_and_batches_of_global_pools(layer):
    y = layer(X)
    assert y.shape == (2, 3)
    np.testing.assert_array_equal(layer(X[1], batched=False), y[1])
    np.testing.assert_array_equal(layer(np.moveaxis(X, -1, 1), layout="channels_first"), y)
    np.testing.assert_array_equal(layer(np.moveaxis(X[0], -1, 0), layout="channels_first", batched=False), y[0])


@every_layer
def test_global_pools_need_something_to_pool(layer):
    with pytest.raises(ValueError, match=r"x is \(2, 3\), 2 axes, but should be \[n, w, c\]"):
        layer(X[:, 0, 0])
    with pytest.raises(ValueError, match=r"x is \(2, 0, 7, 3\) \[n, \*spatial, c\], but should be 1 or more cells"):
        layer(X[:, :0])
