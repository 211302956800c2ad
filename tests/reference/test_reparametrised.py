"""Reference normalisations of parameters: their deltas, compared with differences of the forward pass."""

import numpy as np
import pytest

from jaxconv import reference

STEP = 1e-6


def directional(fn, at, way, dy):
    """The derivative of <fn, dy> in a direction, as a central difference."""
    return ((fn(at + STEP * way) - fn(at - STEP * way)) * dy).sum() / (2 * STEP)


@pytest.mark.parametrize("axis", [-1, -2, 0])
def test_deltas_are_differences(axis):
    generator = np.random.default_rng(2)
    kernel, dy, way = generator.normal(size=(3, 3, 2, 4, 5))
    u, v = generator.normal(size=kernel.shape[axis]), generator.normal(size=kernel.size // kernel.shape[axis])
    scale, scale_way = generator.normal(size=(2, kernel.shape[axis]))
    dkernel = reference.spectral_norm_deltas(kernel, u, v, dy, axis=axis)
    expected = directional(lambda kernel: reference.spectral_norm(kernel, u, v, axis=axis), kernel, way, dy)
    np.testing.assert_allclose(np.vdot(dkernel, way), expected, rtol=1e-6, atol=1e-6)
    dkernel, dscale = reference.weight_norm_deltas(kernel, scale, dy, axis=axis)
    expected = directional(lambda kernel: reference.weight_norm(kernel, scale, axis=axis), kernel, way, dy)
    np.testing.assert_allclose(np.vdot(dkernel, way), expected, rtol=1e-6, atol=1e-6)
    expected = directional(lambda scale: reference.weight_norm(kernel, scale, axis=axis), scale, scale_way, dy)
    np.testing.assert_allclose(np.vdot(dscale, scale_way), expected, rtol=1e-6, atol=1e-6)


def test_power_iteration_finds_the_first_singular_vectors():
    matrix = np.random.default_rng(3).normal(size=(4, 6))
    u, v = reference.power_iteration(matrix, np.ones(6), 500)
    left, values, right = np.linalg.svd(matrix)
    np.testing.assert_allclose([abs(u @ left[:, 0]), abs(v @ right[0]), u @ matrix @ v], [1, 1, values[0]], rtol=1e-9)
