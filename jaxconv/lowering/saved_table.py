"""A user's own table: measured choices in a file, which `JAXCONV_TABLE` names and `benchmarks/table.py` writes.

A choice holds for one operation on arrays of one geometry, batch size and number of channels. Everything else is left
to the rows of `table.py`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from jaxconv.errors import explain
from jaxconv.lowering.algorithms import ALGORITHMS
from jaxconv.lowering.conv_spec import ConvSpec

VARIABLE = "JAXCONV_TABLE"
OPERATIONS = sorted({operation for one in ALGORITHMS.values() for operation in one.operations})
Key: TypeAlias = tuple[Any, ...]
AXIS = ("length", "taps", "stride", "dilation")
CURE = "Write the file again by benchmarks/table.py, or leave the variable out"


def choice(operation: str, spec: ConvSpec, n: int, c: int, o: int, algorithm: str) -> dict[str, Any]:
    """One choice, as the file has it."""
    axes = [
        {name: getattr(axis, name) for name in AXIS} | {"padding": [axis.pad.lo, axis.pad.hi]} for axis in spec.axes
    ]
    sizes = {"n": n, "c": c, "o": o, "groups": spec.groups}
    return {"operation": operation, "algorithm": algorithm, **sizes, "axes": axes}


def text(choices: list[dict[str, Any]], **about: Any) -> str:
    """The text of a file with these choices, and with facts for the reader on how they were measured."""
    return json.dumps({"about": about, "choices": choices}, indent=1)


def saved(path: str, operation: str, spec: ConvSpec, n: int, c: int, o: int) -> str | None:
    """The algorithm that a file has for an operation, "lax" included, or None.

    Raises:
        ValueError: the file cannot be read, or has an algorithm that does not compute the operation.
    """
    algorithm = read(path).get(_key(choice(operation, spec, n, c, o, "")))
    if algorithm not in (None, "lax") and not ALGORITHMS[algorithm].fits(spec, c, o):
        found = f"{path}, where {algorithm} does not fit {operation} with c={c} and o={o}"
        raise ValueError(explain(VARIABLE, found, "a table of algorithms that fit", CURE))
    return algorithm


def _key(one: dict[str, Any]) -> Key:
    axes = ((*(axis[name] for name in AXIS), *axis["padding"]) for axis in one["axes"])
    return (one["operation"], one["n"], one["c"], one["o"], one["groups"], *axes)


def _checked(key: Key) -> Key:
    """The key, whose sizes are integers: others would be equal to those of no operation."""
    _, *sizes = key
    for size in sizes:
        for number in size if isinstance(size, tuple) else (size,):
            if type(number) is not int:
                raise TypeError(f"the size {number!r} is no integer")
    return key


@cache
def read(path: str) -> dict[Key, str]:
    """The choices in a file, read once: operation and sizes -> algorithm.

    Raises:
        ValueError: as for `saved`, for any choice.
    """
    try:
        choices = json.loads(Path(path).read_text())["choices"]
        if not isinstance(choices, list):  # an empty dict would be a table without choices
            raise TypeError("its choices are no list")
        found = {_checked(_key(one)): one["algorithm"] for one in choices}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"{path!r}, which cannot be read: {type(error).__name__}: {error}"
        raise ValueError(explain(VARIABLE, reason, "the path of a table", CURE)) from error
    for (operation, *_), algorithm in found.items():
        if operation not in OPERATIONS:
            reason = f"{path}, which has the operation {operation!r}"
            raise ValueError(explain(VARIABLE, reason, f"one of {', '.join(OPERATIONS)}", CURE))
        computing = ["lax", *(name for name, one in ALGORITHMS.items() if operation in one.operations)]
        if algorithm not in computing:
            reason, expected = f"{path}, which has {algorithm!r} for {operation}", f"one of {', '.join(computing)}"
            raise ValueError(explain(VARIABLE, reason, expected, CURE))
    return found
