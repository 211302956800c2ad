"""Conversion of dataclasses to JSON and back by their annotations; new fields and classes need no code here.

A field is a number, a string, an enumeration, a tuple, an optional one of these, another dataclass, one of several
dataclasses (distinguished by their fields), a dict with a value for each word of a `Literal`, or a `PyTree`: a
container of arrays (`array_json.py`).
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
from collections.abc import Callable, Hashable, Sequence, Sized
from enum import Enum
from fractions import Fraction
from typing import Any, TypeAlias, TypeVar, cast

from jaxconv.errors import explain
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify import array_json, strict_json
from jaxconv.verify.modes import LISTED, Modes
from jaxconv.verify.strict_json import Json

T = TypeVar("T")
S = TypeVar("S")
R = TypeVar("R")
Hint: TypeAlias = Hashable  # the annotation of a field
Decoded: TypeAlias = Any  # a value of the type that an annotation states


class MalformedError(ValueError):
    """A field holds a wrong value. `at` is the path to the field; `found` and `expected` describe the values."""

    def __init__(self, at: str, found: str, expected: str):
        self.at, self.found, self.expected = at, found, expected
        super().__init__(f"{at} is {found}, but should be {expected}")

    def explained(self, cure: str) -> str:
        """Return the error message of a public function."""
        return explain(self.at, self.found, self.expected, cure)


@dataclasses.dataclass(frozen=True)
class Scalar:
    """How to write and read a field that is no container; both raise TypeError or ValueError for a wrong value."""

    expected: str
    write: Callable[[object], Json]
    read: Callable[[Json], object]


def encode(value: object, hint: Hint, at: str) -> Json:
    """Convert a value to JSON data. `hint` is its annotation, and `at` is its path for error messages.

    Raises:
        MalformedError: the value does not have the annotated type.
    """
    return _walk(
        value, hint, at, _encode_class, _encode_tuple, _encode_dict, lambda scalar: scalar.write, array_json.encode
    )


def encode_object(value: object, cls: type, at: str) -> dict[str, Json]:
    """Convert a dataclass to a JSON object; see `encode`."""
    return _encode_class(value, [cls], at)


def to_text(value: object, cls: type, version: int) -> str:
    """Return the JSON of a certificate, a dataclass: that of its fields, and the version of its format.

    Raises:
        ValueError: a field holds a value that its annotation does not allow.
    """
    try:
        return strict_json.dumps({"format": version} | encode_object(value, cls, "certificate"))
    except MalformedError as error:
        raise ValueError(error.explained("Leave it as certify returned it")) from None


def from_text(text: str, cls: type[T], version: int) -> T:
    """Return the certificate that `to_text` wrote.

    Raises:
        TypeError: `text` is not a string.
        ValueError: `text` is not JSON, has another format version, or does not encode a certificate.
    """
    data = strict_json.loads(text)
    if not isinstance(data, dict):
        expected = "a certificate (a JSON object)"
        raise ValueError(explain("the JSON", shown(data), expected, strict_json.WRITE))
    found = data.pop("format", None)
    if type(found) is not int or found != version:
        raise ValueError(explain("the format", shown(found), str(version), "Certify the function again"))
    try:
        return decode(data, cls, "certificate")
    except MalformedError as error:
        raise ValueError(error.explained(strict_json.WRITE)) from None


def decode(data: Json, hint: Hint, at: str) -> Decoded:
    """Return the value that `encode` wrote.

    Raises:
        MalformedError: `encode` cannot have written `data`.
    """
    return _walk(
        data, hint, at, _decode_class, _decode_tuple, _decode_dict, lambda scalar: scalar.read, array_json.decode
    )


def _walk(
    value: S,
    hint: Hint,
    at: str,
    of_class: Callable[[S, Sequence[type], str], R],
    of_tuple: Callable[[S, Sequence[Hint], str], R],
    of_dict: Callable[[S, Sequence[Hint], str], R],
    of_scalar: Callable[[Scalar], Callable[[S], R]],
    of_arrays: Callable[[S], R],
) -> R | None:
    field = _field(hint)
    if value is None and field.optional:
        return None
    if field.classes:
        return of_class(value, field.classes, at)
    if field.entries:
        return of_dict(value, field.entries, at)
    if field.items:
        return of_tuple(value, field.items, at)
    if field.scalar is None:
        return _converted(of_arrays, value, at, "an array or a container of arrays")
    return _converted(of_scalar(field.scalar), value, at, field.scalar.expected)


@dataclasses.dataclass(frozen=True)
class _Field:
    """What an annotation states: one of the following, or else a container of arrays.

    Attributes:
        optional: whether the value may be None as well.
        classes: the possible dataclasses.
        entries: the arguments of a dict.
        items: the arguments of a tuple.
        scalar: how to write and read a value that is no container.
    """

    optional: bool
    classes: tuple[type, ...] = ()
    entries: tuple[Hint, ...] = ()
    items: tuple[Hint, ...] = ()
    scalar: Scalar | None = None


@functools.cache
def _field(hint: Hint) -> _Field:
    """Return what an annotation states."""
    options = _options(hint)
    optional = type(None) in options
    classes = tuple(
        option
        for option in options
        if isinstance(option, type) and dataclasses.is_dataclass(option) and frozenset({option}) not in SCALARS
    )
    if classes:
        return _Field(optional, classes=classes)
    if typing.get_origin(hint) is dict:
        return _Field(optional, entries=typing.get_args(hint))
    containers = [option for option in options if typing.get_origin(option) is tuple]
    if containers:
        return _Field(optional, items=typing.get_args(containers[0]))
    return _Field(optional) if hint is PyTree else _Field(optional, scalar=_scalar(hint))


def _converted(convert: Callable[[S], R], value: S, at: str, expected: str) -> R:
    try:
        return convert(value)
    except MalformedError:
        raise
    except (TypeError, ValueError, KeyError, RecursionError):
        raise MalformedError(at, shown(value), expected) from None


def _encode_class(value: object, classes: Sequence[type], at: str) -> dict[str, Json]:
    if type(value) not in classes:
        raise MalformedError(at, shown(value), _either(classes))
    hints, optional = fields_of(type(value)), optional_of(type(value))
    written = {name: getattr(value, name) for name in hints if name not in optional or getattr(value, name) is not None}
    return {name: encode(item, hints[name], f"{at}.{name}") for name, item in written.items()}


def _decode_class(data: Json, classes: Sequence[type], at: str) -> object:
    if not isinstance(data, dict):
        raise MalformedError(at, shown(data), f"an object: {_either(classes)}")
    cls = next((option for option in classes if fields_of(option).keys() == data.keys() | optional_of(option)), None)
    if cls is None:
        keys = " or ".join(", ".join(fields_of(option)) for option in classes)
        present = f"an object with the keys {', '.join(map(shown, data))}" if data else "an object without keys"
        raise MalformedError(at, present, f"an object with the keys {keys}")
    hints = fields_of(cls)
    return cls(**{name: decode(item, hints[name], f"{at}.{name}") for name, item in data.items()})


def _encode_dict(value: object, hints: Sequence[Hint], at: str) -> Json:
    values = _of_each_word(value, hints, at)
    return {word: encode(item, hints[1], f"{at}.{word}") for word, item in values.items()}


def _decode_dict(data: Json, hints: Sequence[Hint], at: str) -> object:
    values = _of_each_word(data, hints, at)
    return {word: decode(cast("Json", item), hints[1], f"{at}.{word}") for word, item in values.items()}


def _of_each_word(value: object, hints: Sequence[Hint], at: str) -> dict[str, object]:
    """Return the values of a dict, which has one for each word of the `Literal` that annotates its keys, in order."""
    words: tuple[str, ...] = typing.get_args(hints[0])
    expected = f"an object of {', '.join(words)}"
    if not isinstance(value, dict):
        raise MalformedError(at, shown(value), expected)
    values = cast("dict[str, object]", value)
    if values.keys() != set(words):
        raise MalformedError(at, f"an object of {', '.join(map(shown, values)) or 'nothing'}", expected)
    return {word: values[word] for word in words}


def _encode_tuple(value: object, items: Sequence[Hint], at: str) -> Json:
    if type(value) is not tuple:
        raise MalformedError(at, shown(value), "a tuple")
    values = cast("tuple[object, ...]", value)
    return [encode(item, hint, f"{at}[{n}]") for n, (item, hint) in enumerate(_paired(values, items, at))]


def _decode_tuple(data: Json, items: Sequence[Hint], at: str) -> object:
    if not isinstance(data, list):
        raise MalformedError(at, shown(data), "a list")
    return tuple(decode(item, hint, f"{at}[{n}]") for n, (item, hint) in enumerate(_paired(data, items, at)))


def _paired(values: Sequence[T], items: Sequence[Hint], at: str) -> list[tuple[T, Hint]]:
    """Pair each value with its annotation, for `tuple[X, ...]` and `tuple[X, Y]`. `items` are the tuple's arguments."""
    if len(items) == 2 and items[1] is Ellipsis:
        return [(value, items[0]) for value in values]
    if len(values) != len(items):
        raise MalformedError(at, f"a sequence of {len(values)}", f"a sequence of {len(items)}")
    return list(zip(values, items, strict=True))


@functools.cache
def fields_of(cls: type) -> dict[str, Hint]:
    """Return the fields of a dataclass with their annotations, in order."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


@functools.cache
def optional_of(cls: type) -> frozenset[str]:
    """Return the fields of a dataclass that are not written if they are None."""
    return frozenset(field.name for field in dataclasses.fields(cls) if field.metadata.get("optional"))


@functools.cache
def _options(hint: Hint) -> tuple[Hint, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)


@functools.cache
def _scalar(hint: Hint) -> Scalar:
    """Return how to write and read a value that is no container: a literal, an enumeration, or a row of `SCALARS`."""
    options = frozenset(_options(hint)) - {type(None)}
    (first, *others) = options
    if typing.get_origin(first) is typing.Literal:
        words: tuple[str, ...] = typing.get_args(first)

        def one_of(value: object) -> str:
            return words[words.index(value)]

        return Scalar(f"one of {', '.join(map(repr, words))}", one_of, one_of)
    if not others and isinstance(first, type) and issubclass(first, Enum):
        names = ", ".join(member.value for member in first)
        return Scalar(f"one of {names}", lambda member: _exactly(first, member).value, first)
    scalar = SCALARS[options]
    return (
        Scalar(f"{scalar.expected} or None", scalar.write, scalar.read)
        if options != frozenset(_options(hint))
        else scalar
    )


def _exactly(kind: type[T] | tuple[type[T], ...], value: object) -> T:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError
    return value


def _whole(value: object) -> int:
    """Convert an integer of Python or NumPy, or a fraction that is an integer, to an int."""
    if type(value) is int:  # most are, and abstract types are slow
        return value
    whole = value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value
    return operator.index(_exactly(numbers.Integral, whole))


def _fraction(data: Json) -> Fraction:
    text = _exactly(str, data)
    if not re.fullmatch(r"-?\d{1,18}(/[1-9]\d{0,17})?", text, re.ASCII):
        raise ValueError
    return Fraction(text)


def _bound(value: object) -> str:
    if type(value) is Fraction:
        return str(value)
    return (
        str(value)
        if isinstance(value, float) and math.isinf(value)
        else str(Fraction(_exactly((numbers.Rational, float), value)))
    )


def _real(value: object) -> float | str:
    real = float(_exactly(numbers.Real, value))
    return real if math.isfinite(real) else str(real)


def _real_of(data: Json) -> float:
    if isinstance(data, str) and data in array_json.NOT_FINITE:
        return array_json.NOT_FINITE[data]
    return float(_exactly((int, float), data))


def _bound_of(data: Json) -> Fraction | float:
    return INFINITE[data] if isinstance(data, str) and data in INFINITE else _fraction(data)


def _modes(value: object) -> Json:
    """Write a list of modes; if they are too many to be listed, their runs."""
    modes = _exactly(Modes, value)
    return list(modes) if len(modes) <= LISTED else {"runs": [list(run) for run in modes.runs]}


def _modes_of(data: Json) -> Modes:
    if isinstance(data, list):
        return Modes.of(map(_mode, data))
    runs = cast("dict[str, Json]", _exactly(dict, data))["runs"]
    triples = [cast("list[Json]", _exactly(list, run)) for run in cast("list[Json]", _exactly(list, runs))]
    if any(_exactly(int, count) < 1 for _, _, count in triples):
        raise ValueError
    return Modes.joined((_mode(first), _exactly(int, step), _exactly(int, count)) for first, step, count in triples)


def _mode(data: Json) -> int | None:
    return None if data is None else _exactly(int, data)


INFINITE = {"inf": math.inf, "-inf": -math.inf}
is_flag = functools.partial(_exactly, bool)
is_text = functools.partial(_exactly, str)
is_name = functools.partial(_exactly, (int, str))
SCALARS: dict[frozenset[Hint], Scalar] = {
    frozenset({bool}): Scalar("True or False", is_flag, is_flag),
    frozenset({int}): Scalar("an integer", _whole, functools.partial(_exactly, int)),
    frozenset({str}): Scalar("a string", is_text, is_text),
    frozenset({float}): Scalar("a number", _real, _real_of),
    frozenset({Fraction}): Scalar(
        "a fraction", lambda value: str(Fraction(_exactly(numbers.Rational, value))), _fraction
    ),
    frozenset({Fraction, float}): Scalar(
        "a fraction, inf or -inf", _bound, _bound_of
    ),
    frozenset({Modes}): Scalar("a list of integers and nulls", _modes, _modes_of),
    frozenset({Hashable}): Scalar("a string or an integer", is_name, is_name),
}  # fmt: skip


def _either(classes: Sequence[type]) -> str:
    return " or ".join(cls.__name__ for cls in classes)


def shown(value: object) -> str:
    """Return a short description of a value for an error message.

    >>> shown((1, 2)), shown("two"), shown(10**30)
    ('a tuple of 2', "'two'", 'a huge number')
    """
    kind = type(value).__name__
    if isinstance(value, dict | list | tuple):
        return f"a {kind} of {len(cast(Sized, value))}"
    if isinstance(value, int) and abs(value) > 2**63:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}..."
