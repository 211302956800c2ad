"""The table of translations, and what they share: the part of the trusted base that speaks of JAX's primitives.

A translation takes the program, the equation, its operands' values and their numbers where these are known, and returns
the values of its results; or None where the equation's parameters ask for something that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from translation.program import Program

Known = Sequence[np.ndarray | None]
Translation = Callable[[Program, Any, Sequence[int], Known], Sequence[int] | None]
TRANSLATIONS: dict[str, Translation] = {}


def translation(*names: str) -> Callable[[Translation], Translation]:
    """Register the translation of some primitives."""

    def register(function: Translation) -> Translation:
        TRANSLATIONS.update(dict.fromkeys(names, function))
        return function

    return register


def bound(eqn: Any, number: int | None = None) -> Callable[..., Any]:
    """What the primitive computes; one of its results, if it has several."""

    def run(*operands: Any) -> Any:
        found = eqn.primitive.bind(*map(jnp.asarray, operands), **eqn.params)
        return found if number is None else found[number]

    return run


def shape_of(eqn: Any, number: int = 0) -> tuple[int, ...]:
    """The shape of a result."""
    return tuple(eqn.outvars[number].aval.shape)


def opaque(program: Program, eqn: Any, operands: Sequence[int]) -> list[int]:
    """An equation that is not known: some function of all that it reads."""
    several = eqn.primitive.multiple_results
    return [
        program.opaque(eqn.primitive.name, operands, shape_of(eqn, n), bound(eqn, n if several else None))
        for n in range(len(eqn.outvars))
    ]
