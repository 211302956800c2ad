"""Dataclasses as JSON and back, driven by their annotations: a new field or a new class needs no line here.

A field is a number, a string, an enumeration, a tuple, an optional one of these, another dataclass, one of several
dataclasses (told apart by their fields), or `Any`: a container of arrays (`arrays.py`).
"""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
import operator
import re
import types
import typing
from collections.abc import Callable, Hashable
from enum import Enum
from fractions import Fraction
from typing import Any

from jaxconv.errors import explain
from jaxconv.verify import array_json


class MalformedError(ValueError):
    """A value is not what its field should hold: the path to it, what was found, and what was expected, in words."""

    def __init__(self, at: str, found: str, expected: str):
        self.at, self.found, self.expected = at, found, expected
        super().__init__(f"{at} is {found}, but should be {expected}")

    def explained(self, where: str, cure: str) -> str:
        """The message of a public function."""
        return explain(where, self.at, self.found, self.expected, cure)


@dataclasses.dataclass(frozen=True)
class Scalar:
    """How a field of one value is written and read: each raises TypeError or ValueError for what it does not take."""

    expected: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def encode(value: Any, hint: Any, at: str) -> Any:
    """A value as JSON has it. `hint`: its annotation; `at`: its path, for errors.

    Raises:
        MalformedError: the value is not of its annotation.
    """
    return _walk(value, hint, at, _encode_class, _encode_tuple, "write", array_json.encode)


def decode(data: Any, hint: Any, at: str) -> Any:
    """The value that `encode` wrote.

    Raises:
        MalformedError: `encode` writes nothing of that form.
    """
    return _walk(data, hint, at, _decode_class, _decode_tuple, "read", array_json.decode)


def _walk(value: Any, hint: Any, at: str, of_class: Any, of_tuple: Any, scalar: str, of_arrays: Any) -> Any:
    options = _options(hint)
    if value is None and type(None) in options:
        return None
    classes = [one for one in options if dataclasses.is_dataclass(one)]
    if classes:
        return of_class(value, classes, at)
    containers = [one for one in options if typing.get_origin(one) is tuple]
    if containers:
        return of_tuple(value, typing.get_args(containers[0]), at)
    if hint is Any:
        return _taken(of_arrays, value, at, "an array or a container of arrays")
    kind = _scalar(hint)
    return _taken(getattr(kind, scalar), value, at, kind.expected)


def _taken(convert: Callable[[Any], Any], value: Any, at: str, expected: str) -> Any:
    try:
        return convert(value)
    except MalformedError:
        raise
    except (TypeError, ValueError, RecursionError):
        raise MalformedError(at, shown(value), expected) from None


def _encode_class(value: Any, classes: list[Any], at: str) -> dict[str, Any]:
    if type(value) not in classes:
        raise MalformedError(at, shown(value), _either(classes))
    hints = fields_of(type(value))
    return {name: encode(getattr(value, name), hint, f"{at}.{name}") for name, hint in hints.items()}


def _decode_class(data: Any, classes: list[Any], at: str) -> Any:
    if not isinstance(data, dict):
        raise MalformedError(at, shown(data), f"an object: {_either(classes)}")
    found = next((one for one in classes if fields_of(one).keys() == data.keys()), None)
    if found is None:
        names = " or ".join(", ".join(fields_of(one)) for one in classes)
        raise MalformedError(at, f"an object of {', '.join(map(shown, data)) or 'nothing'}", f"one of {names}")
    return found(**{name: decode(data[name], hint, f"{at}.{name}") for name, hint in fields_of(found).items()})


def _encode_tuple(value: Any, items: tuple[Any, ...], at: str) -> list[Any]:
    if type(value) is not tuple:
        raise MalformedError(at, shown(value), "a tuple")
    return [encode(one, hint, f"{at}[{n}]") for n, (one, hint) in enumerate(_paired(value, items, at))]


def _decode_tuple(data: Any, items: tuple[Any, ...], at: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise MalformedError(at, shown(data), "a list")
    return tuple(decode(one, hint, f"{at}[{n}]") for n, (one, hint) in enumerate(_paired(data, items, at)))


def _paired(values: Any, items: tuple[Any, ...], at: str) -> list[tuple[Any, Any]]:
    """Each value with its annotation, of `tuple[X, ...]` or of `tuple[X, Y]`."""
    if len(items) == 2 and items[1] is Ellipsis:
        return [(one, items[0]) for one in values]
    if len(values) != len(items):
        raise MalformedError(at, f"of {len(values)} items", f"of {len(items)}")
    return list(zip(values, items, strict=True))


@functools.cache
def fields_of(cls: type) -> dict[str, Any]:
    """The fields of a dataclass with their annotations, in order."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


@functools.cache
def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)


@functools.cache
def _scalar(hint: Any) -> Scalar:
    """How to write and read what is no container: an enumeration, or a row of the table."""
    options = frozenset(_options(hint)) - {type(None)}
    (first, *others) = options
    if typing.get_origin(first) is typing.Literal:
        words = typing.get_args(first)
        one_of = lambda value: words[words.index(value)]
        return Scalar(f"one of {', '.join(map(repr, words))}", one_of, one_of)
    if not others and isinstance(first, type) and issubclass(first, Enum):
        return Scalar(f"one of {', '.join(one.value for one in first)}", lambda one: _exactly(first, one).value, first)
    found = SCALARS[options]
    return Scalar(f"{found.expected} or None", found.write, found.read) if options != {*_options(hint)} else found


def _exactly(kind: type | tuple[type, ...], value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    """An int, of what Python or NumPy has as one; or of a fraction that is whole."""
    whole = value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value
    return operator.index(_exactly(numbers.Integral, whole))


def _fraction(text: Any) -> Fraction:
    if not re.fullmatch(r"-?\d{1,18}(/[1-9]\d{0,17})?", _exactly(str, text), re.ASCII):
        raise ValueError
    return Fraction(text)


def _bound(value: Any) -> str:
    return (
        str(value) if isinstance(value, float) and math.isinf(value) else str(Fraction(_exactly(numbers.Real, value)))
    )


def _real(value: Any) -> float | str:
    found = float(_exactly(numbers.Real, value))
    return found if math.isfinite(found) else str(found)


def _real_of(data: Any) -> float:
    return array_json.NOT_FINITE[data] if data in array_json.NOT_FINITE else float(_exactly((int, float), data))


INFINITE = {"inf": math.inf, "-inf": -math.inf}
is_flag = functools.partial(_exactly, bool)
is_text = functools.partial(_exactly, str)
is_name = functools.partial(_exactly, (int, str))
SCALARS = {
    frozenset({bool}): Scalar("True or False", is_flag, is_flag),
    frozenset({int}): Scalar("a whole number", _whole, functools.partial(_exactly, int)),
    frozenset({str}): Scalar("a string", is_text, is_text),
    frozenset({float}): Scalar("a number", _real, _real_of),
    frozenset({Fraction}): Scalar(
        "a fraction", lambda one: str(Fraction(_exactly(numbers.Rational, one))), _fraction
    ),
    frozenset({Fraction, float}): Scalar(
        "a fraction, inf or -inf", _bound, lambda data: INFINITE[data] if data in INFINITE else _fraction(data)
    ),
    frozenset({Hashable}): Scalar("a string or a whole number", is_name, is_name),
}  # fmt: skip


def _either(classes: list[Any]) -> str:
    return " or ".join(one.__name__ for one in classes)


def shown(value: Any) -> str:
    """A value in a message: never long.

    >>> shown((1, 2)), shown("two"), shown(10**30)
    ('a tuple of 2', "'two'", 'a huge number')
    """
    if isinstance(value, dict | list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and abs(value) > 2**63:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}..."
