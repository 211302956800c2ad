"""Pointwise functions of masks and of several windows: execution does not refute what is proved."""

import itertools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.claim_oracle import judged
from support.numpy_twins import all_certified, certified, judge_line, refutation, survey

import jaxconv as jc
from jaxconv.verify.domain import CannotProve, Factor, Motion, Moving
from jaxconv.verify.receptive_fields import ONE_CELL
from jaxconv.verify.rules.pointwise import widened


def test_a_known_mask_leaves_the_shifts_that_it_repeats_after():
    for n in range(2, 7):
        for cells in itertools.product((1, 2), repeat=n):
            mask = np.array(cells, np.int32)[None]
            claims = certified(lambda x: x * mask, (1, n))
            assert refutation(lambda x: x * mask, (1, n), claims) is None, cells
            period = next(p for p in range(1, n + 1) if np.array_equal(np.roll(mask, p), mask))
            if period < n:
                assert claims["cyclic"].shift == period, cells


def naive_runs(mask):
    """Every (period, lo, hi) of a stretch on which a mask repeats: two periods, a third of it, two pairs apart."""
    n = len(mask)
    for p, (lo, hi) in itertools.product(range(1, n // 2 + 1), itertools.combinations(range(n + 1), 2)):
        if (
            hi - lo >= max(2 * p, p + 2)
            and 3 * (hi - lo) >= n
            and all(mask[i] == mask[i + p] for i in range(lo, hi - p))
        ):
            yield p, lo, hi


# Functions of x and of a constant mask, the constant that meets x, and where it makes the result independent of x.
NEVER = lambda constant: False
PARTLY = {
    "scaled": (lambda x, mask: x * mask, lambda mask: mask, lambda constant: not constant.any()),
    "added": (lambda x, mask: mask - x, lambda mask: mask, NEVER),
    "chosen": (lambda x, mask: jnp.where(mask > 0, x, 3), lambda mask: mask > 0, lambda constant: not constant.any()),
    "chosen from two": (lambda x, mask: jnp.where(mask > 0, x, -x), lambda mask: mask > 0, NEVER),
    "reversed": (lambda x, mask: x[:, ::-1] + mask, lambda mask: mask, NEVER),
}


@pytest.mark.parametrize("name", PARTLY)
@pytest.mark.parametrize(("n", "numbers"), [(7, 2), (5, 3)])
def test_a_constant_that_repeats_on_a_part_leaves_an_interior_there(name, n, numbers):
    """No claim about any mask is refuted. Unless all of a constant repeats, its longest stretch has a claim."""
    fn, met, inert = PARTLY[name]
    masks = [np.array(cells, np.int32) for cells in itertools.product(range(numbers), repeat=n)]
    fns = [lambda x, mask=mask: fn(x, mask[None]) for mask in masks]
    for mask, fn_of_mask, claims in zip(masks, fns, all_certified(fns, (1, n)), strict=True):
        assert refutation(fn_of_mask, (1, n), claims) is None, mask
        left = list(naive_runs(met(mask)))
        if not any(hi - lo == n for _, lo, hi in left):
            most = max((hi - lo - p for p, lo, hi in left if not inert(met(mask)[lo:hi])), default=0)
            ((_, lo, hi),) = claims["interior"].region or ((1, 0, 0),)
            assert hi - lo - (claims["interior"].shift or 0) == most, (mask, claims["interior"])


def test_a_strided_constant_that_repeats_on_a_part_proves_nothing_that_is_false():
    fns = [lambda x, mask=mask: x[:, ::2] * 3 + np.int32(mask)[None] for mask in itertools.product(range(2), repeat=6)]
    for fn, claims in zip(fns, all_certified(fns, (1, 12)), strict=True):
        assert refutation(fn, (1, 12), claims) is None


def test_what_repeats_nowhere_leaves_no_interior():
    """The broken twins: a ramp, and runs that are shorter than a third."""
    for mask in (np.arange(12), np.repeat(np.arange(4), 3), np.array([0, 1, 1, 0, 0, 2, 2, 1, 0, 0, 2, 1])):
        assert (
            certified(lambda x, mask=mask: x + mask[None].astype(np.int32), (1, 12))["interior"].verdict == "UNDECIDED"
        )


def test_an_average_pool_that_counts_its_cells_has_an_interior():
    pool = lambda x: lax.reduce_window(x, np.int32(0), lax.add, (1, 3), (1, 1), "SAME")
    fn = lambda x: pool(x) // pool(jnp.ones_like(x))
    assert certified(fn, (1, 10))["interior"].region == ((1, 1, 9),)


def test_parameters_are_no_constants():
    """The numbers of a closed-over array of floats may be others."""
    mask = jnp.asarray([1.0] + [2.0] * 8 + [1.0])[None]
    assert certified(lambda x: x * mask, (1, 10), "float32")["interior"].verdict == "UNDECIDED"


def test_a_mask_on_channels_or_on_the_batch_costs_nothing():
    mask = np.arange(1, 4, dtype=np.int32)
    claims = certified(lambda x: x * mask[None, None, :] + 3, (1, 5, 3))
    assert (claims["cyclic"].shift, claims["interior"].region) == (1, ((1, 0, 5),))


def test_a_strided_mask_and_a_strided_signal_meet_at_a_common_multiple():
    mask = np.array([1, 2, 1, 2, 1, 2], np.int32)[None]
    fn = lambda x: x[:, ::2] * mask
    claims = certified(fn, (1, 12))
    assert refutation(fn, (1, 12), claims) is None
    assert (claims["cyclic"].shift, claims["cyclic"].moves) == (4, ((1, 2),))


# Functions of one line on [b, 6, 2]; `n` is jnp or np.
LINES = {
    "outer axes": lambda n, x: x[:, :, None, :] - x[:, None, :, :],
    "outer axes, swapped": lambda n, x: n.swapaxes(x[:, :, None, :] - 2 * x[:, None, :, :], 1, 2),
    "outer axes, one reversed": lambda n, x: (x[:, :, None, :] - 2 * x[:, None, :, :])[:, ::-1],
    "outer axes, one strided": lambda n, x: x[:, ::2, None, :] - x[:, None, :, :],
    "own reversal": lambda n, x: x + x[:, ::-1],
    "own half": lambda n, x: x[:, :3] - x[:, 3:],
    "even and odd": lambda n, x: x[:, ::2] - x[:, 1::2],
    "differences": lambda n, x: n.diff(x, axis=1),
    "compared": lambda n, x: n.where(x > n.roll(x, 1, 1), x, 5),
    "clipped": lambda n, x: n.clip(x, -1000, 1000),
    "chosen by a checkerboard": lambda n, x: n.where(n.array([1, 0] * 3)[None, :, None] > 0, x, -x),
    "chosen by places": lambda n, x: n.where(n.arange(6)[None, :, None] < 3, x, -x),
}
# No shift preserves these. The judge refutes any proof of one, and the test also asserts that there is none.
HOPELESS = {"own reversal"}
# Both kinds of shifts preserve these.
SURE = {"outer axes", "outer axes, one reversed", "outer axes, one strided", "even and odd", "clipped"}


@pytest.mark.parametrize("name", LINES)
def test_one_line_proves_nothing_that_is_false(name):
    judge_line(LINES[name], hopeless=name in HOPELESS, sure=name in SURE)


def test_two_powers_of_one_signal_are_two_signals():
    power = lambda first, second: lambda x: jnp.concatenate([(x**first)[:, 4:], (x**second)[:, :4]], axis=1)
    assert certified(power(3, 3), (1, 8))["cyclic"].shift == 1
    assert certified(power(3, 5), (1, 8))["cyclic"].verdict == "UNDECIDED"


def test_one_cell_of_what_moves_is_not_repeated():
    motion = Motion(Fraction(1), 0, 1, ONE_CELL, "x")
    with pytest.raises(CannotProve, match="broadcasts one position of the shifted axis along it"):
        widened(Moving(1, 8, ((Factor(1, motion=motion),),)), (8,))


def matrices():
    """(name, matrix, whether the other axis is reversed, whether a claim holds for sure): constant along diagonals, or not."""
    rng = np.random.default_rng(0)
    for n in (4, 5, 6):
        i, j = np.mgrid[:n, :n]
        for seed in range(4):
            values = rng.integers(1, 4, 2 * n)
            yield f"circulant {n} {seed}", values[(i - j) % n], False, True
            yield f"anti-circulant {n} {seed}", values[(i + j) % n], True, True
            yield f"constant along diagonals {n} {seed}", values[i - j + n], False, True
            spoilt = values[(i - j) % n].copy()
            spoilt[tuple(rng.integers(0, n, 2))] += 5
            yield f"circulant but for a cell {n} {seed}", spoilt, False, False
            yield f"random {n} {seed}", rng.integers(1, 4, (n, n)), False, False
        yield f"identity {n}", np.eye(n, dtype=int), False, True
        yield f"lower triangle {n}", np.tri(n, dtype=int), False, True
        yield f"blocks of 2 {n}", (i // 2 == j // 2).astype(int), False, n % 2 == 0
        yield f"twice as fast {n}", (i == 2 * j).astype(int), False, False


def test_a_constant_along_diagonals_moves_with_both_axes():
    """Products x[i] x[j] of a signal, or with its reverse, times the matrix; also summed over j."""

    def product(matrix, reverses, sums):
        def fn(x):
            table = matrix[None].astype(x.dtype)
            both = x[:, :, None] * (x[:, ::-1] if reverses else x)[:, None, :] * table
            return both.sum(2) if sums else both

        return fn

    cases = []
    for name, matrix, reverses, one in matrices():
        (claims,) = all_certified([product(matrix, reverses, False)], (1, len(matrix)))
        assert not one or "PROVED" in {claim.verdict for claim in claims.values()}, name
        assert "but for a cell" not in name or claims["cyclic"].shift != 1, name
        for sums in (False, True):
            fn = product(matrix, reverses, sums)
            cases.append((f"{name} {sums}", fn, lambda x, fn=fn: fn(x % 1000), (1, len(matrix))))
    assert survey(cases) > 60
    (claims,) = all_certified([product(np.tri(6, dtype=int), False, False)], (1, 6))
    assert claims["cyclic"].verdict == "UNDECIDED"  # its diagonals do not go around
    assert claims["interior"].region == ((1, 0, 6), (2, 0, 6))


X12 = jax.ShapeDtypeStruct((1, 12, 2), jnp.float32)
FIRST = np.arange(12)[:, None] == 0
ENDS = {  # where a value of which nothing is known is selected: the positions that are left
    "the first cell by the first": (lambda x: jnp.where(FIRST, x[:, :1], 2 * x), (1, 12)),
    "the last three by a sorted copy": (lambda x: jnp.where(np.arange(12)[:, None] > 8, jnp.sort(x, axis=1), x), (0, 9)),
    "one cell in the middle": (lambda x: jnp.where(np.arange(12)[:, None] == 4, jnp.cumsum(x, axis=1), x), (5, 12)),
    "nowhere": (lambda x: jnp.where(np.arange(12)[:, None] > 12, jnp.sort(x, axis=1), x), (0, 12)),
    "by a choice among three": (
        lambda x: lax.select_n(jnp.broadcast_to(np.minimum(np.arange(12), 2)[:, None], x.shape), jnp.sort(x, 1), 2 * x, x),
        (2, 12),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_cells_that_select_what_is_unknown_are_outside_of_the_interior(name):
    fn, region = ENDS[name]
    claim = judged(fn, X12).interior
    assert (claim.shift, claim.moves, claim.region) == (1, ((1, 1),), ((1, *region),))
    certificate = jc.certify(fn, X12, axes=(1,), search=False)
    assert jc.recheck(certificate, fn, X12) == ()


SELECTED = {
    "a predicate of which nothing is known": lambda x: jnp.where(x > jnp.sort(x, axis=1), x, 0.0),
    "an unknown predicate": lambda x: jnp.where(x > 0, jnp.sort(x, axis=1), x),
    "everywhere": lambda x: jnp.where(np.arange(12)[:, None] < 12, jnp.sort(x, axis=1), x),
    "in one channel": lambda x: jnp.where(np.arange(2) == 0, jnp.sort(x, axis=1), x),
    "every other cell": lambda x: jnp.where(np.arange(12)[:, None] % 2 == 0, jnp.sort(x, axis=1), x),
}


@pytest.mark.parametrize("name", SELECTED)
def test_what_is_unknown_is_not_proved_where_it_is_selected(name):
    assert judged(SELECTED[name], X12).interior.verdict == "UNDECIDED"


def test_around_the_circle_no_cell_may_select_what_is_unknown():
    assert judged(ENDS["the first cell by the first"][0], X12).cyclic.verdict == "UNDECIDED"
    assert judged(lambda x: jnp.where(FIRST & ~FIRST, jnp.cumsum(x, axis=1), x), X12).cyclic.shift == 1
