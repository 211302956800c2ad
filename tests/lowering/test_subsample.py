"""Subsampling preserves the cells that windows read, with smaller strides and dilations, in every geometry."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.broken_twins import caught
from support.numpy_evaluation import evaluated

from jaxconv.lowering.subsample import Subsampling, subsampled
from jaxconv.lowering.window_scatter import scatter_each_tap
from jaxconv.window import Axis, Pad

few = st.integers(1, 4)


@st.composite
def skipping_axes(draw):
    """Axes whose stride and dilation often have a common divisor, with windows that overhang or lie on zeros."""
    step, taps = draw(few), draw(few)
    stride, dilation = step * draw(st.integers(1, 2)), step * draw(st.integers(1, 2))
    pad = Pad(draw(st.integers(0, 5)), draw(st.integers(0, 5)))
    axis = Axis(draw(st.integers(1, 12)), taps, stride, dilation, pad)
    longer = max(0, axis.span - axis.padded)
    return replace(axis, length=axis.length + longer)


def reads(subsampled_axis):
    """The cells of x that windows over the subsampled cells read."""
    of_x = lambda cell: None if cell is None else subsampled_axis.first + subsampled_axis.step * cell
    return [tuple(map(of_x, subsampled_axis.axis.reads(j))) for j in range(subsampled_axis.axis.out)]


@given(axis=skipping_axes())
def test_the_same_cells_are_read(axis):
    assert reads(Subsampling.of(axis)) == [axis.reads(j) for j in range(axis.out)]


@given(axis=skipping_axes())
def test_no_cell_is_skipped_any_more(axis):
    """Except if the windows read no cell at all."""
    subsampled_axis = Subsampling.of(axis).axis
    sees_some = any(cell is not None for j in range(axis.out) for cell in axis.reads(j))
    assert np.gcd(subsampled_axis.stride, subsampled_axis.dilation) == 1 or not sees_some


@given(axes=st.lists(skipping_axes(), min_size=1, max_size=2).map(tuple), seed=st.integers(0, 2**16))
def test_results_over_cells_are_put_back_in_their_places(axes, seed):
    y = np.random.default_rng(seed).integers(-4, 5, (2, *(axis.out for axis in axes), 3)).astype(np.float32)
    spread = scatter_each_tap
    both = lambda y: (subsampled(spread, [y], axes, inputs=0, result_is_input=True), spread(axes, y))
    np.testing.assert_array_equal(*evaluated(both)(y))


def test_operands_over_cells_are_subsampled_and_others_are_not():
    """By hand: every second of seven cells from the first on, and every third of six from the second on."""
    axes = (Axis(7, 2, 2, 2, Pad(2, 0)), Axis(6, 1, 3, 3, Pad(2, 0)))
    seen = []

    def compute(axes, x, y):
        seen.append((x, y, axes))
        return y

    x, y = jnp.arange(42).reshape(1, 7, 6, 1), jnp.zeros((1, 4, 3, 1))
    assert subsampled(compute, [x, y], axes, inputs=1, result_is_input=False) is y
    ((thin_x, same_y, subsampled_axis),) = seen
    np.testing.assert_array_equal(thin_x[0, :, :, 0], x[0, ::2, 1::3, 0])
    assert same_y is y
    assert subsampled_axis == (Axis(4, 2, 1, 1, Pad(1, 0)), Axis(2, 1, 1, 1, Pad(1, 0)))


def test_nothing_is_cut_where_no_cell_is_skipped():
    axes, x = (Axis(5, 2, 3, 2, Pad(1, 1)),), jnp.ones((1, 5, 1))
    given_back = subsampled(lambda axes, x: (x, axes), [x], axes, inputs=1, result_is_input=True)
    assert given_back[0] is x
    assert given_back[1] is axes


# Incorrect variants.


def from_the_first_cell(axis):
    """Ignores windows that begin before x."""
    return replace(Subsampling.of(axis), first=0)


def padding_as_before(axis):
    """Keeps the padding as a number of cells of x instead of subsampled cells."""
    subsampled_axis = Subsampling.of(axis)
    return replace(subsampled_axis, axis=replace(subsampled_axis.axis, pad=axis.pad))


@pytest.mark.parametrize("twin", [from_the_first_cell, padding_as_before], ids=lambda twin: twin.__name__)
def test_broken_twins_are_caught(twin):
    assert caught(skipping_axes(), lambda axis: reads(twin(axis)) != [axis.reads(j) for j in range(axis.out)])
