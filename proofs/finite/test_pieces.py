"""The rules of pieces on every small case and every unit vector: their arithmetic is what coq/Pieces.v proves.

Values are written out in NumPy from what a state says of them (`values.Pieces`), for every unit vector of the parent:
the rules are linear, so agreement there is agreement for all inputs.
"""

from fractions import Fraction
from itertools import combinations, product
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxconv.jaxprs import guard
from jaxconv.verify.domain import CannotProve, Factor, Motion, Moving, Pieces
from jaxconv.verify.rules import overlap_add
from jaxconv.verify.rules.pieces import clipped, period_of, settled

LONGEST = 5  # cells of a parent


def pieces(total, period, spans):
    """A state: these spans of a parent whose fold moves around a circle of `period` cells."""
    motion = Motion(Fraction(1), 0, period, None, "parent")
    folded = Moving(1, period, ((Factor(period, motion=motion),),))
    return Pieces(folded, folded, 0, total, spans)


def written_out(spans, total, length):
    """What the state says: the values [parent's unit vector, position]."""
    value = np.zeros((total, length), int)
    for lo, hi, at in spans:
        for cell in range(lo, hi):
            value[cell, at + cell - lo] += 1
    return value


def folded(value, period):
    """The cells a period apart, added up: Pieces.fold at the positions 0 to period - 1."""
    return np.stack([value[..., place::period].sum(-1) for place in range(period)], -1)


def cut_up(total):
    """Every way to cut a parent into consecutive pieces."""
    for number in range(total):
        for cuts in combinations(range(1, total), number):
            yield list(zip([0, *cuts], [*cuts, total], strict=True))


@pytest.mark.parametrize("total", range(1, LONGEST + 1))
def test_cells_cut_out_of_pieces_and_zeros_put_around_them(total):
    """`clipped`, of slices and pads: a window of the value, which may begin before it and end after it."""
    length = LONGEST + 1
    for (lo, hi), at in product(combinations(range(total + 1), 2), range(length)):
        if at + hi - lo > length:
            continue
        spans = ((lo, hi, at),)
        value = np.pad(written_out(spans, total, length), ((0, 0), (2, 2)))
        for start in range(-2, length + 1):
            for stop in range(max(start, 0), length + 3):
                left = clipped(spans, start, stop)
                assert all(first < last for first, last, _ in left)
                shown = written_out(left, total, stop - start)
                np.testing.assert_array_equal(shown, value[:, start + 2 : stop + 2])


@pytest.mark.parametrize("total", range(1, LONGEST + 1))
def test_pieces_settle_where_they_are_the_fold_and_nowhere_else(total):
    """Pieces.pieces_settle: all pieces, in one period, moved by one offset, are the parent's fold moved by it."""
    count = 0
    for period in range(1, total + 1):
        for whole in cut_up(total):
            for parts in (whole, whole[1:], whole[:-1]):
                places = [range(max(period - (hi - lo) + 1, 0)) for lo, hi in parts]
                for ats in product(*places):
                    spans = tuple((lo, hi, at) for (lo, hi), at in zip(parts, ats, strict=True))
                    value = written_out(spans, total, period)
                    fold = folded(np.eye(total, dtype=int), period)
                    right = [o for o in range(period) if np.array_equal(value, np.roll(fold, o, axis=1))]
                    found = settled(pieces(total, period, spans), (period,))
                    assert isinstance(found, Moving) == bool(right), spans
                    if isinstance(found, Moving):
                        count += 1
                        assert -found.axes[0][0].motion.start % period in right
    assert count >= total  # each period, with each parent cut at least where the periods end


GEOMETRIES = list(product((1, 2, 3), (1, 2), (1, 2)))  # taps, zeros between cells, dilation of the taps


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_correlations_are_followed_exactly_where_they_keep_all_overlaps(geometry):
    """Pieces.fold_correlation and Pieces.fold_spread: y[n] = x[n + dilation * u - before], for every unit kernel."""
    taps, apart, dilation = geometry
    kept = 0
    for total, at, behind in product((1, 2, 4), (0, 1), (0, 1)):
        x = written_out(((0, total, at),), total, at + total + behind)
        spread = np.zeros((total, (x.shape[1] - 1) * apart + 1), int)
        spread[:, ::apart] = x
        room = np.pad(spread, ((0, 0), (20, 20)))
        for before, after in product(range(-1, 5), repeat=2):
            length = spread.shape[1] + before + after - dilation * (taps - 1)
            if length < 1:
                continue
            starts = [20 + dilation * u - before for u in range(taps)]
            ys = [room[:, start : start + length] for start in starts]
            all_kept = all(y.sum() == total for y in ys)
            eqn = SimpleNamespace(shapes=[(length,)], walk=SimpleNamespace(new_signal=lambda: "new"))
            period = min(total, 2)
            one = pieces(total, period, ((0, total, at),))
            try:
                found = overlap_add.windowed(one, 0, eqn, taps, before, apart, dilation, {})
            except CannotProve:
                assert not all_kept, (total, at, before, after)
                continue
            assert all_kept, (total, at, before, after)
            kept += 1
            ((lo, hi, first),) = found.spans
            assert (lo, hi) == (0, found.total)
            assert period_of(found) == period * apart
            for u, y in enumerate(ys):
                assert not y[:, :first].any()
                assert not y[:, first + hi :].any()
                circle = np.zeros((total, period * apart), int)
                circle[:, ::apart] = folded(np.eye(total, dtype=int), period)
                expected = np.roll(circle, at * apart + before - dilation * u - first, axis=1)
                np.testing.assert_array_equal(folded(y[:, first:], period * apart), expected)
    assert kept > 0


FUNCTIONS = {  # of each cell; the dtype; whether the rules may take it for linear
    "the negative": (lambda v: -v, "float32", True),
    "three times": (lambda v: v * 3.0, "float32", True),
    "a quarter": (lambda v: v / 4.0, "float32", True),
    "half a whole number": (lambda v: lax.div(v, jnp.int32(2)), "int32", False),
    "cut to 8 bits": (lambda v: v.astype("int8"), "int32", False),
    "of three bits": (lambda v: lax.reduce_precision(v, 8, 3), "float32", False),
    "of eight bits": (lambda v: v.astype("float8_e4m3fn"), "float32", False),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_taken_for_linear_commutes_with_the_fold_and_what_does_not_commute_is_not(name):
    """Pieces.fold_map_iff; Pieces.halves_are_false, Pieces.wrapping_is_false and Pieces.quantising_is_false."""
    function, dtype, linear = FUNCTIONS[name]
    cells = jnp.asarray(list(product([-100, -7, -1, 0, 1, 3, 17, 100], repeat=2)), dtype)
    wide = lambda v: np.asarray(v, float)
    commutes = np.array_equal(wide(function(cells)).sum(1), wide(function(cells.sum(1))))
    (equation,) = jax.make_jaxpr(function)(cells).eqns
    assert guard.is_linear(equation) == commutes == linear
