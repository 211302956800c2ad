"""Conversion of the command line's text to shapes, dtypes, axes and integers."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.cli.usage import UsageError

LARGEST = 2**31 - 1  # of one size: the largest index of JAX
SHAPE = "sizes from 0 to 2**31 - 1, separated by commas, like 1,32,32,3"
AXES = "whole numbers like 1,2 or, for argument 1, like 1:1,2"
EXAMPLES = {
    "--shape": "Write --shape 1,32,32,3 for an image",
    "--axes": "Write --axes 1,2 for height and width",
    "--seed": "Leave it out for 0",
    "--seconds": "Leave it out for 60 for each search",
    "--examples": "Leave it out for 100",
    "--shift": "Leave it out for the law's own shift",
    "--tile": "Write --tile 512",
    "--memory": "Write --memory 1000000000 for 1 GB",
    "--batch": "Leave it out for one tile at a time",
}


def shapes(options: argparse.Namespace) -> list[Any]:
    """One `jax.ShapeDtypeStruct` for each --shape.

    Raises:
        UsageError: an invalid shape or dtype, or a number of dtypes that does not match the number of shapes.
    """
    if not options.shape:
        expected = "given once for each argument of the function"
        raise UsageError("--shape", "missing", expected, "Write --shape 1,32,32,3 for an image")
    parsed = [shape(text) for text in options.shape]
    names = options.dtype or ["float32"]
    if len(names) not in (1, len(parsed)):
        expected = f"1, or {len(parsed)} as the number of --shape"
        raise UsageError("the number of --dtype", len(names), expected, "Give one for all arguments, or one for each")
    dtypes = [dtype(name) for name in names] * (len(parsed) if len(names) == 1 else 1)
    return [jax.ShapeDtypeStruct(sizes, kind) for sizes, kind in zip(parsed, dtypes, strict=True)]


def shape(text: str | None) -> tuple[int, ...]:
    """A shape. Empty text is the shape of a scalar.

    >>> shape("1,32,32,3"), shape("4,"), shape("")
    ((1, 32, 32, 3), (4,), ())
    """
    sizes = integers(text, "--shape", SHAPE)
    if any(not 0 <= size <= LARGEST for size in sizes):
        raise UsageError("--shape", repr(text), SHAPE, EXAMPLES["--shape"])
    return sizes


def dtype(name: str | None) -> Any:
    """A numerical or boolean dtype that JAX has in its current configuration."""
    expected = "the name of a dtype of numbers, like float32, bfloat16, int32 or bool"
    try:
        parsed = jnp.dtype(name or "")
    except TypeError as error:
        raise UsageError("--dtype", repr(name), expected, "Leave it out for float32") from error
    if not (jnp.issubdtype(parsed, np.number) or jnp.issubdtype(parsed, np.bool_)):
        raise UsageError("--dtype", repr(name), expected, "Leave it out for float32")
    if jax.dtypes.canonicalize_dtype(parsed) != parsed:
        raise UsageError("--dtype", repr(name), "a dtype of at most 32 bits", "Set JAX_ENABLE_X64=1 in the environment")
    return parsed


def integers(text: str | None, option: str, expected: str) -> tuple[int, ...]:
    """Integers separated by commas. A comma may follow the last one.

    >>> integers("1, -2", "--axes", AXES)
    (1, -2)
    """
    parts = (text or "").split(",")
    try:
        return tuple(int(part) for part in (parts if parts[-1].strip() else parts[:-1]))
    except ValueError as error:
        raise UsageError(option, _shown(text), expected, EXAMPLES[option]) from error


def integer(text: str | None, option: str, least: int | None = None) -> int:
    """An integer.

    >>> integer("-3", "--shift")
    -3
    """
    expected = "a whole number" if least is None else f"a whole number, {least} or more"
    try:
        number = int(text or "")
    except ValueError as error:
        raise UsageError(option, _shown(text), expected, EXAMPLES[option]) from error
    if least is not None and number < least:
        raise UsageError(option, _shown(text), expected, EXAMPLES[option])
    return number


def seconds(text: str) -> float:
    """A time limit.

    >>> seconds("1.5")
    1.5
    """
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not 0 <= limit < math.inf:
        raise UsageError("--seconds", _shown(text), "a number, 0 or more", EXAMPLES["--seconds"])
    return limit


def _shown(text: str | None) -> str:
    return "without a value" if text is None else repr(text)


def shifted(texts: Sequence[str | None] | None, arguments: Sequence[Any]) -> dict[int, tuple[int, ...]]:
    """The shifted axes of each argument. Without `--axes`: all axes of one argument except the first and the last.

    Raises:
        UsageError: several arguments or too few axes without `--axes`, an invalid list of axes, or two lists for one
            argument.
    """
    if texts is None:
        return _usual(arguments)
    axes_of: dict[int, tuple[int, ...]] = {}
    for text in texts:
        argument, colon, axes = (text or "").rpartition(":")
        numbers = integers(axes, "--axes", AXES) if text else ()
        if not numbers or (colon and not argument.strip().isdecimal()):
            raise UsageError("--axes", _shown(text), AXES, EXAMPLES["--axes"])
        if not colon and len(arguments) > 1:
            cure = "Write --axes 0:1,2 for axes 1 and 2 of argument 0"
            raise UsageError("--axes", repr(text), "given with the number of the argument", cure)
        number = int(argument) if colon else 0
        if number >= len(arguments):
            expected = f"from 0 to {len(arguments) - 1}, the arguments given by --shape"
            raise UsageError("the argument in --axes", number, expected, "The first argument of the function is 0")
        rank = len(arguments[number].shape)
        beyond = next((axis for axis in numbers if not -rank <= axis < rank), None)
        if beyond is not None:
            expected = f"from {-rank} to {rank - 1}, since argument {number} has {rank} axes"
            raise UsageError("an axis in --axes", beyond, expected, EXAMPLES["--axes"])
        if number in axes_of:
            cure = f"Write --axes {number}:1,2 for axes 1 and 2 of argument {number}"
            raise UsageError("--axes", f"given twice for argument {number}", "one list for each argument", cure)
        axes_of[number] = numbers
    return axes_of


def _usual(arguments: Sequence[Any]) -> dict[int, tuple[int, ...]]:
    if len(arguments) > 1:
        cure = "Write --axes 0:1,2 for axes 1 and 2 of argument 0"
        raise UsageError("--axes", "missing", "given for at least one of several arguments", cure)
    rank = len(arguments[0].shape)
    if rank < 3:
        expected = f"given for an argument of shape {arguments[0].shape}"
        raise UsageError("--axes", "missing", expected, "Write --axes 0 to shift along the first axis")
    return {0: tuple(range(1, rank - 1))}


def random_inputs(shapes: Sequence[Any], seed: int) -> list[Any]:
    """Random arrays: normally distributed numbers, integers from 0 to 7, or booleans."""
    rng = np.random.default_rng(seed)
    draw = lambda leaf: (
        rng.normal(size=leaf.shape)
        if jnp.issubdtype(leaf.dtype, np.inexact)
        else rng.integers(0, 2 if leaf.dtype == bool else 8, leaf.shape)
    )
    return [jnp.asarray(draw(leaf).astype(leaf.dtype)) for leaf in shapes]
