"""Receptive fields by phase, against the set of cells on which each position depends."""

import math
from dataclasses import dataclass
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxconv as jc
from jaxconv.verify import receptive_fields
from jaxconv.verify.claims import ReceptiveField
from jaxconv.verify.receptive_fields import NOTHING, ONE_CELL, least, union

LENGTH = 24


@dataclass(frozen=True)
class Chain:
    """An axis after some steps: its rate, its field, and for each position the set of cells on which it depends."""

    rate: Fraction
    field: tuple
    seen: tuple

    def then(self, rate, field, positions):
        """Append a step whose positions depend on the old positions in `positions`."""
        inside = [[p for p in places if 0 <= p < len(self.seen)] for places in positions]
        whole = [len(some) == len(places) for some, places in zip(inside, positions, strict=True)]
        seen = [
            frozenset().union(*(self.seen[p] for p in some))
            if ok and all(self.seen[p] is not None for p in some)
            else None
            for some, ok in zip(inside, whole, strict=True)
        ]  # None: it depends on positions beyond the ends
        return Chain(rate, field, tuple(seen))


START = Chain(Fraction(1), ONE_CELL, tuple(frozenset([i]) for i in range(LENGTH)))


def strided(chain, start, stride, taps, dilation):
    reach = range(0, dilation * taps, dilation)
    count = max((len(chain.seen) - 1 - start) // stride + 1, 0)
    positions = [[start + j * stride + u for u in reach] for j in range(count)]
    return chain.then(
        chain.rate * stride, receptive_fields.strided(chain.field, chain.rate, start, stride, reach), positions
    )


def reversed_(chain, _start, *_):
    last = len(chain.seen) - 1
    return chain.then(
        -chain.rate, receptive_fields.strided(chain.field, chain.rate, last, -1), [[last - j] for j in range(last + 1)]
    )


def copied(chain, _start, copies, *_):
    positions = [[j // copies] for j in range(len(chain.seen) * copies)]
    return chain.then(chain.rate / copies, receptive_fields.copied(chain.field, chain.rate, copies), positions)


def apart(chain, start, distance, *_):
    total = start + distance * len(chain.seen)
    positions = [[(j - start) // distance] * (j < start or (j - start) % distance == 0) for j in range(total)]
    return chain.then(
        chain.rate / distance, receptive_fields.apart(chain.field, chain.rate, distance, start), positions
    )


STEPS = {"strided": strided, "reversed": reversed_, "copied": copied, "apart": apart}
steps = st.tuples(
    st.sampled_from(sorted(STEPS)), st.integers(0, 2), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2)
)


def chained(drawn):
    chain = START
    for name, *numbers in drawn:
        chain = STEPS[name](chain, *numbers)
    return chain


def wrong_positions(chain, field):
    """Return the positions whose first or last cell differs from that of a claim with `field`."""
    claim = ReceptiveField(chain.rate, *receptive_fields.in_cells(field, chain.rate))
    expected = [
        (j, range(min(seen), max(seen) + 1) if seen else range(0))
        for j, seen in enumerate(chain.seen)
        if seen is not None
    ]
    return [j for j, cells in expected if (claim.cells(j) or range(0)) != cells]


@given(st.lists(steps, min_size=1, max_size=4))
@settings(max_examples=200)
def test_each_position_sees_its_first_and_its_last_cell(drawn):
    """The interval is exact for up to `MOST_PHASES` phases, and an upper bound for more."""
    chain = chained(drawn)
    if math.prod(numbers[1] for name, *numbers in drawn if name in ("copied", "apart")) <= receptive_fields.MOST_PHASES:
        assert wrong_positions(chain, chain.field) == []
    for j, seen in enumerate(chain.seen):
        first, last = chain.field[j % len(chain.field)]
        assert not seen or chain.rate * j + first <= min(seen) <= max(seen) <= chain.rate * j + last


@pytest.mark.parametrize("by", [Fraction(1), Fraction(-1)])
def test_a_field_that_is_wrong_in_one_phase_would_be_seen(by):
    """The comparison above detects an interval that is wrong by chain cell in chain phase."""
    chain = copied(strided(START, 0, 2, 2, 1), 0, 2)
    for phase in range(len(chain.field)):
        moved = [
            (first + by, last + by) if n == phase else (first, last) for n, (first, last) in enumerate(chain.field)
        ]
        assert len(wrong_positions(chain, tuple(moved))) >= len(chain.seen) // len(chain.field) - 1


@given(st.lists(steps, max_size=3), st.lists(steps, max_size=3))
def test_what_looks_at_two_values_sees_what_they_see(first, second):
    lhs, rhs = chained(first), chained(second)
    both = union([lhs.field, rhs.field])
    for j in range(LENGTH):
        intervals = [field[j % len(field)] for field in (lhs.field, rhs.field)]
        low, high = both[j % len(both)]
        assert low <= min(first for first, _ in intervals)
        assert high >= max(last for _, last in intervals)
    assert union([lhs.field, None]) is None
    assert union([lhs.field, NOTHING]) == lhs.field


def test_more_phases_than_are_kept_share_the_widest_interval():
    many = tuple((Fraction(-j % 3), Fraction(j)) for j in range(receptive_fields.MOST_PHASES + 1))
    assert least(many) == ((0, receptive_fields.MOST_PHASES),)
    (wide,) = receptive_fields.copied(ONE_CELL, Fraction(1), 100)
    assert wide == (Fraction(-99, 100), 0)
    claim = ReceptiveField(Fraction(1, 100), *receptive_fields.in_cells((wide,), Fraction(1, 100)))
    assert (claim.period, claim.phases) == (100, ((0, 0),))


def test_a_claim_has_the_fewest_phases_and_blocks():
    halves = ((Fraction(0), Fraction(1)), (Fraction(-1), Fraction(0)))
    assert receptive_fields.in_cells(halves * 3, Fraction(1)) == (2, ((0, 1),))
    assert receptive_fields.in_cells(NOTHING, Fraction(1, 3)) == (3, ((0, -1),))
    assert receptive_fields.in_cells(((Fraction(1, 4), Fraction(3, 4)),), Fraction(1)) == (
        1,
        ((0, -1),),
    )  # between two cells


def pooled(x):
    return x.reshape(1, -1, 2, x.shape[-1]).max(axis=2)


NETWORKS = {  # the size is that of the widest output, as in published tools
    "pooled and repeated": (lambda x: jnp.repeat(pooled(x), 2, axis=1), 2),
    "a gradient of pooling": (jax.grad(lambda x: (pooled(x) ** 2).sum()), 2),
    "twice pooled and repeated": (lambda x: jnp.repeat(pooled(pooled(x)), 4, axis=1), 4),
    "resized": (lambda x: jax.image.resize(x, (1, 2 * x.shape[1], 1), "linear"), 2),
    "transposed": (lambda x: jax.lax.conv_transpose(x, jnp.ones((3, 1, 1)), (2,), "SAME"), 2),
    "flattened": (lambda x: jnp.concatenate([x, x], axis=-1).reshape(1, -1), 1),
    "repeated a hundred times": (lambda x: jnp.repeat(x, 100, axis=1), 1),
    "gathered": (lambda x: x[:, np.arange(20) // 2 + 1], 1),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_size_is_that_of_the_widest_output(name):
    """The field of each output contains the cells with a non-zero derivative, for positive inputs."""
    fn, size = NETWORKS[name]
    x = 1 + np.arange(LENGTH, dtype=np.float32).reshape(1, LENGTH, 1)
    claim = jc.certify(fn, x, axes=(1,), search=False).leaves[0].axes[0].interior
    assert claim.receptive_field.size == size
    ((_, lo, hi),) = claim.region
    read = np.asarray(jax.jacobian(lambda x: jnp.moveaxis(fn(x), 1, 0).reshape(fn(x).shape[1], -1).sum(1))(x))
    for j in range(lo, hi):
        assert set(np.flatnonzero(read[j, 0, :, 0])) <= set(claim.receptive_field.cells(j))


def test_the_report_names_the_phases():
    text = str(jc.certify(NETWORKS["resized"][0], jnp.zeros((1, LENGTH, 1)), axes=(1,), search=False))
    assert "receptive field 2: output 2j sees inputs j - 1 to j\n" in text
    assert text.endswith("output 2j + 1 sees inputs j to j + 1")
    text = str(jc.certify(NETWORKS["pooled and repeated"][0], jnp.zeros((1, LENGTH, 1)), axes=(1,), search=False))
    assert "receptive field 2: outputs 2j to 2j + 1 see inputs 2j to 2j + 1\n" in text


@given(st.integers(1, 9), st.lists(st.integers(-20, 20), max_size=6))
def test_the_shortest_arc_holds_the_same_positions_in_the_shortest_interval(length, places):
    arc = receptive_fields.shortest_arc(places, length)
    assert {place % length for place in arc} == {place % length for place in places}
    assert arc == sorted(arc)
    if places:
        turned = [sorted((place - start) % length for place in places) for start in range(length)]
        assert arc[-1] - arc[0] == min(cells[-1] - cells[0] for cells in turned)
    assert receptive_fields.shortest_arc([], length) == []


ROWS_AROUND = {  # the widest output's number of cells, counted by hand
    "differences by a gather": (lambda x: x[:, (np.arange(24)[:, None] + [0, 1]) % 24].sum(2), 2),
    "every other cell, twice": (lambda x: x[:, 2 * np.arange(24) % 24], 1),
    "frames with a hop": (lambda x: x[:, (4 * np.arange(6)[:, None] + np.arange(-1, 6)) % 24].max(2), 7),
    "frames of pooled cells": (lambda x: pooled(x)[:, (np.arange(12)[:, None] + np.arange(3)) % 12].max(2), 6),
    "pairs exchanged after a pool": (lambda x: pooled(x)[:, np.arange(12) ^ 1], 2),
    "a circulant": (lambda x: jnp.einsum("jk,nkc->njc", jnp.eye(24) + jnp.roll(jnp.eye(24), 2, 0), x), 3),
    "added around": (lambda x: jnp.zeros_like(x).at[:, (np.arange(24)[:, None] + [0, 3]) % 24].add(x[:, :, None]), 4),
    "sums of pairs": (lambda x: jnp.zeros_like(x[:, ::2]).at[:, np.arange(24) // 2].add(x), 2),
    "a diagonal around": (lambda x: (x * jnp.swapaxes(x, 1, 2))[:, np.arange(24), (np.arange(24) + 20) % 24], 5),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS_AROUND)
def test_rows_around_the_circle_see_the_cells_that_they_read(name):
    fn, size = ROWS_AROUND[name]
    x = 1 + np.random.default_rng(0).permutation(LENGTH).astype(np.float32).reshape(1, LENGTH, 1)
    claim = jc.certify(fn, x, axes=(1,), search=False).leaves[0].axes[0].cyclic
    assert claim.receptive_field.size == size
    with jax.numpy_dtype_promotion("standard"):
        read = np.asarray(jax.jacobian(lambda x: jnp.moveaxis(fn(x), 1, 0).reshape(fn(x).shape[1], -1).sum(1))(x))
    for j in range(len(read)):
        assert set(np.flatnonzero(read[j, 0, :, 0])) <= {cell % LENGTH for cell in claim.receptive_field.cells(j)}


def test_a_field_whose_phases_do_not_fit_the_circle_is_widened():
    """Four phases of cells 0, 1, 2 and 3 ahead do not repeat after 6 positions, where each row reads one position."""
    field = tuple((Fraction(n), Fraction(n)) for n in range(4))
    rows = [[j] for j in range(6)]
    assert receptive_fields.advancing_around(field, Fraction(1), rows, (1, 1, 0, 6), 6) == ((0, 3),)
    assert receptive_fields.advancing_around(field, Fraction(1), rows[:4], (1, 1, 0, 4), 4) == field
    twice = [[j // 2] for j in range(7)]
    assert receptive_fields.advancing_around(field, Fraction(1), twice, (2, 2, 0, 7), 7) is None
