"""Loops, branches and calls: execution does not refute what is proved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.numpy_twins import certified, proved, refutation

import jaxconv as jc


def loop_scan(n, x, body):
    if n is np:
        for i in range(3):
            x = body(np, x, i)
        return x
    return lax.scan(lambda c, i: (body(jnp, c, i), None), x, jnp.arange(3, dtype=x.dtype))[0]


def loop_while(n, x, body):
    if n is np:
        for i in range(3):
            x = body(np, x, i)
        return x
    return lax.while_loop(lambda s: s[1] < 3, lambda s: (body(jnp, s[0], s[1]), s[1] + 1), (x, jnp.zeros((), x.dtype)))[
        0
    ]


def collect(n, x, body):
    if n is np:
        rows = []
        for i in range(3):
            rows.append(x * 2)
            x = body(np, x, i)
        return np.stack(rows, 1)
    rows = lax.scan(lambda c, i: (body(jnp, c, i), c * 2), x, jnp.arange(3, dtype=x.dtype))[1]
    return jnp.moveaxis(rows, 0, 1)


def branches(n, x, body):
    """The results of all branches, concatenated along the channels."""
    if n is np:
        return np.concatenate([body(np, x, i) for i in range(3)], 2)
    return jnp.concatenate([lax.switch(i, [lambda v, i=i: body(jnp, v, i) for i in range(3)], x) for i in range(3)], 2)


BODIES = {
    "scaled": lambda n, x, i: x * 3 + i,
    "smoothed": lambda n, x, i: x + n.roll(x, 1, 1) * 2,
    "rolled": lambda n, x, i: n.roll(x, 2, 1),
    "reversed": lambda n, x, i: x[:, ::-1],
    "mean removed": lambda n, x, i: x - x.sum(1, keepdims=True),
    "placed": lambda n, x, i: x * n.arange(1, 7, dtype=x.dtype)[None, :, None],
    "checkered": lambda n, x, i: x * n.array([1, 2] * 3, x.dtype)[None, :, None],
    "cut": lambda n, x, i: n.pad(x[:, 1:], ((0, 0), (0, 1), (0, 0))),
}


@pytest.mark.parametrize("loop", [loop_scan, loop_while, collect, branches])
@pytest.mark.parametrize("body", BODIES)
def test_loops_and_branches_prove_only_what_holds_after_every_round(loop, body):
    fn = lambda n: lambda x: loop(n, x, BODIES[body])
    claims = certified(fn(jnp), (1, 6, 2))
    assert refutation(fn(np), (1, 6, 2), claims, samples=3) is None
    if body in ("scaled", "rolled"):
        assert "cyclic" in proved(claims)
    if body == "placed":
        assert proved(claims) == set()


def counted_up(n, x, body):
    y = n.zeros_like(x)
    if n is jnp:
        return lax.fori_loop(0, 3, lambda i, y: body(jnp, y, i, x), y)
    for i in range(3):
        y = body(np, y, i, x)
    return y


def counted_down(n, x, body):
    """A scan over known numbers, from the last to the first; the carries are collected."""
    y, rows = n.zeros_like(x), []
    if n is jnp:
        step = lambda y, i: (body(jnp, y, i, x), y)
        return jnp.moveaxis(lax.scan(step, y, jnp.arange(3), reverse=True)[1], 0, 3)
    for i in (2, 1, 0):
        rows.insert(0, y)
        y = body(np, y, i, x)
    return np.stack(rows, 3)


def window(n, x, start):
    """Four cells of x from `start` on, and two zeros."""
    cells = lax.dynamic_slice_in_dim(x, start, 4, 1) if n is jnp else x[:, start : start + 4]
    return n.pad(cells, ((0, 0), (0, 2), (0, 0)))


PLACES = np.arange(1, 7, dtype=np.int32)[None, :, None]
# Bodies that use the number of the iteration, or known numbers of the carry, and what is proved of the loop.
NUMBERED = {
    "rolled by the number": ({"cyclic", "interior"}, lambda n, y, i, x: 3 * y + n.roll(x, i, 1)),
    "smoothed, from zeros": ({"cyclic", "interior"}, lambda n, y, i, x: x + 2 * n.roll(y, 1, 1)),
    "a window from the number on": ({"interior"}, lambda n, y, i, x: 3 * y + window(n, x, i)),
    "places in no iteration": ({"cyclic", "interior"}, lambda n, y, i, x: 3 * y + x * n.where(i > 3, PLACES, 1)),
    "places in the middle": (set(), lambda n, y, i, x: 3 * y + x * n.where(i == 1, PLACES, 1)),
    "one cell": (set(), lambda n, y, i, x: 3 * y + window(n, x, i)[:, :1]),
}


@pytest.mark.parametrize("loop", [counted_up, counted_down])
@pytest.mark.parametrize("body", NUMBERED)
def test_loops_are_followed_with_known_numbers(loop, body):
    kinds, line = NUMBERED[body]
    claims = certified(lambda x: loop(jnp, x, line), (1, 6, 2))
    assert refutation(lambda x: loop(np, x, line), (1, 6, 2), claims, samples=3) is None
    assert proved(claims) == kinds


@pytest.mark.parametrize(("rounds", "verdict"), [(64, "PROVED"), (65, "UNDECIDED")])
def test_iterations_are_followed_with_their_numbers_up_to_a_limit(rounds, verdict):
    x = jax.ShapeDtypeStruct((6,), "int32")
    fn = lambda x: lax.fori_loop(0, rounds, lambda i, y: 3 * y + x * jnp.where(i < rounds, 1, jnp.arange(6)), x)
    assert jc.certify(fn, x, axes=(0,), search=False).leaves[0].axes[0].cyclic.verdict == verdict


def test_scanning_over_the_shifted_axis_is_not_proved():
    def fn(x):
        return jnp.moveaxis(lax.scan(lambda c, v: (c + v, c), x[:, 0], jnp.moveaxis(x, 1, 0))[1], 0, 1)

    assert proved(certified(fn, (1, 6, 2))) == set()


@pytest.mark.parametrize("call", [jax.jit, jax.checkpoint, jax.custom_jvp])
def test_calls_are_followed(call):
    fn = call(lambda x: jnp.roll(x, 1, 1)[:, ::2] * 2)
    if isinstance(fn, jax.custom_jvp):
        fn.defjvp(lambda primals, tangents: (fn(*primals), fn(*tangents)))
    claims = certified(fn, (1, 6))
    assert (claims["cyclic"].shift, claims["cyclic"].moves) == (2, ((1, 1),))
    assert refutation(lambda x: np.roll(x, 1, 1)[:, ::2] * 2, (1, 6), claims) is None


def test_a_region_that_shrinks_in_every_round_of_unknown_number_is_none():
    """A zero enters in each iteration, and the number of iterations is an argument."""
    late = lambda x: jnp.pad(x, ((0, 0), (1, 0)))[:, :-1]

    def fn(rounds, x):
        return lax.while_loop(lambda state: state[0] < rounds, lambda state: (state[0] + 1, late(state[1])), (0, x))[1]

    shapes = jax.ShapeDtypeStruct((), "int32"), jax.ShapeDtypeStruct((1, 200), "float32")
    report = jc.certify(fn, *shapes, axes={1: (1,)}, search=False).leaves[0].axes[0]
    assert (report.cyclic.verdict, report.interior.verdict) == ("UNDECIDED", "UNDECIDED")


def test_a_known_index_of_a_cond_that_is_out_of_range_proves_nothing():
    """XLA takes the last branch, where lax.switch would have clamped -1 to the first."""
    branches = [lambda x: x * 2, lambda x: x * jnp.arange(8.0)]
    fn = lambda x: jax.lax.switch(jnp.int32(0), branches, x)
    closed = jax.make_jaxpr(lambda i, x: jax.lax.switch(i, branches, x))
    (equation,) = (one for one in closed(0, np.zeros(8, np.float32)).eqns if one.primitive.name == "cond")
    bound = lambda x: equation.primitive.bind(jnp.int32(-1), x, **equation.params)[0]
    x = jax.ShapeDtypeStruct((8,), "float32")
    assert jc.certify(bound, x, axes=(0,), search=False).leaves[0].axes[0].cyclic.verdict == "UNDECIDED"
    assert jc.certify(fn, x, axes=(0,), search=False).leaves[0].axes[0].cyclic.verdict == "PROVED"


def solved(added):
    """A linear solve whose solver adds to the right-hand side. Each of its functions is closed over other arrays."""

    def fn(x):
        reverse, triple = x[:, ::-1], x * 3
        solve = lambda matvec, b: b + triple + added(x)
        transposed = lambda matvec, b: b - reverse - triple
        return lax.custom_linear_solve(lambda v: v * reverse, x, solve, transposed)

    return fn


def test_a_linear_solve_is_a_call_of_its_solver():
    claims = certified(solved(lambda x: 0), (1, 6), "float32")
    assert proved(claims) == {"cyclic", "interior"}
    assert refutation(lambda x: 4 * x, (1, 6), claims) is None
    assert proved(certified(solved(lambda x: jnp.arange(6, dtype=x.dtype)[None]), (1, 6), "float32")) == set()


@pytest.mark.parametrize("identity", [jax.device_put, lax.optimization_barrier])
def test_each_result_of_an_identity_is_its_own_operand(identity):
    """A constant among the operands keeps its numbers, and a signal its name."""

    def fn(x):
        zeros, same = identity((jnp.zeros((1, 6), x.dtype), x))
        return jnp.concatenate([x[:, 3:], same[:, :3]], axis=1) + jnp.roll(zeros, 1, axis=1)

    claims = certified(fn, (1, 6))
    assert refutation(lambda x: np.roll(x, 3, 1), (1, 6), claims) is None
    assert (claims["cyclic"].shift, claims["cyclic"].moves) == (1, ((1, 1),))
