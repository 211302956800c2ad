"""Detects arithmetic between positions by executing an equation, without knowledge of its primitive.

0 times infinity is NaN, and so is infinity minus infinity. So in a sum, NaN and infinities reach results that do not
depend on them. An objection that rests on such numbers counts only if each cell of a result depends on at most one cell
of each operand. Then, if some cells of an operand are replaced, a result changes only if it depends on one of them; if
all other cells are replaced instead, that result does not change.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.typing import Array
from jaxconv.verify.domain import Value
from jaxconv.verify.recheck.named_cells import DRAWS, FRACTIONS, mixed, numbers, plain
from jaxconv.verify.recheck.values import Held, Run

MASKS = 8  # number of random masks, each of half of the cells


def mixes(run: Run, operands: Sequence[Held[Value]]) -> bool:
    """Whether a cell of a result depends on several cells of one float operand."""
    first, second = ([_drawn(held, draw) for held in operands] for draw in (FRACTIONS, FRACTIONS + DRAWS))
    before = list(map(plain, run(first)))
    for place, held in enumerate(operands):
        if held.constant is not None or not jnp.issubdtype(held.aval.dtype, jnp.inexact):
            continue
        for others in (second[place], np.full_like(first[place], np.nan), np.full_like(first[place], np.inf)):
            for mask in _masks(held.aval.shape):
                halves = (np.where(half, others, first[place]) for half in (mask, ~mask))
                after = [list(map(plain, run([*first[:place], half, *first[place + 1 :]]))) for half in halves]
                if any(np.any(_differ(a, c) & _differ(b, c)) for a, b, c in zip(*after, before, strict=True)):
                    return True
    return False


def _drawn(held: Held[Value], draw: int) -> Array:
    if held.constant is not None:
        return held.constant
    names = mixed(held.number, np.arange(held.aval.size)).reshape(held.aval.shape)
    return numbers(names, held.aval, draw)


def _masks(shape: tuple[int, ...]) -> list[np.ndarray]:
    bits = (mixed(number, np.arange(int(np.prod(shape)))).reshape(shape) for number in range(MASKS))
    return [bit % np.uint64(2) == 0 for bit in bits]


def _differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a != b) & ~(np.isnan(a) & np.isnan(b))
