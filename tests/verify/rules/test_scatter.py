"""Writes at indices: execution does not refute what is proved, and what depends on the order is not proved."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.numpy_twins import bordered, by_kinds, certified, proved, refutation, survey

SHAPE = (1, 6, 2)
UNKNOWN = np.ones(1, np.float32)  # a parameter, whose number the certifier does not use
TABLE = np.arange(18).reshape(6, 3)
BY_NUMPY = {
    "add": np.add.at,
    "subtract": np.subtract.at,
    "multiply": np.multiply.at,
    "min": np.minimum.at,
    "max": np.maximum.at,
}


def put(target, index, values, how="set"):
    """`target` with values written at an index, or combined with what is there. JAX and NumPy write them alike."""
    if isinstance(target, jax.Array):
        return getattr(target.at[index], how)(values)
    target = np.array(target)
    if how == "set":
        target[index] = values
    else:
        BY_NUMPY[how](target, index, values)
    return target


def unknown(n):
    return n.asarray(UNKNOWN).astype("int32")[0]


def each(n, fn, *arrays):
    """`fn` of the entries of each array."""
    return jax.vmap(fn)(*arrays) if n is jnp else np.stack([fn(*entries) for entries in zip(*arrays, strict=True)])


# Functions of one example v [6, 2]; `n` is jnp or np. The axis of 6 positions is shifted.
BOTH = {  # both kinds of shifts
    "a channel at an unknown index": lambda n, v: put(v, (slice(None), unknown(n)), v[:, 0]),
    "a channel of zeros": lambda n, v: put(n.zeros((6, 3), "int32"), (slice(None), unknown(n)), v[:, 0]),
    "a sum with a channel at an unknown index": lambda n, v: put(v, (slice(None), unknown(n)), v[:, 0], "add"),
    "channels exchanged": lambda n, v: put(v, (slice(None), np.array([1, 0])), v),
    "a histogram at each position": lambda n, v: each(n, lambda w: put(n.zeros(3, "int32"), w % 3, 1, "add"), v),
    "a number at indices of each position": lambda n, v: each(n, lambda w: put(n.zeros(3, "int32"), w % 3, 1), v),
    "a slice of channels at an unknown start": lambda n, v: (
        lax.dynamic_update_slice(v, v[:, :1], (0, unknown(n))) if n is jnp else put(v, (slice(None), 1), v[:, 0])
    ),
}
CYCLIC = {  # cyclic shifts only
    "a histogram": lambda n, v: put(n.zeros(3, "int32"), v % 3, 1, "add"),
    "numbers that occur": lambda n, v: put(n.zeros(3, "int32"), v % 3, 1),
    **{
        f"weights by label: {how}": lambda n, v, how=how: put(n.ones(3, "int32"), v[:, 0] % 3, v[:, 1], how)
        for how in BY_NUMPY
    },
    "a channel at an index of the sum": lambda n, v: put(v, (slice(None), v.sum() % 2), v[:, 0]),
}
NEITHER = {  # no claim may be proved
    "the last weight by label": lambda n, v: put(n.zeros(3, "int32"), v[:, 0] % 3, v[:, 1]),
    "two channels at one index": lambda n, v: put(v, (slice(None), np.array([1, 1])), v),
    "a signal at an unknown start": lambda n, v: (
        lax.dynamic_update_slice(n.zeros(8, v.dtype), v[:, 0], (unknown(n),))
        if n is jnp
        else put(np.zeros(8, v.dtype), slice(1, 7), v[:, 0])
    ),
    "a position at an unknown index": lambda n, v: put(v, unknown(n), 0),
    "the reverse at an unknown index": lambda n, v: put(v, (slice(None), unknown(n)), v[::-1, 0]),
    "a table with a row for each position": lambda n, v: each(
        n, lambda row, w: put(row, w % 3, 1, "add"), n.asarray(TABLE), v
    ),
    "weights by position": lambda n, v: put(n.zeros(3, "int32"), v[:, 0] % 3, np.arange(6), "add"),
    "a part of the positions by label": lambda n, v: put(n.zeros(3, "int32"), v[:4, 0] % 3, v[:4, 1], "add"),
}


@pytest.mark.parametrize(("line", "kinds"), by_kinds(BOTH, CYCLIC, NEITHER))
def test_what_is_proved_is_what_holds(line, kinds):
    claims = certified(jax.vmap(partial(line, jnp)), SHAPE)
    assert refutation(lambda x: np.stack([line(np, v) for v in x]), SHAPE, claims, samples=4) is None
    assert proved(claims) == kinds


def tables():
    """(n, length, indices): n rows of affine indices into an axis, wrapped, clipped, shared by two rows, or of two."""
    for n, times in itertools.product((3, 4, 6), (1, 2)):
        length = times * n
        for by, start in itertools.product((-2, -1, 1, 2, 3), range(2)):
            places = by * np.arange(n) + start
            yield n, length, places % length
            yield n, length, np.clip(places + (length - 1 if by < 0 else 0), 0, length - 1)
            yield n, length, np.repeat(places, 2)[:n] % length
            yield n, length, (places[:, None] + np.arange(2)) % length
    random = np.random.default_rng(0)
    for _ in range(60):
        n, length = random.integers(2, 6, 2)
        yield int(n), int(length), random.integers(0, length, n)


def test_sums_at_constant_indices_prove_nothing_that_is_false():
    def added(table, length):
        wide = lambda x: x if table.ndim == 1 else x[:, :, None].repeat(2, axis=2)
        fn = lambda x: jnp.zeros((1, length), x.dtype).at[:, table].add(wide(x))
        return fn, lambda x: put(np.zeros((len(x), length), x.dtype), (slice(None), table), wide(x), "add")

    cases = ((table.tolist(), *added(table, length), (1, n)) for n, length, table in tables())
    assert survey(cases) > 100


def test_writes_at_constant_indices_prove_nothing_that_is_false():
    """A number is written to x, or x is written to zeros, where the indices differ."""
    fixed = lambda table: lambda x: put(x, (slice(None), table), 7)
    cases = [(table.tolist(), fixed(table), fixed(table), (1, length)) for _, length, table in tables()]
    assert survey(cases) > 50

    def spread(table, length):
        fn = lambda x: jnp.zeros((1, length), x.dtype).at[:, table].set(x)
        return fn, lambda x: put(np.zeros((len(x), length), x.dtype), (slice(None), table), x)

    def after_zeros(table, length):
        late = lambda x: jnp.pad(x, ((0, 0), (1, 0)))[:, :-1]
        fn = lambda x: jnp.zeros((1, length), x.dtype).at[:, table].set(late(x))
        return fn, lambda x: put(np.zeros((len(x), length), x.dtype), (slice(None), table), bordered(x, 1, -1))

    differ = [(n, length, t) for n, length, t in tables() if t.ndim == 1 and len(np.unique(t)) == len(t)]
    for written in (spread, after_zeros):
        assert survey((table.tolist(), *written(table, length), (1, n)) for n, length, table in differ) > 10


def test_parts_of_a_signal_are_written_beside_one_another():
    """The odd cells are replaced by the even ones, or exchanged with them."""
    odd_from_even = lambda x: put(x, (slice(None), slice(1, None, 2)), x[:, ::2])
    exchanged = lambda x: put(odd_from_even(x), (slice(None), slice(0, None, 2)), x[:, 1::2])
    for fn in (odd_from_even, exchanged):
        claims = certified(fn, (1, 8))
        assert {(claim.shift, claim.moves) for claim in claims.values()} == {(2, ((1, 2),))}
        assert refutation(fn, (1, 8), claims) is None
    across = lambda x: put(x, (slice(None), slice(1, None, 2)), x[:, :4])  # at another rate than x
    assert proved(certified(across, (1, 8))) == set()


def test_zeros_between_the_cells_are_proved():
    spread = lambda x: jnp.zeros((1, 12), x.dtype).at[:, ::2].set(x)
    claims = certified(spread, (1, 6))
    assert [(claim.shift, claim.moves) for claim in claims.values()] == [(1, ((1, 2),))] * 2
    assert claims["interior"].region == ((1, 0, 12),)
    assert claims["interior"].receptive_field.period == 2  # every other position depends on no cell


def test_an_update_beyond_the_end_is_moved_in():
    """The last three of ten cells are overwritten, for every start beyond them."""
    for start in (7, 8, 100):
        update = lambda x, start=start: lax.dynamic_update_slice(x, np.zeros((1, 3), x.dtype), (0, start))
        assert certified(update, (1, 10))["interior"].region == ((1, 0, 7),)


def test_what_is_added_to_is_not_overwritten():
    """A sum of values that move in opposite directions does not move. Adding a number keeps what was there."""
    both_ways = lambda x: x.at[:, :].add(x[:, ::-1])
    assert certified(both_ways, (1, 6))["cyclic"].verdict == "UNDECIDED"
    assert certified(lambda x: x.at[:, :].add(1), (1, 6))["cyclic"].moves == ((1, 1),)
