"""Test the compiled comparison: shifts of the input, compilations, and values that are not finite."""

import math
from functools import cache
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.compilations import compilations
from support.numeric_subjects import KERNEL, C, H, W, X, circular, poisoned
from support.numpy_evaluation import evaluated

from jaxconv.verify.execution import compare
from jaxconv.verify.execution.check import check
from jaxconv.verify.execution.check_report import Finding
from jaxconv.verify.execution.program import traced
from jaxconv.verify.shifted_axes import Along


def infinite_somewhere(x):
    return circular(x).at[0, 2, 3, 1].set(jnp.inf)


def infinite_everywhere(x):
    return jnp.concatenate([circular(x), jnp.full_like(x, jnp.inf)], axis=3)


def test_new_content_tells_interior_from_zero_fill():
    """A sum over all cells changes if new values enter, but not if zeros enter and zeros leave."""
    x = np.pad(X, ((0, 0), (H, H), (0, 0), (0, 0)))
    total = lambda x: jnp.sum(x, axis=(1, 2, 3))
    sample = [[2], [-3]]
    assert check(total, x, axes=(1,), shifts=sample, model="zero").finding == Finding.HELD
    assert check(total, x, axes=(1,), shifts=sample, model="interior").finding == Finding.VIOLATED


@cache
def shifting(model):
    """A compiled function of an argument [4, 7, 2], the fill and the shift, which shifts along the first two axes."""
    along = Along(((0, 0),), 4), Along(((0, 1),), 7)
    plan = compare.Plan(model, along, ((),), (0,), (True,), vectorised=True, integers=False)
    return jax.jit(lambda x, fill, shift: compare.shifted(plan, [x], [fill], shift, jnp.bool_(False)))


@given(st.sampled_from(["cyclic", "interior", "zero"]), st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 99))
def test_the_shifted_input(model, s, u, seed):
    """`y[i + s, j + u] = x[i, j]`, cell by cell, for every model and both signs."""
    x, fill = np.random.default_rng(seed).normal(size=(2, 4, 7, 2)).astype(np.float32)
    expected = {"cyclic": np.empty_like(x), "interior": fill.copy(), "zero": np.zeros_like(x)}[model]
    for i, j in product(range(4), range(7)):
        p, q = i + s, j + u
        if model == "cyclic" or (0 <= p < 4 and 0 <= q < 7):
            expected[p % 4, q % 7] = x[i, j]
    (found,) = shifting(model)(x, fill, np.asarray([s, u], np.int32))
    np.testing.assert_array_equal(found, expected)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-9, 9)), max_size=5))
def test_cells_are_rolled_as_numpy_rolls_them(moves):
    """The axes may be adjacent or not, and an axis may occur twice."""
    x = np.arange(2 * 3 * 4 * 5, dtype=np.int32).reshape(2, 3, 4, 5)
    expected = np.roll(x, [s for _, s in moves], [axis for axis, _ in moves])
    axes, shifts = [axis for axis, _ in moves], [np.int32(s) for _, s in moves]
    found = evaluated(lambda x, shifts: compare.rolled(x, list(zip(axes, shifts, strict=True))))(x, shifts)
    np.testing.assert_array_equal(found, expected)


def test_a_second_check_compiles_nothing():
    fn = lambda kernel, x: circular(x, kernel)
    kernel, x = 2 * KERNEL, jnp.asarray(X)
    with compilations() as compiled:
        first = check(fn, KERNEL, X, axes={1: (1, 2)})
    assert compiled
    with compilations() as compiled:
        again = check(fn, kernel, x, axes={1: (1, 2)}, seed=5)
    assert not compiled
    assert again.leaves[0].tolerance.scale == pytest.approx(2 * first.leaves[0].tolerance.scale)


def test_nothing_is_closed_over():
    """Arrays that the function closes over are arguments of the compiled program, like the input and the parameters."""
    function = traced(circular, (jnp.asarray(X),))
    assert [np.shape(const) for const in function.consts] == [KERNEL.shape]


@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
def test_a_summary_counts_what_was_compared(xp):
    """Three shifts, three positions; the error is -1 where a law does not apply."""
    errors = xp.asarray([[1, -1, 2], [-1, -1, -1], [3, -1, 0]], np.float32)
    found = compare.summary(errors, xp)
    np.testing.assert_array_equal(found.largest, [2, -1, 3])
    np.testing.assert_array_equal(found.positions, [3, -1, 2])
    np.testing.assert_array_equal(found.totals, [4, 0, 2])
    np.testing.assert_array_equal(found.counts, [2, 0, 2])


def test_half_precision_is_compared_in_single_precision():
    """The difference of 6e4 and -6e4 overflows float16."""
    up = np.where(np.arange(H) % 2, 6e4, -6e4).astype(np.float16)[None, :, None, None]
    found = check(lambda x: jnp.sign(x) * up, X.astype(np.float16), axes=(1,))
    assert found.leaves[0].errors.max() == 1.2e5


def test_nan_is_never_equal():
    always = lambda x: jnp.where(circular(x) > 9, 1.0, jnp.stack([circular(x)[..., 0]] * 3, -1).at[..., 1].set(jnp.nan))
    for fn in (poisoned, always):
        (leaf,) = check(fn, X, axes=(1,)).leaves
        assert leaf.finding == Finding.VIOLATED
        assert (leaf.nans > 0).all()
        assert (leaf.errors == np.inf).all()
        assert math.isnan(leaf.worst.found) or math.isnan(leaf.worst.expected)
    assert check(lambda x: x.at[0, 1, 2, 0].set(jnp.nan), X, axes=(1, 2)).finding == Finding.VIOLATED
    # There is one NaN on each side, among 48 * 3 cells; without a shift, both are in the same cell.
    (leaf,) = check(poisoned, X, axes=(1,)).leaves
    assert leaf.nans.tolist() == [1, 2, 2, 2, 2, 2]
    assert "never equal" in str(check(poisoned, X, axes=(1,)))


def test_infinities_are_equal_to_themselves_and_reported():
    (leaf,) = check(infinite_everywhere, X, axes=(1, 2)).leaves
    assert leaf.finding == Finding.HELD
    assert (leaf.infinities == H * W * C).all()
    assert leaf.errors.max() < 1e-5
    report = check(infinite_somewhere, X, axes=(2,))
    assert report.finding == Finding.VIOLATED
    assert report.leaves[0].errors.tolist() == [0.0] + [np.inf] * (W - 1)
    assert report.leaves[0].infinities.tolist() == [1] + [0] * (W - 1)
    sign = np.where(np.arange(H) > 3, np.inf, -np.inf).astype(np.float32)[:, None]
    other_sign = lambda x: circular(x).at[0, :, :, 0].set(sign)
    assert check(other_sign, X, axes=(1,)).finding == Finding.VIOLATED


def test_large_integers_that_differ_are_told_apart():
    """2^24 and 2^24 + 1 round to the same float32."""
    odd = lambda x: x + jnp.arange(6, dtype=x.dtype) % 2
    finding = lambda size: check(odd, size + 4 * np.arange(6, dtype=np.int32), axes=(0,), shifts=[[1]]).finding
    assert (finding(2**24), finding(2**10)) == (Finding.VIOLATED, Finding.VIOLATED)
