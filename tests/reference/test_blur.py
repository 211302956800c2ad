"""Reference blur pooling: weights compared with SciPy's binomials, and deltas with the adjoint."""

import numpy as np
import pytest
from scipy.signal import convolve
from scipy.stats import binom

from jaxconv import reference
from jaxconv.reference.blur import filter_of

CASES = [
    ((7,), (3,), {"stride": 2}),
    ((5, 6), (2, 4), {"stride": (1, 2), "padding": ("circular", "reflect")}),
    ((5, 4), (3, 2), {"padding": "same"}),
]


@pytest.mark.parametrize("taps", range(1, 8))
def test_weights_are_those_of_tossed_coins(taps):
    np.testing.assert_allclose(filter_of((taps,)), binom.pmf(np.arange(taps), taps - 1, 0.5), rtol=1e-12)


def test_it_is_a_convolution():
    """Compared with SciPy's convolution; the filter is symmetric."""
    x = np.random.default_rng(0).integers(-4, 5, (1, 6, 7, 1)).astype(float)
    expected = convolve(x[0, :, :, 0], filter_of((3, 2)), mode="valid", method="direct")
    np.testing.assert_allclose(reference.blur_pool(x, (3, 2), stride=1)[0, :, :, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(reference.blur_pool(x, (3, 2), stride=2)[0, :, :, 0], expected[::2, ::2], rtol=1e-12)


@pytest.mark.parametrize(("lengths", "window", "geometry"), CASES)
def test_deltas_are_the_adjoint(lengths, window, geometry):
    generator = np.random.default_rng(1)
    x = generator.integers(-4, 5, (2, *lengths, 3)).astype(float)
    y = reference.blur_pool(x, window, **geometry)
    dy = generator.integers(-4, 5, y.shape).astype(float)
    assert (y * dy).sum() == (x * reference.blur_pool_deltas(x, dy, window, **geometry)).sum()
