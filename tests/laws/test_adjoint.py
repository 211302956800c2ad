"""`conv_transpose` is the adjoint of `conv`: <conv(x), y> = <x, conv_transpose(y)>, bit for bit on small integers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from support.broken_twins import caught
from support.geometries import compiled_examples, convolutions, examples
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv import reference
from jaxconv.testing.configurations import Configuration
from jaxconv.testing.strategies import conv_configurations


def transposed(case: Configuration, kernel=None, **other):
    """The transposed convolution of a case's output deltas, with the length of its input."""
    kernel = case.params()["kernel"] if kernel is None else kernel
    layer = partial(jc.conv_transpose, output_shape=case.lengths, **(case.geometry | other))
    return evaluated(layer)({"kernel": kernel}, case.dy())


def check(compute, case: Configuration):
    """<conv(x), y> = <x, conv_transpose(y)>, and conv_transpose(y) equals the input deltas of the reference."""

    def both(kernel, x, y):
        transpose = partial(jc.conv_transpose, output_shape=case.lengths, **case.geometry)
        return jc.conv({"kernel": kernel}, x, **case.geometry), transpose({"kernel": kernel}, y)

    kernel, x, y = case.params()["kernel"], case.x(), case.dy()
    forward, back = compute(both)(kernel, x, y)
    assert np.vdot(forward, y) == np.vdot(x, back)
    np.testing.assert_array_equal(back, reference.conv_deltas(kernel, x, y, **case.geometry).x)


@examples(16)
@given(case=conv_configurations())
def test_the_adjoint_of_conv(case):
    """Every rank, stride, dilation, number of groups and mix of paddings."""
    check(evaluated, case)


@compiled_examples(4)
@given(case=convolutions())
def test_compiled(case):
    check(jax.jit, case)


def flipped(case):
    """Incorrect: flips the kernel, as libraries do whose convolution flips it."""
    kernel = case.params()["kernel"]
    return transposed(case, np.flip(kernel, axis=tuple(range(kernel.ndim - 2))))


def without_copies(case):
    """Incorrect: drops the contributions to padding, although the padding copies cells of x."""
    pads = [(axis.pad.lo, axis.pad.hi) for axis in case.axes]
    return transposed(case, padding=pads)


def unspread(case):
    """Incorrect: ignores the dilation."""
    if any(axis.dilation > 1 and axis.taps > 1 for axis in case.axes):
        return np.zeros_like(case.x())
    return transposed(case)


@pytest.mark.parametrize("twin", [flipped, without_copies, unspread])
def test_broken_twins_are_caught(twin):
    def is_detected(case):
        forward = evaluated(partial(jc.conv, **case.geometry))({"kernel": case.params()["kernel"]}, case.x())
        return np.vdot(forward, case.dy()) != np.vdot(case.x(), twin(case))

    assert caught(conv_configurations(max_rank=1), is_detected)


def test_its_gradients_are_convs():
    """The gradient by y is conv, and the kernel gradient is that of conv with x and y exchanged."""
    case = Configuration((7, 6), (3, 2), {"stride": (2, 1), "padding": ("circular", (1, 0)), "groups": 2}, (4, 6), 2, 0)
    kernel, x, y = case.params()["kernel"], case.x(), case.dy()
    layer = lambda kernel, y: jc.conv_transpose({"kernel": kernel}, y, output_shape=case.lengths, **case.geometry)
    of_kernel, of_y = jax.jit(jax.grad(lambda kernel, y: jnp.sum(layer(kernel, y) * x), argnums=(0, 1)))(kernel, y)
    np.testing.assert_array_equal(of_y, reference.conv(kernel, 0.0, x, **case.geometry))
    np.testing.assert_array_equal(of_kernel, reference.conv_deltas(kernel, x, y, **case.geometry).kernel)
