"""Reductions over rows of a reshape: parts of an axis that are added are pieces, and have an interior."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.proved_and_twins import law

X = np.zeros((8, 3), np.float32)


def overlaps(x):
    """Sums of three cells, those over the ends included: [n + 2, c]."""
    return lax.reduce_window(x, np.float32(0), lax.add, (3, 1), (1, 1), ((2, 2), (0, 0)))


def folded(y, before, after, period=8):
    y = jnp.pad(y, ((before, after), (0, 0)))
    return y.reshape(-1, period, y.shape[1])


PROVED = {
    "at the start": lambda x: folded(overlaps(x), 0, 6).sum(0),
    "behind a row of zeros": lambda x: folded(overlaps(x), 8, 6).sum(0),
    "turned": lambda x: folded(overlaps(x), 3, 3).sum(0),
    "negative": lambda x: -folded(-overlaps(x), 0, 6).sum(0),
    "spread and folded": lambda x: folded(jnp.pad(overlaps(x), ((0, 0), (0, 1))), 0, 6).sum(0)[:, :3],
    "along another axis": lambda x: jnp.pad(overlaps(x).T, ((0, 0), (0, 6))).reshape(3, 2, 8).sum(1).T,
}
TWINS = {
    "another period": lambda x: folded(overlaps(x), 0, 4, 7).sum(0),
    "cut off": lambda x: folded(overlaps(x)[:-1], 0, 7).sum(0),
    "a maximum": lambda x: folded(overlaps(x), 0, 6).max(0),
    "weighted rows": lambda x: (folded(overlaps(x), 0, 6) * jnp.array([1.0, 2.0])[:, None, None]).sum(0),
    "padded by ones": lambda x: jnp.pad(overlaps(x), ((0, 6), (0, 0)), constant_values=1.0).reshape(2, 8, 3).sum(0),
    "one row only": lambda x: folded(overlaps(x), 0, 6)[:1].sum(0),
}


@pytest.mark.parametrize("name", PROVED)
def test_a_sum_of_rows_folds_the_overlaps(name):
    assert law(PROVED[name], X) == (1, ((0, 1),), ())


@pytest.mark.parametrize("name", TWINS)
def test_other_sums_of_rows_do_not(name):
    assert law(TWINS[name], X) is None


@pytest.mark.parametrize("reduce", [jnp.sum, jnp.max, jnp.min, jnp.prod])
def test_any_reduction_of_rows_has_an_interior(reduce):
    """Rows of padding are constant. Outputs 2 to 7 read cells of x in one row, and constants in the other."""
    fn = lambda x: reduce(folded(overlaps(x), 0, 6), axis=0)
    assert law(fn, X, kind="interior") == (1, ((0, 1),), ((0, 2, 8),))
    fn = lambda x: reduce(folded(overlaps(x), 8, 6), axis=0)
    assert law(fn, X, kind="interior") == (1, ((0, 1),), ((0, 2, 8),))


def test_rows_that_all_show_the_signal_are_added():
    """Without padding, two halves of an axis move together in the interior."""
    fn = lambda x: x.reshape(2, 4, 3).sum(0)
    assert law(fn, X, kind="interior") == (1, ((0, 1),), ((0, 0, 4),))
    assert law(lambda x: x.reshape(4, 2, 3).sum(1), X, kind="interior") == (2, ((0, 1),), ((0, 0, 4),))
