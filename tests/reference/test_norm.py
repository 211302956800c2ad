"""Reference normalisation: groups of cells, and deltas compared with finite differences of the forward pass."""

from functools import partial

import numpy as np
import pytest

from jaxconv import reference

SHAPE = (2, 3, 2, 4)
CELLS = {
    "batch": (reference.batch_cells, (0, 1, 2)),
    "instance": (partial(reference.group_cells, groups=4), (1, 2)),
    "layer": (reference.layer_cells, (3,)),
    "example": (partial(reference.group_cells, groups=1), (1, 2, 3)),
}


@pytest.mark.parametrize("name", CELLS)
def test_cells_taken_together_have_mean_0_and_variance_1(name):
    cells, axes = CELLS[name]
    y = reference.norm(1.0, 0.0, np.random.default_rng(0).normal(size=SHAPE), cells(SHAPE), 0.0)
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=axes), 1, rtol=1e-13)


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_is_taken_once(name):
    taken = np.zeros(SHAPE)
    for cells in CELLS[name][0](SHAPE):
        taken[cells] += 1
    assert (taken == 1).all()


def test_groups_are_neighbours():
    first, second = reference.group_cells((1, 2, 4), 2)
    x = np.arange(8).reshape(1, 2, 4)
    assert (x[first].tolist(), x[second].tolist()) == ([[0, 1], [4, 5]], [[2, 3], [6, 7]])


def test_without_centring_the_mean_square_is_1():
    x = np.random.default_rng(1).normal(size=SHAPE) + 1
    y = reference.norm(1.0, 0.0, x, reference.layer_cells(SHAPE), 0.0, centred=False)
    np.testing.assert_allclose((y**2).mean(axis=3), 1, rtol=1e-13)
    np.testing.assert_allclose(y / x, np.broadcast_to((y / x)[..., :1], SHAPE), rtol=1e-13)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_deltas_are_differences(name, centred):
    """Central differences, whose error is the third derivative times the squared step: 1e-10."""
    cells, normal, step = CELLS[name][0], np.random.default_rng(2).normal, 1e-5
    arrays = {"scale": normal(size=4), "bias": normal(size=4), "x": normal(size=SHAPE)}
    dy = normal(size=SHAPE)
    loss = lambda scale, bias, x: (dy * reference.norm(scale, bias, x, cells(SHAPE), 0.1, centred=centred)).sum()
    actual = reference.norm_deltas(arrays["scale"], arrays["x"], dy, list(cells(SHAPE)), 0.1, centred=centred)
    for (argument, array), delta in zip(arrays.items(), actual, strict=True):
        expected = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            up, down = array.copy(), array.copy()
            up[index] += step
            down[index] -= step
            expected[index] = (loss(**arrays | {argument: up}) - loss(**arrays | {argument: down})) / (2 * step)
        np.testing.assert_allclose(delta, expected, rtol=1e-7, atol=1e-8)
