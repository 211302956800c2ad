"""Constants that are computed before a function is followed: binary searches, and orders of known keys."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import lax
from support.claim_oracle import judged
from support.numpy_twins import survey

import jaxconv as jc
from jaxconv.verify.fold import order_of, period

X = jax.ShapeDtypeStruct((1, 12), jnp.float32)
GRID = np.arange(12)


def grid():
    return jnp.arange(12.0)


def interpolated(x, places, **settings):
    return jax.vmap(lambda y: jnp.interp(places, grid(), y, **settings))(x)


LAWS = {  # cyclic: (shift, t), interior: (shift, t, lo, hi)
    "half cells": (lambda x: interpolated(x, jnp.arange(23) / 2), None, (1, 2, 0, 22)),
    "half cells beyond the ends": (lambda x: interpolated(x, jnp.arange(12.0) - 2.5), None, (1, 1, 3, 12)),
    "around the circle": (lambda x: interpolated(x, jnp.arange(12.0) + 0.25, period=12), (1, 1), (1, 1, 0, 11)),
    "by searchsorted": (lambda x: x[:, jnp.searchsorted(grid(), jnp.arange(22) / 2)], None, (1, 2, 0, 22)),
    "by digitize": (lambda x: x[:, jnp.digitize(jnp.arange(22) / 2, grid()) - 1], None, (1, 2, 0, 22)),
    "by a scan": (lambda x: x[:, lax.scan(lambda c, i: (c + 1, c + i), 1, jnp.arange(5))[1]], None, (2, 1, 0, 5)),
    "sorted by known keys": (lambda x: lax.sort((jnp.asarray((GRID + 5) % 12)[None], x), num_keys=1)[1], (1, 1), (1, 1, 5, 12)),
    "reversed by known keys": (lambda x: lax.sort((-jnp.asarray(GRID)[None], x), num_keys=1)[1], (1, -1), (1, -1, 0, 12)),
    "by two keys": (lambda x: lax.sort((jnp.asarray(GRID // 4)[None], jnp.asarray(GRID)[None], x), num_keys=2)[2], (1, 1), (1, 1, 0, 12)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAWS)
def test_what_is_read_at_places_that_a_loop_or_a_sort_computes_moves(name):
    fn, cyclic, interior = LAWS[name]
    report = judged(fn, X)
    if cyclic is not None:
        assert (report.cyclic.shift, report.cyclic.moves) == (cyclic[0], ((1, cyclic[1]),))
    shift, by, lo, hi = interior
    assert (report.interior.shift, report.interior.moves) == (shift, ((1, by),))
    assert report.interior.region == ((1, lo, hi),)
    assert jc.recheck(jc.certify(fn, X, axes=(1,), search=False), fn, X) == ()


TWINS = {
    "an uneven grid": lambda x: interpolated(x, jnp.arange(12.0) ** 2 / 12),
    "a period that is not the length": lambda x: interpolated(x, jnp.arange(12.0) + 0.25, period=11),
    "equal keys": lambda x: lax.sort((jnp.asarray(GRID // 2)[None], x), num_keys=1)[1],
    "keys in no order": lambda x: lax.sort((jnp.asarray(GRID * GRID % 13)[None], x), num_keys=1)[1],
    "keys that are NaN": lambda x: lax.sort((jnp.where(GRID < 9, grid(), jnp.nan)[None], x), num_keys=1)[1],
    "another order in each row": lambda x: lax.sort(
        (jnp.stack([jnp.roll(GRID, 3), GRID]), jnp.concatenate([x, x])), num_keys=1
    )[1],
    "keys that move": lambda x: lax.sort((x, jnp.asarray(GRID, jnp.float32)[None] * x), num_keys=1)[1],
}


@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_is_not_proved_around_the_circle(name):
    assert judged(TWINS[name], X).cyclic.verdict == "UNDECIDED"


def test_sorts_by_known_keys_prove_nothing_that_is_false():
    random = np.random.default_rng(0)
    orders = [
        *(np.roll(np.arange(6), k)[::s] for k in range(6) for s in (1, -1)),
        *(random.permutation(6) for _ in range(40)),
    ]
    fn = lambda keys: lambda x: lax.sort((jnp.broadcast_to(keys, x.shape), x), num_keys=1)[1]
    twin = lambda keys: lambda x: x[:, np.argsort(keys)]
    assert survey((keys.tolist(), fn(keys), twin(keys), (1, 6)) for keys in orders) >= 12  # fmt: skip


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=1, max_size=8))
def test_the_order_of_keys_is_that_of_tuples(pairs):
    first, second = np.array(pairs).T
    order = order_of([first, second], 0)
    if len(set(pairs)) < len(pairs):
        assert order is None
    else:
        assert [pairs[n] for n in order[:, 0]] == sorted(pairs)


def test_zeros_of_both_signs_and_nan_have_no_order():
    assert order_of([np.array([0.0, -0.0])], 0) is None
    assert order_of([np.array([1.0, np.nan])], 0) is None
    assert order_of([np.array([1j, 2])], 0) is None
    assert order_of([], 0) is None
    assert order_of([np.array([[3, 1], [2, 5]])], 1).tolist() == [[1, 0], [0, 1]]


def test_zeros_of_both_signs_differ():
    """Their quotients are infinities of both signs, though they are equal as numbers."""
    zeros = lambda: jnp.where(jnp.arange(12) % 2 == 0, 0.0, -0.0)
    assert period(np.float32([0, -0.0] * 6), 0) == 2
    assert period(np.float32([-0.0] * 12), 0) == 1
    claim = judged(lambda x: lax.atan2(x, zeros()[None]), X).cyclic
    assert (claim.verdict, claim.shift) == ("PROVED", 2)


@pytest.mark.parametrize(
    ("key", "draw"),
    [
        (lambda: jax.random.key(0), lambda key: jax.random.bits(key, (), "uint8")),
        (lambda: jnp.zeros(4, "uint32"), lambda key: lax.rng_bit_generator(key, (), "uint8")[1]),
    ],
    ids=["of a key", "of its words"],
)
def test_random_numbers_in_a_loop_are_no_constants(key, draw):
    """A period among random numbers would be a coincidence: these are the same number twelve times."""
    drawn = lambda: lax.scan(lambda key, _: (key, draw(key)), key(), None, length=12)[1]
    claim = judged(lambda x: x * drawn()[None].astype(x.dtype), X).cyclic
    assert claim.verdict == "UNDECIDED"
