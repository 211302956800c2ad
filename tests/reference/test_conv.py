"""Reference convolution, compared with the seeds' figures, SciPy, and finite differences of its forward pass."""

import numpy as np
import pytest
from hypothesis import given
from scipy.signal import correlate
from support.geometries import examples

from jaxconv import reference
from jaxconv.testing.strategies import conv_configurations

X = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
KERNEL = np.array([0.3, 0.5]).reshape(2, 1, 1)
DY = np.array([-0.1, 0.2]).reshape(1, 2, 1)


def digits(array):
    """Rounds to fifteen decimals, the binary precision of the seeds' decimal fractions."""
    return np.round(array, 15).ravel().tolist()


def test_worked_example_forward():
    assert digits(reference.conv(KERNEL, 0.0, X)) == [1.3, 2.1]


def test_worked_example_backward():
    deltas = reference.conv_deltas(KERNEL, X, DY)
    assert digits(deltas.kernel) == [0.3, 0.4]
    assert digits(deltas.bias) == [0.1]
    assert digits(deltas.x) == [-0.03, 0.01, 0.1]


def test_worked_example_overlay_by_overlay():
    """The first overlay adds [1*-0.1, 2*-0.1] to the kernel delta, the second [2*0.2, 3*0.2]."""
    each = reference.kernel_deltas_per_overlay(KERNEL, X, DY)
    assert digits(each[0]) == [-0.1, -0.2]
    assert digits(each[1]) == [0.4, 0.6]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_without_stride_or_padding_it_is_scipys_correlate(rank):
    generator = np.random.default_rng(rank)
    x = generator.integers(-4, 5, (2, *(6, 5, 4)[:rank], 3)).astype(float)
    kernel = generator.integers(-4, 5, (*(3, 2, 2)[:rank], 3, 4)).astype(float)
    y = reference.conv(kernel, 0.0, x)
    for n, o in np.ndindex(2, 4):
        maps = [correlate(x[n, ..., c], kernel[..., c, o], mode="valid", method="direct") for c in range(3)]
        np.testing.assert_array_equal(y[n, ..., o], sum(maps))


def by_differences(f, z):
    """The gradient of a function that is linear in z, by differences of each entry: exact on integers."""
    actual = np.zeros(z.shape)
    for index in np.ndindex(z.shape):
        moved = z.copy()
        moved[index] += 1
        actual[index] = f(moved) - f(z)
    return actual


def assert_deltas_are_differences(conv, deltas_of, params, case):
    """For loss = sum(dy * y), which is linear in kernel, bias and x, each delta is a difference of losses."""
    x, dy = case.x().astype(float), case.dy().astype(float)
    kernel, bias = (value.astype(float) for value in params.values())
    loss = lambda kernel, bias, x: (dy * conv(kernel, bias, x, **case.geometry)).sum()
    deltas = deltas_of(kernel, x, dy, **case.geometry)
    np.testing.assert_array_equal(deltas.kernel, by_differences(lambda k: loss(k, bias, x), kernel))
    np.testing.assert_array_equal(deltas.bias, by_differences(lambda b: loss(kernel, b, x), bias))
    np.testing.assert_array_equal(deltas.x, by_differences(lambda x: loss(kernel, bias, x), x))


@examples(12)
@given(case=conv_configurations(max_rank=2))
def test_deltas_are_the_differences_of_the_loss(case):
    assert_deltas_are_differences(reference.conv, reference.conv_deltas, case.params(), case)


@examples(20)
@given(case=conv_configurations(max_rank=1))
def test_unshared_deltas_are_the_differences_of_the_loss(case):
    conv, deltas = reference.locally_connected, reference.locally_connected_deltas
    assert_deltas_are_differences(conv, deltas, case.local_params(), case)


@examples(20)
@given(case=conv_configurations())
def test_a_shared_kernels_deltas_are_the_sum_over_its_overlays(case):
    kernel, x, dy = case.params()["kernel"], case.x(), case.dy()
    each = reference.kernel_deltas_per_overlay(kernel, x, dy, **case.geometry)
    untied = np.broadcast_to(kernel, each.shape)
    np.testing.assert_array_equal(reference.locally_connected_deltas(untied, x, dy, **case.geometry).kernel, each)
    rank = len(case.window)
    shared = reference.conv_deltas(kernel, x, dy, **case.geometry).kernel
    np.testing.assert_array_equal(shared, each.sum(axis=tuple(range(rank))))
