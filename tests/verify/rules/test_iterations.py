"""Scans that accumulate along the shifted axis: execution does not refute what is proved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.numpy_twins import by_kinds, certified, proved, refutation

import jaxconv as jc
from jaxconv.verify.claims import Verdict

SHAPE = (1, 6, 2)


def over(body, start=lambda n, x: n.zeros_like(x[:, 0]), reverse=False):
    """The last carry of a scan over the positions of x [b, 6, 2]: carry = body(n, carry, cells, i)."""

    def line(n, x):
        carry = start(n, x)
        if n is jnp:
            step = lambda carry, slices: (body(jnp, carry, *slices), None)
            numbered = jnp.moveaxis(x, 1, 0), jnp.arange(6, dtype=x.dtype)
            return lax.scan(step, carry, numbered, reverse=reverse)[0]
        for i in range(6)[:: -1 if reverse else 1]:
            carry = body(np, carry, x[:, i], i)
        return carry

    return line


def counted(body, start=lambda n, x: n.zeros_like(x[:, 0]), reverse=False, rounds=6):
    """The last carry of a loop with a counter: carry = body(n, carry, x, i)."""

    def line(n, x):
        carry = start(n, x)
        if n is jnp:
            return lax.fori_loop(0, rounds, lambda i, carry: body(jnp, carry, x, i), carry)
        for i in range(rounds):
            carry = body(np, carry, x, i)
        return carry

    return line


def with_counter(n, x):
    """A reversed scan whose carry is also a counter: the term of each iteration is the cell's sum of products."""
    if n is jnp:
        step = lambda carry, v: ((carry[0] + 5, carry[1] + v * carry[0]), carry[0] * v)
        (_, total), rows = lax.scan(
            step, (jnp.zeros((), x.dtype), jnp.zeros_like(x[:, 0])), jnp.moveaxis(x, 1, 0), reverse=True
        )
        return total + 0 * rows[0]
    return sum(5 * i * x[:, 5 - i] for i in range(6))


def paired(first, by):
    """Products of the cells that a reversed scan goes through and the cells at a counter, summed."""

    def line(n, x):
        places = [first + by * i for i in range(6)]
        if n is jnp:
            step = lambda carry, v: ((carry[0] + by, carry[1] + v * x[:, carry[0]]), None)
            start = jnp.int32(first), jnp.zeros_like(x[:, 0])
            return lax.scan(step, start, jnp.moveaxis(x, 1, 0), reverse=True)[0][1]
        return sum(x[:, 5 - i] * x[:, place] for i, place in enumerate(places))

    return line


def put(n, y, place, cells):
    """y with `cells` at a place along axis 1."""
    if n is jnp:
        return y.at[:, place].set(cells)
    y = y.copy()
    y[:, place] = cells
    return y


def written(cells, place=lambda i: i, rounds=6):
    """An array of which a loop with a counter writes a cell in each iteration: cells(y, x, i)."""
    body = lambda n, y, x, i: put(n, y, place(i), cells(y, x, i))
    return counted(body, start=lambda n, x: n.zeros_like(x), rounds=rounds)


def updated(n, x):
    """The same by a dynamic update, from the last cell on."""
    if n is jnp:
        body = lambda i, y: lax.dynamic_update_slice_in_dim(y, 3 * lax.dynamic_slice_in_dim(x, i, 1, 1), 5 - i, 1)
        return lax.fori_loop(0, 6, body, jnp.zeros_like(x))
    return 3 * x[:, ::-1]


def mapped(n, x):
    """A function of each known place."""
    at = lambda i: abs(x[:, i] - x[:, (i + 1) % 6])
    if n is jnp:
        return jnp.moveaxis(lax.map(at, jnp.arange(6)), 0, 1)
    return np.stack([at(i) for i in range(6)], 1)


def products(n, x):
    """The cells that a reversed scan with a counter collects, beside a carry that accumulates."""
    if n is jnp:
        step = lambda carry, v: ((carry[0] + 1, lax.max(carry[1], v)), carry[0] * v)
        start = jnp.zeros((), x.dtype), jnp.zeros_like(x[:, 0])
        return jnp.moveaxis(lax.scan(step, start, jnp.moveaxis(x, 1, 0), reverse=True)[1], 0, 1)
    return x * np.arange(6)[::-1][None, :, None]


def beside(n, x):
    """The cells that a scan collects beside a carry that accumulates."""
    if n is jnp:
        step = lambda carry, v: (lax.max(carry, v), 3 * v)
        return jnp.moveaxis(lax.scan(step, jnp.zeros_like(x[:, 0]), jnp.moveaxis(x, 1, 0))[1], 0, 1)
    return 3 * x


# Functions of x [b, 6, 2]; `n` is jnp or np.
BOTH = {
    "cells collected beside a sum": beside,
    "cells written": written(lambda y, x, i: 2 * x[:, i]),
    "differences written": written(lambda y, x, i: x[:, (i + 1) % 6] - x[:, i]),
    "cells written elsewhere": written(lambda y, x, i: 2 * x[:, i], lambda i: (i + 2) % 6),
    "cells updated": updated,
    "mapped over known places": mapped,
    "a count of all cells": counted(lambda n, carry, x, i: carry + 1),
}
CYCLIC = {
    "a sum": over(lambda n, carry, v, i: carry + v),
    "a sum from the last cell on": over(lambda n, carry, v, i: v * v + carry, reverse=True),
    "a sum of two terms": over(lambda n, carry, v, i: carry + v + abs(v)),
    "a maximum": over(lambda n, carry, v, i: n.maximum(carry, v)),
    "a product": over(lambda n, carry, v, i: carry * (v % 3), lambda n, x: n.ones_like(x[:, 0])),
    "a count": over(lambda n, carry, v, i: carry + (v > 0).astype(v.dtype)),
    "a minimum from a start that is invariant": over(lambda n, carry, v, i: n.minimum(carry, v), lambda n, x: x.sum(1)),
    "a maximum with a counter": counted(lambda n, carry, x, i: n.maximum(carry, x[:, i])),
    "a sum of differences with a counter": counted(lambda n, carry, x, i: carry + abs(x[:, i] - x[:, (i + 1) % 6])),
    "a sum of every other cell": counted(lambda n, carry, x, i: carry + x[:, 2 * i], rounds=3),
    "products with a counter that falls as the scan does": paired(5, -1),
    "twice around": counted(lambda n, carry, x, i: carry + x[:, i % 6], rounds=12),
}
NEITHER = {
    "cells written on every other": written(lambda y, x, i: x[:, i], lambda i: 2 * i % 6),
    "cells written in part": written(lambda y, x, i: x[:, i], rounds=5),
    "cells written to the first": written(lambda y, x, i: x[:, i], lambda i: 0),
    "cells written with weights": written(lambda y, x, i: x[:, i] * i),
    "cells written that depend on those before": written(lambda y, x, i: x[:, i] + y[:, i - 1]),
    "a difference": over(lambda n, carry, v, i: v - carry),
    "a sum of cells so far": over(lambda n, carry, v, i: carry + v * carry),
    "a sum, then doubled": over(lambda n, carry, v, i: 2 * (carry + v)),
    "a maximum of a sum": over(lambda n, carry, v, i: n.maximum(carry + v, v)),
    "a sum with weights": over(lambda n, carry, v, i: carry + v * i),
    "a sum from a start that moves": over(lambda n, carry, v, i: carry + v, lambda n, x: x[:, 0]),
    "the last cell": over(lambda n, carry, v, i: v),
    "a sum of some cells": counted(lambda n, carry, x, i: carry + x[:, i], rounds=5),
    "a sum of one cell more": counted(lambda n, carry, x, i: carry + x[:, i % 6], rounds=7),
    "products with a counter that rises": paired(0, 1),
    "weights by a counter, reversed": with_counter,
    "weights by a counter, collected": products,
}


@pytest.mark.parametrize(("line", "kinds"), by_kinds(BOTH, CYCLIC, NEITHER))
def test_what_is_proved_is_what_holds(line, kinds):
    claims = certified(lambda x: line(jnp, x), SHAPE)
    assert refutation(lambda x: line(np, x), SHAPE, claims, samples=4) is None
    halves = line is CYCLIC["a sum of every other cell"]
    assert proved(claims) == kinds
    assert "cyclic" not in kinds or claims["cyclic"].shift == (2 if halves else 1)


def test_two_carries_that_accumulate_are_reductions_unless_one_enters_the_other():
    def moments(x):
        step = lambda carry, v: ((carry[0] + v, lax.max(carry[1], v * v), carry[2] + carry[0]), None)
        zero = jnp.zeros((), x.dtype)
        return lax.scan(step, (zero, zero, zero), x)[0]

    leaves = jc.certify(moments, jax.ShapeDtypeStruct((8,), "float32"), axes=(0,)).leaves
    assert [leaf.axes[0].cyclic.verdict for leaf in leaves][2] == Verdict.REFUTED

    leaves = jc.certify(lambda x: lax.scan(lambda c, v: ((c[0] + v, lax.max(c[1], v)), None), (x.sum(), x.max()), x)[0],
                        jax.ShapeDtypeStruct((8,), "float32"), axes=(0,), search=False).leaves  # fmt: skip
    assert [leaf.axes[0].cyclic.verdict for leaf in leaves] == [Verdict.PROVED] * 2


def test_a_function_with_its_own_rule_for_vmap_is_not_taken_for_what_this_rule_returns():
    """The rule, which a scan does not run, ignores the position."""

    @jax.custom_batching.custom_vmap
    def weighted(v, i):
        return v * i

    @weighted.def_vmap
    def _(size, batched, v, i):
        return v, True

    def fn(x):
        return lax.scan(lambda carry, slices: (carry + weighted(*slices), None), 0.0, (x, jnp.arange(8.0)))[0]

    x = jax.ShapeDtypeStruct((8,), "float32")
    assert jc.certify(fn, x, axes=(0,), search=False).leaves[0].axes[0].cyclic.verdict == Verdict.UNDECIDED
