"""Test integer mode: which operations are exact on which values, and checks without a tolerance."""

import re
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.numeric_subjects import KERNEL, W, X, circular, zero_padded

from jaxconv.jaxprs.primitives import ONCE, PRIMITIVES
from jaxconv.verify.domain import Moving
from jaxconv.verify.execution import exactness
from jaxconv.verify.execution.check import check
from jaxconv.verify.execution.check_report import Finding
from jaxconv.verify.rules import RULES


def excess(fn, *values, live=None):
    """The largest excess over all equations, in bits, and the outputs."""
    values = [jnp.asarray(value, jnp.float32) if isinstance(value, float | list) else value for value in values]
    closed = jax.make_jaxpr(fn)(*values)
    outputs, bits = exactness.with_excess(closed.jaxpr, closed.consts, values, live or [True] * len(values))
    return int(bits.max(initial=-exactness.TOO_WIDE)), outputs


@pytest.mark.parametrize(
    ("fn", "values", "is_exact"),
    [
        (jnp.add, (2.0**24, 1.0), False),
        (jnp.add, (2.0**23, 1.0), True),
        (jnp.subtract, (2.0**23, 2.0**-3), False),
        (jnp.multiply, (4097.0, 4097.0), False),
        (jnp.multiply, (4095.0, 4095.0), True),
        (jnp.multiply, (0.1, 2.0), True),  # a power of two changes only the exponent
        (jnp.multiply, (0.1, 3.0), False),
        (jnp.divide, (7.0, 4.0), True),
        (jnp.divide, (1.0, 3.0), False),
        (jnp.divide, ([8.0, 2.0**-126], [4.0, 2.0**30]), False),  # the second quotient underflows to 0
        (jnp.square, (4097.0,), False),
        (lambda x: x**3, (255.0,), True),
        (lambda x: x**3, (257.0,), False),
        (lambda x: x**-1, (2.0,), False),
        (jnp.sqrt, (4.0,), False),
        (jax.lax.rem, (7.75, -0.5), True),
        (
            lambda x, y: x * jax.lax.rem(y, 4.0),
            (2.0**23 + 1, 7.0),
            False,
        ),  # rem is 3, and 3 times this odd number needs 25 bits
        (jnp.sum, ([2.0**24, 1.0, -(2.0**24)],), False),  # the result is small, but a partial sum is not exact
        (jnp.sum, ([2.0**22, 1.0, -(2.0**22)],), True),
        (jnp.dot, ([4096.0, 1.0], [4096.0, 1.0]), False),
        (jnp.dot, ([2048.0, 1.0], [2048.0, 1.0]), True),
        (jnp.cumsum, ([2.0**24, 1.0],), False),
        (jnp.exp, (0.0,), False),
        (lambda x: jnp.where(x > 0, jnp.floor(x), -x), (2.5,), True),
        (lambda x: x.astype(jnp.bfloat16), (257.0,), False),
        (lambda x: x.astype(jnp.bfloat16), (256.0,), True),
        (lambda x: x + jnp.inf, (1.0,), False),
        (lambda x: jax.lax.fori_loop(0, 3, lambda _, y: y + 1.0, x), (1.0,), False),  # loops are not analysed
        (jax.jit(lambda y: y + 1.0), (2.0**24,), False),
        (lambda y: y + 0.25, (2.0**23,), False),
        (lambda y: y + 0.25, (2.0**21,), True),
    ],
)
def test_what_is_exact(fn, values, is_exact):
    assert (excess(fn, *values)[0] <= 0) == is_exact


@pytest.mark.parametrize(
    ("bits", "blamed"), [(0, ""), (1, "needs 25 bits"), (exactness.TOO_WIDE, "does not keep numbers whole")]
)
def test_one_bit_too_many_is_blamed(bits, blamed):
    jaxpr = jax.make_jaxpr(lambda x: x + 1)(1.0).jaxpr
    found = exactness.blame(jaxpr, np.array([bits]))
    assert (blamed in found) if blamed else found == ""


NOT_WHOLE = {"sqrt"}  # always treated as not exact


def test_every_primitive_with_a_rule_is_known():
    """It never rounds, is a sum, has a rule in `exactness.needs`, or is an elementary function."""
    names = set(RULES[Moving])
    rounding = {name for name in names if PRIMITIVES[name].rounds == ONCE}
    assert rounding - set(exactness.needs) - NOT_WHOLE == set()


MOVING = [
    lambda x: jnp.stack([x, 2 * x]).sum(0),
    lambda x: jnp.tile(x, (1, 1, 1, 3)),
    lambda x: jax.device_put(x) + 1,
    jax.lax.optimization_barrier,
    lambda x: jnp.stack(jnp.unstack(x, axis=3)[::-1], axis=3),
    lambda x: x + jax.lax.broadcasted_iota(x.dtype, (*x.shape[:3], 1), 0),
    jnp.copy,
]


def test_what_moves_numbers_keeps_them_whole():
    """All functions are in one program; a finding other than HELD would name the first that is not exact."""
    leaves = check(lambda x: [fn(x) for fn in MOVING], X, axes=(1, 2), integers=True).leaves
    assert [(leaf.finding, leaf.reason) for leaf in leaves] == [(Finding.HELD, "")] * len(MOVING)


def test_what_no_shift_changes_may_round():
    fn = lambda x, scale: x * jnp.floor(jnp.exp(scale))
    assert excess(fn, 3.0, 1.0, live=[True, False])[0] <= 0
    assert excess(fn, 3.0, 1.0)[0] > 0


@given(
    st.sampled_from([jnp.add, jnp.subtract, jnp.multiply, jnp.divide]),
    st.integers(-(2**24), 2**24),
    st.integers(-(2**24), 2**24).filter(bool),
    st.integers(-9, 9),
)
def test_never_exact_where_fractions_differ(fn, a, b, shift):
    """A result without excess bits equals that of Python's fractions."""
    x, y = float(a), float(np.float32(b * 2.0**shift))
    bits, (result,) = excess(fn, x, y)
    truth = {
        "add": Fraction(x) + Fraction(y),
        "subtract": Fraction(x) - Fraction(y),
        "multiply": Fraction(x) * Fraction(y),
        "divide": Fraction(x) / Fraction(y),
    }[fn.__name__]
    assert bits > 0 or Fraction(float(result)) == truth


# Checks with whole numbers.


def test_whole_numbers_leave_no_tolerance():
    """Only an exact comparison detects an error far below the tolerance for rounding."""
    fn = lambda x: (circular(x, np.rint(KERNEL)) + 2.0**20) + (jnp.arange(W) == 3).astype(x.dtype)[None, None, :, None]
    assert check(lambda x: fn(jnp.round(8 * x)), X, axes=(2,)).leaves[0].errors.max() == 1
    (leaf,) = check(fn, X, axes=(2,), integers=True).leaves
    assert leaf.finding == Finding.VIOLATED
    assert leaf.tolerance.absolute == 0
    assert leaf.errors.tolist() == [0] + [1] * (W - 1)


def test_whole_numbers_are_drawn_for_all_arguments():
    fn = lambda kernel, x: jax.nn.relu(circular(x, kernel))
    found = check(fn, KERNEL, X, axes={1: (1, 2)}, integers=True)
    assert found.finding == Finding.HELD
    assert found.integers
    assert found.leaves[0].worst.found == round(found.leaves[0].worst.found)
    assert "compared exactly" in str(found)


def test_a_mean_over_a_power_of_two_is_exact():
    assert check(lambda x: x.mean((1, 2)), X[:, :4], axes=(1, 2), integers=True).finding == Finding.HELD


def rooted(x):
    return jnp.sqrt(jnp.abs(x)).sum((1, 2))


def averaged(x):
    return x.mean((1, 2))


def grown(x):
    return (circular(x * 1048577.0, np.rint(4 * KERNEL)) ** 2).sum((1, 2))


def looped(x):
    return jax.lax.fori_loop(0, 3, lambda _, y: y + jnp.roll(y, 1, axis=1), x)


@pytest.mark.parametrize(
    ("fn", "reason"),
    [
        (rooted, r"sqrt at test_exactness.py:\d+ \(rooted\) does not keep numbers whole"),
        (averaged, r"div at test_exactness.py:\d+ \(averaged\)"),
        (grown, r"conv_general_dilated at numeric_subjects.py:\d+ \(correlate\) needs \d+ bits, and float32 holds 24"),
        (looped, r"scan at test_exactness.py:\d+ \(looped\)"),
    ],
)
def test_what_is_not_exact_is_not_passed(fn, reason):
    (leaf,) = check(fn, X, axes=(1, 2), integers=True).leaves
    assert leaf.finding == Finding.UNDECIDED
    assert pytest.approx(0, abs=leaf.tolerance.absolute) == leaf.errors.max()
    assert re.search(reason, leaf.reason), leaf.reason


def test_what_is_not_exact_and_far_off_is_violated():
    broken = lambda x: jnp.tanh(zero_padded(x))
    assert check(broken, X, axes=(1,), integers=True).finding == Finding.VIOLATED
