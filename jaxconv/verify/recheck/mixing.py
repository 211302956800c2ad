"""Whether an equation does arithmetic between positions, found out by executing it: it knows no primitive.

0 times infinity is NaN, and so is infinity minus infinity: where cells are added up, such numbers reach results that
they do not matter to. So an objection that rests on them counts only where each cell of a result is made from one cell
of each operand at most. Then cells of an operand that are exchanged for others change a result that is made from one of
them, and the exchange of all other cells does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxconv.verify.recheck.named_cells import DRAWS, FRACTIONS, mixed, numbers, plain
from jaxconv.verify.recheck.relation import Held

MASKS = 8  # random halves of the cells that are exchanged


def mixes(run: Callable[[list[Any]], Sequence[Any]], operands: Sequence[Held]) -> bool:
    """Whether a cell of a result depends on several cells of one operand of floats."""
    first, second = ([_drawn(held, draw) for held in operands] for draw in (FRACTIONS, FRACTIONS + DRAWS))
    before = list(map(plain, run(first)))
    for place, held in enumerate(operands):
        if held.constant is not None or not jnp.issubdtype(held.aval.dtype, jnp.inexact):
            continue
        for others in (second[place], np.full_like(first[place], np.nan), np.full_like(first[place], np.inf)):
            for mask in _masks(held.aval.shape):
                halves = (np.where(half, others, first[place]) for half in (mask, ~mask))
                found = [list(map(plain, run([*first[:place], half, *first[place + 1 :]]))) for half in halves]
                if any(np.any(_apart(a, c) & _apart(b, c)) for a, b, c in zip(*found, before, strict=True)):
                    return True
    return False


def _drawn(held: Held, draw: int) -> Any:
    if held.constant is not None:
        return held.constant
    names = mixed(held.number, np.arange(held.aval.size)).reshape(held.aval.shape)
    return numbers(names, held.aval, draw)


def _masks(shape: tuple[int, ...]) -> list[np.ndarray]:
    bits = (mixed(number, np.arange(int(np.prod(shape)))).reshape(shape) for number in range(MASKS))
    return [bit % np.uint64(2) == 0 for bit in bits]


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a != b) & ~(np.isnan(a) & np.isnan(b))
