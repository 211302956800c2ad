"""Whether an equation does arithmetic between positions, found out by executing it: it knows no primitive.

0 times infinity is NaN, and so is infinity minus infinity: where cells are added up, such numbers reach results that
they do not matter to. So an objection that rests on them counts only where each cell of a result is made from one cell
of each operand at most. Of such an equation, operand cells that are exchanged for others give what the one or the other
operand gives, cell by cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxconv.verify.checker.cells import DRAWS, FRACTIONS, mixed, numbers, plain
from jaxconv.verify.checker.relation import Held

MASKS = 16  # random choices of the cells that are exchanged, from half of them to few


def mixes(run: Callable[[list[Any]], Sequence[Any]], operands: Sequence[Held]) -> bool:
    """Whether a cell of a result depends on several cells of one operand of floats."""
    first, second = ([_drawn(held, draw) for held in operands] for draw in (FRACTIONS, FRACTIONS + DRAWS))
    before = list(map(plain, run(first)))
    for place, held in enumerate(operands):
        if held.constant is not None or not jnp.issubdtype(held.aval.dtype, jnp.inexact):
            continue
        exchanged = lambda array, place=place: list(map(plain, run([*first[:place], array, *first[place + 1 :]])))
        after = exchanged(second[place])
        for mask in _masks(held.aval.shape):
            found = exchanged(np.where(mask, second[place], first[place]))
            if not all(map(_one_or_the_other, found, before, after)):
                return True
    return False


def _drawn(held: Held, draw: int) -> Any:
    if held.constant is not None:
        return held.constant
    names = mixed(held.number, np.arange(held.aval.size)).reshape(held.aval.shape)
    return numbers(names, held.aval, draw)


def _masks(shape: tuple[int, ...]) -> list[np.ndarray]:
    bits = [mixed(number, np.arange(int(np.prod(shape)))).reshape(shape) for number in range(MASKS)]
    return [bit % np.uint64(2 + number // 4) == 0 for number, bit in enumerate(bits)]


def _one_or_the_other(found: np.ndarray, one: np.ndarray, other: np.ndarray) -> bool:
    same = lambda a, b: (a == b) | ((a != a) & (b != b))  # noqa: PLR0124  NaN alone is not itself, in every dtype
    return bool(np.all(same(found, one) | same(found, other)))
