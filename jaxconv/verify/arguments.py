"""Checks of the arguments of this package's public functions: a function, its arguments, a seed, moves.

The checks run before any tracing, so that an error message refers to the caller's code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import jax
import numpy as np

from jaxconv import checks
from jaxconv.checks import function, integer, several, shown, takes
from jaxconv.errors import explain, public_name
from jaxconv.jaxprs.typing import ArrayValue, PyTree, leaves_with_paths
from jaxconv.verify.array_json import is_key

# Equinox and Flax models hold activations, names and flags in addition to arrays.
SPLIT = (
    "Pass only arrays, and add the rest inside fn: with eqx.partition and eqx.combine for Equinox, "
    "with nnx.split and nnx.merge for Flax"
)


def check_call(fn: Callable[..., object], arguments: Sequence[PyTree]) -> None:
    """Raise unless `fn` is a function, and `arguments` is a non-empty sequence of arrays, shapes and numbers.

    Raises:
        TypeError: `fn` is not callable or does not take these arguments, or a leaf of an argument is not an array.
        ValueError: `arguments` is empty.
    """
    function("fn", fn, cure=f"Pass the function itself, as in {public_name()}(model, x, ...)")
    if not arguments:
        cure = f"Pass them after fn, as in {public_name()}(fn, x, ...)"
        raise ValueError(explain("arguments", "()", "the arguments of fn, including the input", cure))
    for number, argument in enumerate(arguments):
        for path, leaf in leaves_with_paths(argument):
            if not is_array(leaf):
                named = f"argument {number}{jax.tree_util.keystr(path)}"
                raise TypeError(explain(named, shown(leaf), "an array, a shape or a number", SPLIT))
    expected = (
        f"a function of the {len(arguments)} arguments that follow it"
        if len(arguments) > 1
        else "a function of one argument"
    )
    takes("fn", fn, arguments, expected, cure="Bind settings beforehand: functools.partial(fn, ...)")


def is_array(leaf: ArrayValue) -> bool:
    """Whether JAX can trace a function of `leaf`: `leaf` is an array, a shape, or a number."""
    numbers = isinstance(leaf, bool | int | float | complex)
    return numbers or (hasattr(leaf, "shape") and hasattr(leaf, "dtype") and not _is_opaque(leaf.dtype))


def _is_opaque(dtype: object) -> bool:
    """Whether a dtype is NumPy's for objects, text, raw bytes or dates, which JAX does not have."""
    return isinstance(dtype, np.dtype) and dtype.kind in "OUSMm"


def check_cells(arguments: Sequence[PyTree], numbers: Sequence[int]) -> None:
    """Raise if an input is empty, so that nothing would be executed, or holds random keys, which are not numbers.

    Raises:
        TypeError: an argument holds random keys.
        ValueError: an argument has no cells.
    """
    for number in numbers:
        if is_key(arguments[number]):
            cure = "Pass jax.random.key_data(keys), and call jax.random.wrap_key_data inside fn"
            raise TypeError(explain(f"argument {number}", "an array of random keys", "an array of numbers", cure))
        shape = cast("tuple[int, ...]", tuple(getattr(arguments[number], "shape", ())))
        if 0 in shape:
            cure = "Pass a batch of one example or more"
            raise ValueError(explain(f"argument {number}", f"of shape {shape}", "non-empty", cure))


def checked_seconds(seconds: object) -> float:
    """Return a time limit in seconds.

    Raises:
        TypeError: it is not a real number.
        ValueError: it is negative, or NaN.
    """
    cure = "Leave it out for the default"
    limit = checks.number("seconds", seconds, cure=cure)
    if not limit >= 0:
        raise ValueError(explain("seconds", limit, "0 or more", cure))
    return limit


def checked_seed(seed: object) -> int:
    """Return a seed for NumPy's random generators."""
    return integer("seed", seed, least=0, cure="Leave it out for 0")


def checked_shift(shift: object) -> int | None:
    """Return a shift other than 0, or None."""
    cure = "Leave it out for the law's own shift"
    cells = None if shift is None else integer("shift", shift, cure=cure)
    if cells == 0:
        raise ValueError(explain("shift", cells, "a non-zero number of cells", cure))
    return cells


def checked_moves(moves: object, axes: int) -> list[tuple[int, dict[int, int]]]:
    """Return one `(shift, {output axis: t})` per shifted axis, all integers.

    Raises:
        TypeError: `moves` has another type.
        ValueError: the number of pairs is not `axes`.
    """
    expected = f"one (shift, {{output axis: t}}) for each of {axes} axes"
    cure = f"Write [{', '.join(['(1, {1: 1})', '(1, {2: 1})'][:axes])}] if the output moves as the input does"
    items = several(moves)
    pairs = [several(item) for item in items or ()]
    if items is None or any(pair is None or len(pair) != 2 or not isinstance(pair[1], Mapping) for pair in pairs):
        raise TypeError(explain("moves", shown(moves), expected, cure))
    if len(pairs) != axes:
        raise ValueError(explain("moves", shown(moves), expected, cure))
    read: Callable[[str, object], int] = lambda name, value: integer(name, value, cure=cure)
    checked: list[tuple[int, dict[int, int]]] = []
    for pair in pairs:
        shift, step_by_axis = pair or (0, {})
        steps = {read("an output axis in moves", axis): read("a step in moves", t) for axis, t in step_by_axis.items()}
        checked.append((read("the shift in moves", shift), steps))
    return checked
