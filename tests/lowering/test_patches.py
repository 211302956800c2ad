"""The cells under a window at each position, against the window's own list of what it reads."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given

from jaxconv.lowering.patches import patches
from jaxconv.testing.strategies import conv_configurations


@given(case=conv_configurations(max_rank=2))
def test_patches_hold_what_the_window_reads(case):
    """Element [n, *j, *u, c] is the cell that tap u reads at position j, or a zero."""
    x = case.x()
    found = np.asarray(patches(jnp.asarray(x), case.axes))
    assert found.shape == (case.batch, *case.out, *case.window, case.channels[0])
    rank = len(case.window)
    for index in np.ndindex(*case.out, *case.window):
        cells = tuple(axis.reads(j)[u] for axis, j, u in zip(case.axes, index[:rank], index[rank:], strict=True))
        expected = 0 if None in cells else x[(slice(None), *cells)]
        np.testing.assert_array_equal(
            found[(slice(None), *index)], np.broadcast_to(expected, found.shape[:: found.ndim - 1])
        )
