"""Reference layers with partly shared kernels: outputs and deltas of each kernel equal a convolution at its positions."""

from itertools import product

import numpy as np
import pytest

from jaxconv import reference

GENERATOR = np.random.default_rng(0)
GEOMETRY = {"stride": (1, 2), "padding": ("circular", (2, 1)), "dilation": (2, 1), "groups": 2}


def integers(*shape):
    return GENERATOR.integers(-4, 5, shape).astype(float)


X, DY = integers(2, 5, 9, 4), integers(2, 5, 6, 6)
KERNELS, BIAS = integers(2, 3, 2, 2, 2, 6), integers(2, 3, 6)
REGIONS = ((1, 4), (2, 1, 3))
# For each layer, its settings and the positions of its kernels along rows and columns.
LAYERS = {
    "tiled": ((reference.tiled_conv, reference.tiled_conv_deltas), {}, ([[0, 2, 4], [1, 3]], [[0, 3], [1, 4], [2, 5]])),
    "regional": (
        (reference.regional_conv, reference.regional_conv_deltas),
        {"regions": REGIONS},
        ([[0], [1, 2, 3, 4]], [[0, 1], [2], [3, 4, 5]]),
    ),
}
each_layer = pytest.mark.parametrize(("functions", "settings", "places"), LAYERS.values(), ids=LAYERS)


def masks(places):
    """For each kernel, a mask [1, h, w, 1] of its positions."""
    for (i, rows), (j, columns) in product(enumerate(places[0]), enumerate(places[1])):
        mask = np.zeros((1, 5, 6, 1))
        mask[:, np.ix_(rows, columns)[0], np.ix_(rows, columns)[1]] = 1.0
        yield (i, j), mask


@each_layer
def test_forward(functions, settings, places):
    expected = sum(mask * reference.conv(KERNELS[k], BIAS[k], X, **GEOMETRY) for k, mask in masks(places))
    np.testing.assert_array_equal(functions[0](KERNELS, BIAS, X, **settings, **GEOMETRY), expected)


@each_layer
def test_deltas(functions, settings, places):
    actual = functions[1](KERNELS, X, DY, **settings, **GEOMETRY)
    dx = np.zeros(X.shape)
    for k, mask in masks(places):
        deltas = reference.conv_deltas(KERNELS[k], X, mask * DY, **GEOMETRY)
        np.testing.assert_array_equal(actual.kernel[k], deltas.kernel)
        np.testing.assert_array_equal(actual.bias[k], deltas.bias)
        dx += deltas.x
    np.testing.assert_array_equal(actual.x, dx)
