"""Ways of joining two functions of `pairs_of_rules.py` so that a signal named wrongly is a false claim.

Certified alone, a function shows how its result moves, but not what the walk calls it. A join asks for the name: pieces
of two results laid end to end are one signal only if they bear one name, and move as one only if they have one rate.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp

from support.pairs_of_rules import FUNCTIONS, Function, X

CUT = 2  # cells of the second one in a join, or of the first


def beside(a: jax.Array, b: jax.Array) -> jax.Array:
    """The end of the one in its place behind the beginning of the other: whole only if both are one signal."""
    return jnp.concatenate([a[:, :CUT], b[:, CUT:]], 1)


def around(a: jax.Array, b: jax.Array) -> jax.Array:
    """The beginning of the one behind the end of the other: a roll only if both are one signal that repeats."""
    return jnp.concatenate([a[:, CUT:], b[:, :CUT]], 1)


def apart(a: jax.Array, b: jax.Array) -> jax.Array:
    """[1, i, j, c]: every position of the one against every position of the other."""
    return a[:, :, None] - b[:, None]


JOINS: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "beside": beside,
    "around": around,
    "sum": lambda a, b: a + b,
    "apart": apart,
}


@cache
def shape_of(name: str) -> tuple[int, ...]:
    """Of a function's result."""
    return jax.eval_shape(FUNCTIONS[name], X).shape


def joins_of(one: str, other: str) -> list[str]:
    """The joins that two results have shapes for: a sum needs as many positions, where neither has one for all."""
    lengths = {shape_of(one)[1], shape_of(other)[1]}
    return [name for name in JOINS if name != "sum" or len(lengths) == 1 or 1 in lengths]


def joined(one: str, other: str) -> Function:
    """Two functions of the table, joined in every way that their results have shapes for; one leaf for each."""
    first, second, joins = FUNCTIONS[one], FUNCTIONS[other], joins_of(one, other)

    def fn(x):
        a, b = first(x), second(x)
        channels = max(a.shape[2], b.shape[2])
        a, b = (jnp.broadcast_to(value, (*value.shape[:2], channels)) for value in (a, b))
        return [JOINS[name](a, b) for name in joins]

    return fn
