"""Test the search for counterexamples in loops: rounding that grows with every iteration is not a counterexample."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.searches import refute_cyclic

import jaxconv as jc
from jaxconv.jaxprs.primitives import NEVER
from jaxconv.verify.execution import perturbed

X = jax.ShapeDtypeStruct((1, 12, 1), jnp.float32)


def mixed(x):
    """A chaotic map whose cells are coupled by a mean, which rounds depending on the order of the cells."""
    return 3.9 * x * (1 - x) * 0.95 + 0.05 * jnp.cumsum(x, axis=1)[:, -1:] / x.shape[1]


def started(i, x):
    """The loop body: the sigmoid in the first iteration, then the chaotic map."""
    return jnp.where(i == 0, jax.nn.sigmoid(x), mixed(x))


def scanned(x):
    return jax.lax.scan(lambda x, i: (started(i, x), None), x, jnp.arange(300))[0]


def repeated(x):
    return jax.lax.fori_loop(0, 300, lambda i, x: jax.lax.cond(i < 999, started, lambda i, x: -x, i, x), x)


def until_it_is_large(x):
    """A loop whose number of iterations, and therefore its result, depends on rounding."""
    state = jax.nn.sigmoid(x), jnp.sum(x) * 0
    return jax.lax.while_loop(lambda s: s[1] < 100, lambda s: (mixed(s[0]), s[1] + mixed(s[0])[0, 0, 0] + 0.1), state)[
        0
    ]


def converged(x):
    """Newton's iteration for a square root; if perturbed, it never reaches a fixed point."""
    halve = lambda s: (s[1], (s[1] + x / s[1]) / 2)
    return jax.lax.while_loop(lambda s: jnp.any(s[0] != s[1]), halve, (x, 1 + 0 * x))[1]


CHAOTIC = [scanned, repeated, jax.jit(scanned)]


@pytest.mark.parametrize("fn", CHAOTIC, ids=["scan", "fori_loop and cond", "jit of scan"])
def test_chaos_in_a_loop_is_rounding(fn):
    assert refute_cyclic(fn, (X,), 0, 1, 0, (1, 4, 6)) is None


@pytest.mark.parametrize("fn", CHAOTIC, ids=["scan", "fori_loop and cond", "jit of scan"])
def test_without_doubt_in_loops_chaos_would_be_a_counterexample(fn, monkeypatch):
    """The broken variant: a loop counts as one operation that does not round."""
    rounds = perturbed.guard.rounds
    monkeypatch.setattr(perturbed, "inside", {})
    monkeypatch.setattr(
        perturbed.guard, "rounds", lambda e: NEVER if e.primitive.name in {"scan", "while", "cond"} else rounds(e)
    )
    traced_anew = partial(fn)
    assert refute_cyclic(traced_anew, (X,), 0, 1, 0, (1, 4, 6)) is not None


@pytest.mark.parametrize("fn", [until_it_is_large, lambda x: converged(1 + x**2)], ids=["chaotic", "never at rest"])
def test_a_loop_of_unknown_length_ends_however_coarsely_it_rounds(fn):
    assert refute_cyclic(lambda x: fn(x) * 0 + jnp.cumsum(x, axis=1), (X,), 0, 1, 0, (6,)) is not None


@pytest.mark.parametrize("reverse", [False, True])
def test_loops_compute_what_they_did_but_for_rounding(reverse):
    """A perturbed scan, loop or branch has the same result up to a small error."""

    def fn(x):
        carry, ys = jax.lax.scan(lambda c, row: (c * 0.5 + row, c), x[0] * 2, x, reverse=reverse)
        total = jax.lax.fori_loop(0, 3, lambda i, t: t + carry * i, carry)
        return jax.lax.cond(x[0, 0] < 99, lambda y: y + total[None], jnp.negative, ys)

    x = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    closed = jax.make_jaxpr(fn)(x)
    (coarse,), overflow = perturbed.perturbed_outputs(closed.jaxpr, closed.consts, [x], perturbed.NOISES[0])
    assert not overflow
    off = np.abs(np.asarray(coarse) - fn(x))
    assert 0 < off.max() < 1e-4


def square_root(x):
    """Newton's iteration, which never ends if a cell has no square root; the last cell has another start."""
    start = jnp.ones_like(x).at[:, -1].set(2.0)
    return jax.lax.while_loop(lambda s: jnp.max(jnp.abs(s * s - x)) > 1e-6, lambda s: (s + x / s) / 2, start)


def of_positions(x):
    """Square roots times a ramp over positions. Inputs for which the loop ends refute its equivariance."""
    return square_root(jnp.abs(x) + 1.0) * jnp.arange(1.0, 13.0)[None, :, None]


def test_a_loop_that_does_not_end_is_cut_short():
    """Regression: the search hung, and an interrupt did not end it. A loop that is stopped refutes nothing."""
    assert refute_cyclic(square_root, (X,), 0, 1, 0, (1, 4, 6)) is None
    assert refute_cyclic(of_positions, (X,), 0, 1, 0, (1, 4, 6)) is not None


def test_falsify_cuts_such_a_loop_short():
    """`falsify` returns, and the loop ends for the input of any counterexample."""
    found = jc.falsify(square_root, X, axes=(1,), examples=10).counterexample
    assert found is None or found.arguments[0].min() >= 0


def product(x):
    """The same for each order of its factors, which differ by 32 powers of ten: some products of two are too small."""
    y = jnp.where(x > 0, jnp.float32(1e12), jnp.float32(1e-20))
    return y[0] * y[1] * y[2] * y[3] * y[4]


def half_precision(x):
    """A product of 17 probabilities, below the smallest normal number of float16."""
    return jax.lax.fori_loop(0, 17, lambda i, c: c * jax.nn.sigmoid(x)[i] * 2, jnp.float16(1))


def associated(x):
    """Zero but for rounding, on more cells than there are different random numbers."""
    return (x[0] * x[1]) * x[2] - x[0] * (x[1] * x[2])


def collected(x):
    """A sum in float16, to which XLA adds one cell after the other: 2048 + 0.9 is 2048."""
    cells = jnp.where(x > 3.2, jnp.float16(2048), jnp.float16(0.9))
    return jnp.zeros(1, jnp.float16).at[jnp.zeros(2000, int)].add(cells)


@pytest.mark.parametrize(
    ("fn", "shape", "dtype"),
    [(product, (5,), "float32"), (half_precision, (17,), "float16"), (associated, (3, 16384), "float32"),
     (collected, (2000,), "float16")],
)  # fmt: skip
def test_what_is_lost_below_the_smallest_numbers_is_rounding(fn, shape, dtype):
    """Each is invariant over the reals, and was refuted."""
    divisors = tuple(shape[0] // prime for prime in (2, 3, 5, 17) if shape[0] % prime == 0)
    assert refute_cyclic(fn, (jax.ShapeDtypeStruct(shape, dtype),), 0, 0, 0, divisors) is None
