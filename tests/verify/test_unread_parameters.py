"""Functions that were once proved equivariant because a rule had not read a parameter, a dtype, or an effect.

Each has the false claim as it was made. The test executes the counterexample, so that the claim is known to be false,
and then asks for a certificate.
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
    """A function of x, whose first axis is shifted, and the claim that must not be proved: by `shift`, to `moved`."""

    fn: Callable[[Any], Any]
    x: Any = field(default_factory=lambda: SIGNAL)
    shift: int = 1
    moved: int = 0  # of the first output axis; 0 is invariance
    kind: str = "cyclic"


def full(x, kernel=None):
    """All overlaps of a kernel of three taps with x: x.shape + 2 cells."""
    kernel = jnp.ones((1, 1, 3), x.dtype) if kernel is None else kernel
    return lax.conv_general_dilated(x[None, None], kernel, (1,), [(2, 2)])[0, 0]


def fold(y):
    """The gradient of a wrap pad: what lies beyond the ends is added at the other one."""
    return y[1:9] + jnp.pad(y[:1], (7, 0)) + jnp.pad(y[9:], (0, 7))


def transposed_fold(x):
    """Rows of overlaps, whose axes are exchanged by a reshape, and folded."""
    y = lax.conv_general_dilated(x.T[:, None], jnp.ones((1, 1, 3), x.dtype), (1,), [(2, 2)])[:, 0].T
    y = lax.reshape(y, (10, 10), dimensions=(1, 0))
    return y[1:9] + jnp.pad(y[:1], ((7, 0), (0, 0))) + jnp.pad(y[9:], ((0, 7), (0, 0)))


def narrow(dtype):
    """The dtype by name, of which JAX's versions have more or fewer."""
    return jnp.dtype(getattr(jnp, dtype))


def rolled_by_two(a, b):
    """Windows of a and of b: a roll if they are one signal."""
    return jnp.concatenate([a[1:], b[:1]])


def halves(square, first, second):
    """Of one value that moves along both axes two sums over rows, each of some rows; half of the one, half of the other."""
    return jnp.concatenate([first(square).sum(0)[:4], second(square).sum(0)[4:]])


def outer(x):
    """A value that moves along both axes."""
    return x[:, None] * x[None, :]


def scores(x):
    """Attention scores."""
    return jnp.einsum("ic,jc->ij", x, x)


def places(x, count, find, dtypes):
    """Where each position times growing numbers is the largest (or least), in two dtypes, side by side."""
    rows = x[:, None] * jnp.arange(float(count))[None, :] ** 2
    return rolled_by_two(*(find(rows, 1, dtype).astype(x.dtype) for dtype in dtypes))


def iterated(x, step, start=0.0):
    """A loop for each position, that stops when its own condition says so."""
    body = lambda v: lax.while_loop(lambda c: c < v, step, jnp.asarray(start, x.dtype))
    return jax.vmap(body)(x)


def newton(x):
    """How many steps of Newton's method the square root of each position takes."""
    return jax.vmap(_rounds)(jnp.abs(x) + 1)


def _rounds(v):
    """Steps until the square of a root is near enough."""
    near = lambda s: jnp.abs(s[0] * s[0] - v) > 1e-3 * v
    return lax.while_loop(near, lambda s: ((s[0] + v / s[0]) / 2, s[1] + 1.0), (jnp.float32(1), jnp.float32(0)))[1]


def counted(x):
    """As many rounds as a closed-over array says."""
    return jax.vmap(lambda v, n: lax.fori_loop(0, n, lambda _, c: c * 2.0, v))(x, jnp.asarray(COUNTS))


def counted_by_itself(x):
    """As many rounds as the input says."""
    return jax.vmap(lambda v: lax.fori_loop(0, v, lambda _, c: c + 1.0, 0.0))(jnp.abs(x))


def filtered(x, change):
    """x by way of its spectrum."""
    return jnp.fft.ifft(change(jnp.fft.fft(x)))


def wrapped_pad(x):
    return jnp.pad(x, (1, 1), mode="wrap")


def through(x, change):
    """The gradient of a layer, circular, that has `change` before its convolution."""
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
    # while: a condition with axes
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
    # pieces: what is not linear over the reals
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
    """f of the shifted input, and what the claim says that it is; what stays in sight of both if it is of the interior."""
    before, after = (np.asarray(case.fn(jnp.asarray(x))) for x in (case.x, np.roll(case.x, case.shift, 0)))
    if case.kind == "interior" and case.moved:
        return after[case.moved :], before[: -case.moved]
    return after, np.roll(before, case.moved, 0)


@pytest.mark.parametrize("name", CASES)
def test_the_claim_is_false(name):
    found, expected = outcome(CASES[name])
    size = np.nanmax(np.abs(np.where(np.isfinite(expected), expected, 0)), initial=1)
    assert not np.allclose(found, expected, atol=1e-4 * size, rtol=0, equal_nan=True)


@pytest.mark.parametrize("name", CASES)
def test_the_claim_is_not_proved(name):
    case = CASES[name]
    x = jax.ShapeDtypeStruct(case.x.shape, case.x.dtype)
    (leaf,) = jc.certify(case.fn, x, axes=(0,), search=False, values=True).leaves
    claim = getattr(leaf.axes[0], case.kind)
    moves = ((0, case.moved),) if case.moved else ()
    assert (claim.verdict, claim.moves) != (Verdict.PROVED, moves) or case.shift % claim.shift
