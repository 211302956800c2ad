"""Reference pooling, compared with plain enumeration and finite differences of its forward pass."""

import numpy as np
import pytest
from hypothesis import given

from jaxconv import reference
from jaxconv.testing.strategies import pool_configurations


def enumerated(case, combine):
    """Applies `combine` to the list of cells under the window, for each position, example and channel."""
    x, y = case.x(), np.zeros((case.batch, *case.out, case.channels[0]))
    for n, *position, c in np.ndindex(*y.shape):
        taps = [axis.reads(j) for axis, j in zip(case.axes, position, strict=True)]
        grid = np.array(np.meshgrid(*(np.array(t, dtype=object) for t in taps), indexing="ij")).reshape(len(taps), -1)
        cells = [tuple(cell) for cell in grid.T if None not in cell]
        y[(n, *position, c)] = combine([float(x[(n, *cell, c)]) for cell in cells])
    return y


@given(case=pool_configurations(max_rank=2))
def test_max_is_of_the_cells_under_the_window(case):
    np.testing.assert_array_equal(reference.max_pool(case.x(), case.window, **case.geometry), enumerated(case, max))


@given(case=pool_configurations(max_rank=2))
def test_min_is_of_the_cells_under_the_window(case):
    np.testing.assert_array_equal(reference.min_pool(case.x(), case.window, **case.geometry), enumerated(case, min))


@given(case=pool_configurations(max_rank=2))
def test_averages_are_of_the_cells_under_the_window(case):
    pool = lambda divisor: reference.avg_pool(case.x(), case.window, **case.geometry, divisor=divisor)
    np.testing.assert_array_equal(pool("inside"), enumerated(case, lambda cells: sum(cells) / len(cells)))
    np.testing.assert_array_equal(pool("window"), enumerated(case, lambda cells: sum(cells) / np.prod(case.window)))
    np.testing.assert_array_equal(pool(3), enumerated(case, lambda cells: sum(cells) / 3))


@pytest.mark.parametrize("divisor", ["inside", "window", 4])
@given(case=pool_configurations(max_rank=2))
def test_average_deltas_are_the_adjoint(divisor, case):
    """<pool(x), dy> = <x, deltas(dy)> for a linear pool, up to rounding, because thirds are not exact."""
    x, dy = case.x(), case.dy()
    y = reference.avg_pool(x, case.window, **case.geometry, divisor=divisor)
    dx = reference.avg_pool_deltas(x, dy, case.window, **case.geometry, divisor=divisor)
    np.testing.assert_allclose((y * dy).sum(), (x * dx).sum(), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("norm", [1, 2, 2.5])
@given(case=pool_configurations(max_rank=2))
def test_norms_are_of_the_cells_under_the_window(norm, case):
    of = lambda cells: np.linalg.norm(cells, norm)
    y = reference.lp_pool(case.x(), case.window, norm, **case.geometry)
    np.testing.assert_allclose(y, enumerated(case, of), rtol=1e-12)


@pytest.mark.parametrize("norm", [1, 2, 2.5])
@given(case=pool_configurations(max_rank=1))
def test_norms_deltas_are_differences(norm, case):
    """Central differences at numbers other than 0, where the derivative does not exist and is not claimed."""
    x, dy = case.x().astype(float), case.dy().astype(float)
    x = np.where(x == 0, 5.0, x)
    loss = lambda x: (dy * reference.lp_pool(x, case.window, norm, **case.geometry)).sum()
    step, expected = 1e-6, np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        expected[index] = (loss(up) - loss(down)) / (2 * step)
    actual = reference.lp_pool_deltas(x, dy, case.window, norm, **case.geometry)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


EXTREMES = {
    "max": (reference.max_pool, reference.max_pool_deltas),
    "min": (reference.min_pool, reference.min_pool_deltas),
}


@pytest.mark.parametrize(("pool", "deltas"), EXTREMES.values(), ids=EXTREMES)
@given(case=pool_configurations(max_rank=2))
def test_deltas_of_extremes_are_differences_where_no_two_cells_tie(pool, deltas, case):
    """A step too small to change the maximum changes the loss by the winner's delta times the step."""
    x = np.random.default_rng(case.seed).permutation(case.x().size).reshape(case.x().shape).astype(float)
    dy = case.dy().astype(float)
    loss = lambda x: (dy * pool(x, case.window, **case.geometry)).sum()
    expected = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        moved = x.copy()
        moved[index] += 0.5
        expected[index] = 2 * (loss(moved) - loss(x))
    np.testing.assert_array_equal(deltas(x, dy, case.window, **case.geometry), expected)


@pytest.mark.parametrize(("deltas", "sign"), [(reference.max_pool_deltas, 1), (reference.min_pool_deltas, -1)])
def test_the_first_of_equals_takes_the_delta(deltas, sign):
    x = sign * np.array([[1.0, 5.0], [5.0, 5.0]]).reshape(1, 2, 2, 1)
    dx = deltas(x, np.full((1, 1, 1, 1), 7.0), (2, 2))
    assert dx[0, :, :, 0].tolist() == [[0.0, 7.0], [0.0, 0.0]]
