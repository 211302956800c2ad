"""Strict JSON: rejects what other parsers reject or read differently, such as NaN, repeated keys and huge numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from jaxconv.errors import explain

Json: TypeAlias = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None

WRITE = "Write it with to_json"
DIGITS = 20  # largest number of digits of an integer; integers of 64 bits have no more


def dumps(data: Json) -> str:
    """Return JSON as RFC 8259 defines it. Raises ValueError for NaN and infinities, which it excludes."""
    return json.dumps(data, allow_nan=False)


def loads(text: object) -> Json:
    """Parse JSON.

    Args:
        text: the JSON.

    Raises:
        TypeError: `text` is not a string.
        ValueError: `text` is not JSON; or it contains a repeated key in one object, NaN or Infinity, an integer of more
            than 20 digits, a number beyond float64, or more levels than Python's recursion limit allows.
    """
    if not isinstance(text, str):
        raise TypeError(explain("text", type(text).__name__, "a string of JSON", WRITE))
    try:
        return json.loads(text, object_pairs_hook=_members, parse_int=_whole, parse_float=_real, parse_constant=_whole)
    except json.JSONDecodeError as error:
        message = explain("the text", f"invalid JSON ({error})", "a JSON document", WRITE)
    except RecursionError:
        message = explain("the JSON", "too deeply nested", "as to_json writes it", WRITE)
    except _RefusedError as refused:
        message = explain(refused.argument, refused.found, refused.expected, WRITE)
    raise ValueError(message)


class _RefusedError(Exception):
    """A part of the JSON, what it is, and what it should be, for the error message."""

    def __init__(self, argument: str, found: str, expected: str):
        self.argument, self.found, self.expected = argument, found, expected


def _whole(digits: str) -> int:
    if digits.lstrip("-")[:1].isalpha():
        raise _RefusedError("a number in the JSON", digits, "finite")
    if len(digits.lstrip("-")) > DIGITS:
        raise _RefusedError("a number in the JSON", _short(digits), f"an integer of at most {DIGITS} digits")
    return int(digits)


def _real(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise _RefusedError("a number in the JSON", _short(digits), "in the range of float64")
    return number


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members: dict[str, Json] = {}
    for key, value in pairs:
        if key in members:
            raise _RefusedError(f"the key {_short(key)!r}", "repeated in one JSON object", "unique")
        members[key] = value
    return members


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}... ({len(text)} characters)"
