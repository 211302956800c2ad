"""Differences of running sums are sums of windows; running sums and other differences are not."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.proved_and_twins import certificate_of, culprit, law

N = 16
X, Y = np.zeros((N, 2), np.float32), np.zeros((6, N), np.float32)


def total(x, axis=0):
    """Running sums that start with that of no cell."""
    return jnp.cumsum(jnp.pad(x, [(int(a == axis), 0) for a in range(x.ndim)]), axis=axis)


def apart(width, t, stride=1):
    """Differences of sums `width` cells apart."""
    return t[width::stride] - t[:-width:stride]


def turned(width, t):
    return t[:-width] - t[width:]


def growing(t):
    return t[2::2] - t[:8]


def added(t):
    return t[4:] + t[:-4]


def multiplied(t):
    return t[4:] * t[:-4]


def larger(t):
    return jnp.maximum(t[4:], t[:-4])


def scaled(t):
    return 2 * t[4:] - t[:-4]


PROVED = {  # function, and (shift, moves, region) of the interior
    "a moving sum": (lambda x: apart(4, total(x)), (1, ((0, 1),), ((0, 0, 13),))),
    "zeros behind the sums": (
        lambda x: apart(3, jnp.pad(jnp.cumsum(x, 0), ((1, 0), (0, 0)))), (1, ((0, 1),), ((0, 0, 14),))),
    "zeros joined": (
        lambda x: apart(3, jnp.concatenate([jnp.zeros((1, 2)), jnp.cumsum(x, 0)])),
        (1, ((0, 1),), ((0, 0, 14),))),
    "the smaller first": (lambda x: turned(4, total(x)), (1, ((0, 1),), ((0, 0, 13),))),
    "to the end": (lambda x: apart(4, lax.cumsum(x, 0, reverse=True)), (1, ((0, 1),), ((0, 0, 12),))),
    "to the end, and zeros": (
        lambda x: apart(4, jnp.pad(lax.cumsum(x, 0, reverse=True), ((0, 1), (0, 0)))), (1, ((0, 1),), ((0, 0, 13),))),
    "with a stride": (lambda x: apart(4, total(x), 2), (2, ((0, 1),), ((0, 0, 7),))),
    "bins": (lambda x: apart(2, total(x), 2), (2, ((0, 1),), ((0, 0, 8),))),
    "the cells themselves": (lambda x: apart(1, total(x)), (1, ((0, 1),), ((0, 0, N),))),
    "without the first sums": (
        lambda x: apart(3, jnp.cumsum(x, 0)), (1, ((0, 1),), ((0, 0, 13),))),
    "of a convolution": (
        lambda x: apart(4, total(x[1:] * x[:-1])), (1, ((0, 1),), ((0, 0, 12),))),
    "a reversed signal": (lambda x: apart(4, total(x[::-1])), (1, ((0, -1),), ((0, 0, 13),))),
}  # fmt: skip


@pytest.mark.parametrize("name", PROVED)
def test_a_difference_of_running_sums_is_a_sum_of_a_window(name):
    fn, interior = PROVED[name]
    assert law(fn, X, kind="interior") == interior
    assert law(fn, X) is None


def test_the_receptive_field_is_the_window():
    field = certificate_of(PROVED["a moving sum"][0], X).leaves[0].axes[0].claims["interior"].receptive_field
    assert (field.first, field.last) == (0, 3)


def test_the_receptive_field_of_sums_to_the_end_begins_with_their_first_cell():
    field = certificate_of(PROVED["to the end"][0], X).leaves[0].axes[0].claims["interior"].receptive_field
    assert (field.first, field.last) == (0, 3)


def test_sums_of_a_wrapped_signal_move_around_the_circle():
    def fn(x):
        t = total(jnp.pad(x, ((0, 3), (0, 0)), mode="wrap"))
        return t[4:] - t[:-4]

    assert law(fn, X) == (1, ((0, 1),), ())


def test_sums_along_the_other_axis_keep_the_motion():
    fn = lambda x: apart(4, total(x, 1).T).T
    assert law(fn, Y, kind="interior") == (1, ((0, 1),), ((0, 0, 6),))
    assert law(fn, Y) == (1, ((0, 1),), ())


TWINS = {
    "a running sum": lambda x: total(x)[4:] - 1,
    "of two values": lambda x: total(x)[4:] - total(2 * x)[:-4],
    "of a value and its mirror image": lambda x: total(x)[4:] - total(x[::-1])[:-4],
    "windows that grow": lambda x: growing(total(x)),
    "sums from the end": lambda x: total(x)[4:] - lax.cumsum(x, 0, reverse=True)[: N - 3],
    "padding by ones": lambda x: apart(3, jnp.pad(jnp.cumsum(x, 0), ((0, 5), (0, 0)), constant_values=1)[6:]),
    "products": lambda x: apart(4, jnp.cumprod(x, 0)),
    "maxima": lambda x: apart(4, lax.cummax(x, 0)),
    "a sum instead": lambda x: added(total(x)),
    "a product of one": lambda x: multiplied(total(x)),
    "the larger one": lambda x: larger(total(x)),
    "scaled sums": lambda x: scaled(total(x)),
    "sums along both axes": lambda x: apart(4, jnp.cumsum(total(x), 1)),
}


@pytest.mark.parametrize("name", TWINS)
def test_other_differences_are_not_proved(name):
    fn = TWINS[name]
    assert law(fn, X, kind="interior") is None
    assert law(fn, X) is None


def test_the_running_sum_is_to_blame():
    assert culprit(lambda x: total(x)[4:] - total(2 * x)[:-4], X, kind="interior") == "cumsum"
