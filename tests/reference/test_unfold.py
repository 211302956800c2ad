"""Reference unfolding, compared with plain enumeration, and folding with its adjoint."""

from itertools import product

import numpy as np
from hypothesis import given

from jaxconv import reference
from jaxconv.testing.strategies import conv_configurations


@given(case=conv_configurations(max_rank=2))
def test_features_are_the_cells_under_the_window_by_tap_and_channel(case):
    x, geometry = case.x(), {name: case.geometry[name] for name in ("stride", "padding", "dilation")}
    y = reference.unfold(x, case.window, **geometry)
    for n, *position in np.ndindex(*y.shape[:-1]):
        reads = product(*(axis.reads(j) for axis, j in zip(case.axes, position, strict=True)))
        cells = [[0.0] * x.shape[-1] if None in cell else x[(n, *cell)].tolist() for cell in reads]
        assert y[(n, *position)].tolist() == [value for cell in cells for value in cell]


@given(case=conv_configurations(max_rank=2))
def test_folding_is_the_adjoint(case):
    x, geometry = case.x(), {name: case.geometry[name] for name in ("stride", "padding", "dilation")}
    y = reference.unfold(x, case.window, **geometry)
    dy = case.integers(y.shape, 9)
    assert np.vdot(y, dy) == np.vdot(x, reference.fold(dy, case.window, case.lengths, **geometry))
