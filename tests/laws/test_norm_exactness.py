"""Normalisations keep their digits if the mean is large (compared with float64), and give exactly 0 for equal cells."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY

import jaxconv as jc

EPSILON = 1e-5


def batch_norm(params, x, **settings):
    state = {"mean": np.zeros(x.shape[-1], np.float32), "var": np.ones(x.shape[-1], np.float32)}
    return jc.batch_norm(params, state, x, training=True, **settings)[0]


# name -> layer, and the axes of x as [n, h, w, groups, c / groups] that it reduces; 8 channels in 4 groups.
NORMS = {
    "batch_norm": (batch_norm, (0, 1, 2)),
    "instance_norm": (jc.instance_norm, (1, 2)),
    "group_norm": (partial(jc.group_norm, groups=4), (1, 2, 4)),
    "layer_norm": (jc.layer_norm, (3, 4)),
}
COMPILED = {layer: jax.jit(partial(layer, {})) for layer, _ in NORMS.values()}  # shared by all tests of a shape
every_norm = pytest.mark.parametrize(("layer", "together"), NORMS.values(), ids=NORMS)


def by_hand(x, together):
    """Computes in float64: first the mean, then the squares of the differences."""
    wide = np.asarray(x, np.float64).reshape(*x.shape[:-1], 4, -1)
    centred = wide - wide.mean(together, keepdims=True)
    return (centred / np.sqrt(np.square(centred).mean(together, keepdims=True) + EPSILON)).reshape(x.shape)


@every_norm
@pytest.mark.parametrize(("mean", "spread"), [(1000, 1), (-1e5, 1), (50, 0.01), (0, 1)])
def test_a_large_mean_costs_no_digits(layer, together, mean, spread):
    """PyTorch's batch norm has an error of 5e-5 for mean 1000 and spread 1; an uncorrected mean has one of 6e-4."""
    x = np.random.default_rng(0).normal(mean, spread, (8, 10, 11, 8)).astype(np.float32)
    y = COMPILED[layer](x)
    assert np.abs(y - by_hand(x, together)).max() < 1e-5


@every_norm
def test_an_outlier_costs_no_digits(layer, together):
    """One distant cell determines the spread; the other cells keep their digits."""
    x = np.random.default_rng(0).normal(0, 1, (8, 30, 31, 8)).astype(np.float32)
    x[:, 0, 0, 0] = 1e6
    # The spread sums up to 7,440 squares, which XLA adds in any order: the relative error may be n * 2^-24 = 4e-4.
    np.testing.assert_allclose(COMPILED[layer](x), by_hand(x, together), rtol=4e-4, atol=1e-5)


CONSTANTS = np.concatenate([np.geomspace(1e-3, 1e6, 120), np.linspace(50, 100, 120), -np.geomspace(1e-3, 1e6, 16)])
# Numbers of equal cells: even, odd, and as in the bug report: 800, 105, 1.
SIZES = [(8, 10, 10), (3, 7, 5), (1, 1, 1)]


def equal_cells(size, together):
    """Each constant fills one channel, group or position that is normalised together."""
    numbers = CONSTANTS.astype(np.float32)
    if 0 in together:
        return np.broadcast_to(numbers, (*size, numbers.size))
    if 3 in together:
        return np.broadcast_to(numbers[:, None, None, None], (numbers.size, 1, 1, 8))
    return np.broadcast_to(numbers.reshape(-1, 1, 1, 4, 1), (numbers.size // 4, *size[1:], 4, 2)).reshape(
        -1, *size[1:], 8
    )


@every_norm
@pytest.mark.parametrize("size", SIZES)
def test_equal_cells_give_exactly_0(layer, together, size):
    """The normalised value is exactly 0 for every constant, so the result is exactly the bias."""
    x = equal_cells(size, together)
    bias = {"bias": np.full(x.shape[-1], 0.3, np.float32)}
    for compute in (jax.jit, evaluated) if NIGHTLY or size != (1, 1, 1) else (evaluated,):
        plain, with_bias = compute(lambda bias, x: (layer({}, x), layer(bias, x)))(bias, x)
        assert not np.any(plain)
        np.testing.assert_array_equal(with_bias, np.full(x.shape, np.float32(0.3)))


def test_equal_cells_over_devices_give_exactly_0():
    """The means, the minima and the maxima of the parts are combined."""
    x = equal_cells((8, 10, 10), (0, 1, 2))
    over_parts = jax.vmap(partial(batch_norm, {}, axis_name="parts"), axis_name="parts")
    assert not jax.jit(over_parts)(x.reshape(4, 2, *x.shape[1:])).any()


def test_the_running_mean_of_a_constant_is_that_constant():
    x = equal_cells((3, 7, 5), (0, 1, 2))
    params, state = by_numpy.init_batch_norm(x.shape[-1])
    _, state = jax.jit(partial(jc.batch_norm, training=True, momentum=0.0))(params, state, x)
    np.testing.assert_array_equal(state["mean"], CONSTANTS.astype(np.float32))
    assert not state["var"].any()


def test_a_mean_without_its_correction_is_caught():
    """The incorrect variant: the formula in which both errors were found."""
    x = equal_cells((8, 10, 10), (0, 1, 2))

    @evaluated
    def normalised(x):
        left = x - x.mean((0, 1, 2), keepdims=True)
        return left / jnp.sqrt(jnp.square(left).mean((0, 1, 2), keepdims=True) + EPSILON)

    assert np.abs(normalised(x)).max() > 0.01


@every_norm
def test_the_derivative_is_that_of_the_formula(layer, together):
    """Compared with the plain formula in float64 at a large mean; the pivot does not contribute."""
    draw = np.random.default_rng(0)
    x = draw.normal(1000, 1, (3, 4, 5, 8)).astype(np.float32)
    dy = draw.normal(0, 1, x.shape).astype(np.float32)

    def plain(x):
        wide = x.reshape(*x.shape[:-1], 4, -1)
        left = wide - wide.mean(together, keepdims=True)
        return (left / jnp.sqrt(jnp.square(left).mean(together, keepdims=True) + EPSILON)).reshape(x.shape)

    both = lambda layer: lambda x, dy: (jax.vjp(layer, x)[1](dy)[0], jax.jvp(layer, (x,), (dy,))[1])
    actual, pushed = jax.jit(both(partial(layer, {})))(x, dy)
    with jax.enable_x64(True):
        expected, expected_tangent = evaluated(both(plain))(x.astype(np.float64), dy.astype(np.float64))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-5)
    np.testing.assert_allclose(pushed, expected_tangent, rtol=0, atol=2e-5)


@every_norm
def test_the_moments_do_not_know_positions(layer, together):
    """A pivot taken from the cells would depend on the position. Cyclic shifts are proved, also for gradients."""
    x = jax.ShapeDtypeStruct((2, 12, 9, 8), "float32")
    gradient = jax.grad(lambda x: jnp.sum(layer({}, x) ** 3))
    for function in (partial(layer, {}), gradient):
        certificate = jc.certify(function, x, axes=(1, 2), search=False)
        assert certificate.cyclic.value == "PROVED"
        assert {axis.cyclic.shift for leaf in certificate.leaves for axis in leaf.axes} == {1}
