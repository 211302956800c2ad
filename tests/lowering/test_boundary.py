"""Padding by copies, compared with `np.pad`."""

import jax
import numpy as np
import pytest
from hypothesis import given
from support.geometries import convolutions, few_compiled
from support.numpy_evaluation import evaluated

from jaxconv.lowering.boundary import copy_boundary
from jaxconv.lowering.window_slices import padded
from jaxconv.testing.configurations import Configuration
from jaxconv.testing.strategies import conv_configurations
from jaxconv.window import Axis, Pad

NUMPY_MODES = {"ZERO": "constant", "CIRCULAR": "wrap", "REFLECT": "reflect", "SYMMETRIC": "symmetric", "EDGE": "edge"}


def padded_by_numpy(case: Configuration, *, zeros: bool) -> np.ndarray:
    """The input of a case, padded along one spatial axis after the other."""
    x = case.x()
    for position, axis in enumerate(case.axes, start=1):
        if zeros or axis.pad.boundary != "ZERO":
            amounts = [(0, 0)] * x.ndim
            amounts[position] = (axis.pad.lo, axis.pad.hi)
            x = np.pad(x, amounts, mode=NUMPY_MODES[axis.pad.boundary])  # pyright: ignore[reportCallIssue, reportArgumentType]
    return x


def check(case, written, everything, axes):
    """Compares the result of `copy_boundary`, without and with zero padding, with `np.pad`; and checks the axes."""
    np.testing.assert_array_equal(written, padded_by_numpy(case, zeros=False))
    np.testing.assert_array_equal(everything, padded_by_numpy(case, zeros=True))
    for before, after, length in zip(case.axes, axes, written.shape[1:-1], strict=True):
        assert (after.length, after.pad.boundary, after.out) == (length, "ZERO", before.out)
        assert after.pad == (before.pad if before.pad.boundary == "ZERO" else Pad(0, 0))


def both(case, axes_seen):
    """x -> the result of `copy_boundary`, without and with zero padding; stores the axes in `axes_seen`."""

    def run(x):
        written, axes = copy_boundary(x, case.axes)
        axes_seen[:] = axes
        return written, padded(axes, written)

    return run


@given(case=conv_configurations())
def test_boundaries_are_copied_and_zeros_are_left(case):
    check(case, *evaluated(both(case, axes := []))(case.x()), axes)


@few_compiled
@given(case=convolutions())
def test_compiled_boundaries_are_copied_and_zeros_are_left(case):
    check(case, *jax.jit(both(case, axes := []))(case.x()), axes)


@pytest.mark.parametrize("boundary", ["CIRCULAR", "REFLECT", "SYMMETRIC", "EDGE"])
def test_a_border_many_times_as_wide_as_x_is_numpys_and_few_equations(boundary):
    x = np.arange(6, dtype=np.float32).reshape(1, 3, 2)
    axes = (Axis(3, 1, 1, 1, Pad(200, 77, boundary)),)
    actual = jax.jit(lambda x: copy_boundary(x, axes)[0])(x)
    np.testing.assert_array_equal(actual, np.pad(x, ((0, 0), (200, 77), (0, 0)), mode=NUMPY_MODES[boundary]))
    assert len(jax.make_jaxpr(lambda x: copy_boundary(x, axes)[0])(x).eqns) < 20
