"""`im2col` compared with the cells that `Axis.reads` lists for each position."""

from functools import partial

import jax
import numpy as np
from hypothesis import given
from support.geometries import convolutions, few_compiled
from support.numpy_evaluation import evaluated

from jaxconv.lowering.im2col import im2col
from jaxconv.testing.strategies import conv_configurations


def reads(case, actual):
    """Checks that element [n, *j, *u, c] is the cell that tap u reads at position j, or zero."""
    x, rank = case.x(), len(case.window)
    assert actual.shape == (case.batch, *case.out, *case.window, case.channels[0])
    for index in np.ndindex(*case.out, *case.window):
        cells = tuple(axis.reads(j)[u] for axis, j, u in zip(case.axes, index[:rank], index[rank:], strict=True))
        expected = 0 if None in cells else x[(slice(None), *cells)]
        np.testing.assert_array_equal(
            actual[(slice(None), *index)], np.broadcast_to(expected, actual.shape[:: actual.ndim - 1])
        )


@given(case=conv_configurations(max_rank=2))
def test_patches_hold_what_the_window_reads(case):
    reads(case, evaluated(partial(im2col, axes=case.axes))(case.x()))


@few_compiled
@given(case=convolutions(max_rank=2))
def test_compiled_patches_hold_what_the_window_reads(case):
    reads(case, np.asarray(jax.jit(partial(im2col, axes=case.axes))(case.x())))
