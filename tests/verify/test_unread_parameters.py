"""Functions that were once proved equivariant because a rule ignored a parameter, a dtype, or an effect.

Each case has the false claim. One test executes the counterexample, which shows that the claim is false. Another test
asserts that `certify` does not prove the claim.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxconv as jc
from jaxconv.verify.certificate import Verdict

N = 8
SIGNAL = np.array([3, -1, 4, 1, -5, 9, 2, -6], np.float32) / 4
WHOLE = np.array([3, -1, 5, 1, -7, 9, 3, -5], np.int32)
MODES = (np.arange(N) % 3 + 1 + 2j * (np.arange(N) % 2)).astype(np.complex64)
COUNTS = np.arange(N) % 4
IMAGE10 = np.random.default_rng(0).integers(-4, 5, (N, 10)).astype(np.float32)
IMAGE = np.concatenate([np.stack([SIGNAL, SIGNAL[::-1], SIGNAL**2], 1), np.zeros((N, 4), np.float32)], 1)


@dataclass(frozen=True)
class Case:
    """A function of x and a false claim: a shift of the first axis by `shift` moves the output by `moved`."""

    fn: Callable[[Any], Any]
    x: Any = field(default_factory=lambda: SIGNAL)
    shift: int = 1
    moved: int = 0  # cells along the first output axis; 0 is invariance
    kind: str = "cyclic"


def full(x, kernel=None):
    """Return the full convolution of x with a kernel of three taps, which has two more cells than x."""
    kernel = jnp.ones((1, 1, 3), x.dtype) if kernel is None else kernel
    return lax.conv_general_dilated(x[None, None], kernel, (1,), [(2, 2)])[0, 0]


def fold(y):
    """Return the gradient of a wrap pad: cells beyond one end are added at the other end."""
    return y[1:9] + jnp.pad(y[:1], (7, 0)) + jnp.pad(y[9:], (0, 7))


def transposed_fold(x):
    """Fold full convolutions after a reshape with `dimensions` has exchanged their axes."""
    y = lax.conv_general_dilated(x.T[:, None], jnp.ones((1, 1, 3), x.dtype), (1,), [(2, 2)])[:, 0].T
    y = lax.reshape(y, (10, 10), dimensions=(1, 0))
    return y[1:9] + jnp.pad(y[:1], ((7, 0), (0, 0))) + jnp.pad(y[9:], ((0, 7), (0, 0)))


def narrow(dtype):
    """Return a dtype by name, since not every JAX version has it."""
    return jnp.dtype(getattr(jnp, dtype))


def rolled_by_two(a, b):
    """Return the cells of a after the first, then the first cell of b: a roll if a and b are one signal."""
    return jnp.concatenate([a[1:], b[:1]])


def halves(square, first, second):
    """Return half of each of two sums over some rows of a value that moves along both axes."""
    return jnp.concatenate([first(square).sum(0)[:4], second(square).sum(0)[4:]])


def outer(x):
    """Return a value that moves along both axes."""
    return x[:, None] * x[None, :]


def scores(x):
    """Return attention scores."""
    return jnp.einsum("ic,jc->ij", x, x)


def places(x, count, find, dtypes):
    """Return the argmax (or argmin) of each position times 0, 1, 4, ..., in two dtypes, joined."""
    rows = x[:, None] * jnp.arange(float(count))[None, :] ** 2
    return rolled_by_two(*(find(rows, 1, dtype).astype(x.dtype) for dtype in dtypes))


def iterated(x, step, start=0.0):
    """Run one loop per position, with one condition per position."""
    body = lambda v: lax.while_loop(lambda c: c < v, step, jnp.asarray(start, x.dtype))
    return jax.vmap(body)(x)


def newton(x):
    """Return the number of Newton steps for the square root of each position."""
    return jax.vmap(_rounds)(jnp.abs(x) + 1)


def _rounds(v):
    """Return the number of steps until the square of the root is close to v."""
    near = lambda s: jnp.abs(s[0] * s[0] - v) > 1e-3 * v
    return lax.while_loop(near, lambda s: ((s[0] + v / s[0]) / 2, s[1] + 1.0), (jnp.float32(1), jnp.float32(0)))[1]


def counted(x):
    """Run each position's loop for the number of rounds in a closed-over array."""
    return jax.vmap(lambda v, n: lax.fori_loop(0, n, lambda _, c: c * 2.0, v))(x, jnp.asarray(COUNTS))


def counted_by_itself(x):
    """Run each position's loop for the number of rounds in the input."""
    return jax.vmap(lambda v: lax.fori_loop(0, v, lambda _, c: c + 1.0, 0.0))(jnp.abs(x))


def filtered(x, change):
    """Apply `change` to the spectrum of x."""
    return jnp.fft.ifft(change(jnp.fft.fft(x)))


def wrapped_pad(x):
    return jnp.pad(x, (1, 1), mode="wrap")


def through(x, change):
    """Return the gradient of a circular layer that applies `change` before its convolution."""
    layer = lambda v: lax.conv_general_dilated(
        change(wrapped_pad(v))[None, None], jnp.ones((1, 1, 3), v.dtype), (1,), [(0, 0)]
    )
    return jax.grad(lambda v: (layer(v) ** 2).sum())(x)


CASES = {
    # scatter: `update_jaxpr`
    "apply to all cells": Case(lambda x: x.at[:].apply(jnp.sin)),
    "apply to a cell": Case(lambda x: x.at[2].apply(jnp.sin), moved=1),
    "apply to all cells, interior": Case(lambda x: x.at[:].apply(jnp.sin), kind="interior"),
    "apply to a spectrum": Case(lambda x: filtered(x, lambda y: y.at[:].apply(jnp.exp)), moved=1),
    # while: a condition with batch axes
    "positions that stop by themselves": Case(lambda x: iterated(x, lambda c: c + 1.0)),
    "positions that stop by themselves, interior": Case(lambda x: iterated(x, lambda c: c + 1.0), kind="interior"),
    "Newton's method for each position": Case(newton),
    "rounds that an array counts": Case(counted, moved=1),
    "rounds that the input counts": Case(counted_by_itself, WHOLE),
    # spectra: result dtypes
    "a product of spectra that drops the imaginary part": Case(
        lambda x: filtered(x, lambda y: lax.mul(y, jnp.asarray(MODES), out_dtype=jnp.float32).astype(y.dtype)), moved=1
    ),
    "a matrix product of spectra that drops it": Case(
        lambda x: filtered(
            x,
            lambda y: lax.dot_general(
                y[:, None],
                jnp.asarray(MODES)[:, None],
                (((1,), (1,)), ((0,), (0,))),
                preferred_element_type=jnp.float32,
            ).astype(y.dtype),
        ),
        moved=1,
    ),
    # argmax: `index_dtype`
    "places that wrap in 8 bits": Case(
        lambda x: places(x, 200, lax.argmax, (np.int8, np.int32)), np.abs(SIGNAL), moved=1
    ),
    "places that wrap in 8 bits without a sign": Case(
        lambda x: places(-x, 300, lax.argmin, (np.uint8, np.int32)), np.abs(SIGNAL), moved=1
    ),
    "places that wrap in both": Case(
        lambda x: places(x, 200, lax.argmax, (np.uint8, np.int8)), np.abs(SIGNAL), moved=1
    ),
    # pieces: operations that are not linear over the reals
    "pieces with few bits": Case(lambda x: through(x, lambda y: lax.reduce_precision(y, 8, 3)), SIGNAL * 1.37, moved=1),
    "a fold of few bits": Case(lambda x: fold(lax.reduce_precision(full(x), 8, 2)), SIGNAL * 1.37, moved=1),
    "a fold of floats of 8 bits": Case(
        lambda x: fold(full(x).astype(narrow("float8_e4m3fn")).astype(x.dtype)), SIGNAL * 1.37, moved=1
    ),
    "a fold of integers divided": Case(lambda x: fold(lax.div(full(x), jnp.int32(2))), WHOLE, moved=1),
    "a fold of integers that wrap and widen": Case(
        lambda x: fold((full(x) * jnp.int32(2**29)).astype(jnp.float32)), WHOLE, moved=1
    ),
    "a fold of small integers that wrap and widen": Case(
        lambda x: fold(full(x.astype(jnp.int8) * jnp.int8(30)).astype(jnp.int32)), WHOLE, moved=1
    ),
    "a fold of remainders": Case(lambda x: fold(lax.rem(full(x), jnp.int32(3))), WHOLE, moved=1),
    "pieces read in another order": Case(transposed_fold, IMAGE10, moved=1),
    # two axes that move
    "even and odd rows of an outer product": Case(
        lambda x: halves(outer(x), lambda a: a[0::2], lambda a: a[1::2]), shift=2, moved=2
    ),
    "even and odd rows of attention scores": Case(
        lambda x: halves(scores(x), lambda a: a[0::2], lambda a: a[1::2]), IMAGE, shift=2, moved=2
    ),
    "rows of an outer product turned round": Case(
        lambda x: halves(outer(x), lambda a: lax.rev(a, (1,))[0::2], lambda a: lax.rev(a, (0, 1))[0::2]),
        shift=2,
        moved=-2,
    ),
    # the sign of zero
    "the side of a branch cut": Case(
        lambda x: jnp.arctan2(jnp.where(jnp.arange(N) == 3, -0.0, 0.0), -jnp.abs(x)), moved=1
    ),
    "one over a zero": Case(lambda x: x / jnp.where(jnp.arange(N) == 3, -0.0, 0.0), moved=1),
    "zeros of both signs around a wrap": Case(
        lambda x: jnp.arctan2(x * 0 + jnp.where(jnp.arange(N) % 4 == 3, -0.0, 0.0) * jnp.abs(x), -jnp.abs(x)), moved=1
    ),
}


def outcome(case):
    """Return the output of the shifted input, and the output that the claim predicts; for the interior, their overlap."""
    before, after = (np.asarray(case.fn(jnp.asarray(x))) for x in (case.x, np.roll(case.x, case.shift, 0)))
    if case.kind == "interior" and case.moved:
        return after[case.moved :], before[: -case.moved]
    return after, np.roll(before, case.moved, 0)


@pytest.mark.parametrize("name", CASES)
def test_the_claim_is_false(name):
    actual, expected = outcome(CASES[name])
    size = np.nanmax(np.abs(np.where(np.isfinite(expected), expected, 0)), initial=1)
    assert not np.allclose(actual, expected, atol=1e-4 * size, rtol=0, equal_nan=True)


@pytest.mark.parametrize("name", CASES)
def test_the_claim_is_not_proved(name):
    case = CASES[name]
    x = jax.ShapeDtypeStruct(case.x.shape, case.x.dtype)
    (leaf,) = jc.certify(case.fn, x, axes=(0,), search=False, values=True).leaves
    claim = leaf.axes[0].claims[case.kind]
    moves = ((0, case.moved),) if case.moved else ()
    assert (claim.verdict, claim.moves) != (Verdict.PROVED, moves) or case.shift % claim.shift
