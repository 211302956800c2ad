"""Readers of what the functions of this package are given: a function, its arguments, a seed, moves.

Checked before anything is traced, so that a message is about what the caller wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxconv.checks import function, integer, several, shown, takes
from jaxconv.errors import explain
from jaxconv.verify.array_json import is_key

# Models of Equinox and Flax hold activations, names and switches beside their arrays.
SPLIT = (
    "Pass arrays alone, and put the rest back inside of fn: eqx.partition and eqx.combine do so for Equinox, "
    "nnx.split and nnx.merge for Flax"
)


def check_call(where: str, fn: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """Refuse a function that is none, no arguments, and arguments that hold anything but arrays and numbers.

    Raises:
        TypeError: `fn` cannot be called; or what is no array.
        ValueError: there are no arguments.
    """
    function(where, "fn", fn, cure=f"Pass the function itself, as in {where}(model, x, ...)")
    if not arguments:
        cure = f"Pass them after fn, as in {where}(fn, x, ...)"
        raise ValueError(explain(where, "arguments", "()", "fn's own, the input among them", cure))
    for number, argument in enumerate(arguments):
        for path, leaf in jax.tree_util.tree_leaves_with_path(argument):
            if not is_array(leaf):
                named = f"argument {number}{jax.tree_util.keystr(path)}"
                raise TypeError(explain(where, named, shown(leaf), "an array, a shape or a number", SPLIT))
    expected = (
        f"a function of the {len(arguments)} arguments that follow it"
        if len(arguments) > 1
        else "a function of one argument"
    )
    takes(where, "fn", fn, arguments, expected, cure="Bind settings beforehand: functools.partial(fn, ...)")


def is_array(leaf: Any) -> bool:
    """Whether JAX can trace a function of it: an array, a shape, or a number."""
    numbers = isinstance(leaf, bool | int | float | complex)
    return numbers or (hasattr(leaf, "shape") and hasattr(leaf, "dtype") and not _of_objects(leaf.dtype))


def _of_objects(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "OUSMm"


def check_cells(where: str, arguments: Sequence[Any], numbers: Sequence[int]) -> None:
    """Refuse an input without cells: nothing would be executed; and one of random keys, which are no numbers.

    Raises:
        TypeError: random keys.
        ValueError: no cells.
    """
    for number in numbers:
        if is_key(arguments[number]):
            cure = "Take jax.random.wrap_key_data into fn, and pass jax.random.key_data(keys)"
            raise TypeError(explain(where, f"argument {number}", "of random keys", "an array of numbers", cure))
        shape = tuple(getattr(arguments[number], "shape", ()))
        if 0 in shape:
            cure = "Pass a batch of one example or more"
            raise ValueError(explain(where, f"argument {number}", f"of shape {shape}", "of one cell or more", cure))


def checked_seed(where: str, seed: object) -> int:
    """A seed of NumPy's generators."""
    return integer(where, "seed", seed, least=0, cure="Leave it out for 0")


def checked_shift(where: str, shift: object) -> int | None:
    """A shift other than 0, or None."""
    cure = "Leave it out for the law's own shift"
    found = None if shift is None else integer(where, "shift", shift, cure=cure)
    if found == 0:
        raise ValueError(explain(where, "shift", found, "a positive or a negative number of cells", cure))
    return found


def checked_moves(where: str, moves: object, axes: int) -> list[tuple[int, dict[int, int]]]:
    """One `(shift, {output axis: t})` for each shifted axis, of integers.

    Raises:
        TypeError: something else.
        ValueError: another number of them.
    """
    expected = f"one (shift, {{output axis: t}}) for each of {axes} axes"
    cure = f"Write [{', '.join(['(1, {1: 1})', '(1, {2: 1})'][:axes])}] where the output moves as the input does"
    items = several(moves)
    pairs = [several(item) for item in items or ()]
    if items is None or any(pair is None or len(pair) != 2 or not isinstance(pair[1], Mapping) for pair in pairs):
        raise TypeError(explain(where, "moves", shown(moves), expected, cure))
    if len(pairs) != axes:
        raise ValueError(explain(where, "moves", shown(moves), expected, cure))
    read = lambda name, value: integer(where, name, value, cure=cure)
    found = []
    for pair in pairs:
        shift, its = pair or (0, {})
        steps = {read("an output axis in moves", axis): read("a step in moves", t) for axis, t in its.items()}
        found.append((read("the shift in moves", shift), steps))
    return found
