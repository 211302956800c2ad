"""JSON in both directions without what other readers refuse or read differently: NaN, repeated keys, huge numbers."""

from __future__ import annotations

import json
import math
from typing import Any

from jaxconv.errors import explain

WRITE = "Write it by to_json"
DIGITS = 20  # of a whole number: those of 64 bits have no more


def dumps(data: Any) -> str:
    """JSON as RFC 8259 has it; ValueError for NaN and infinities, which it does not have."""
    return json.dumps(data, allow_nan=False)


def loads(where: str, text: str) -> Any:
    """What a text in JSON says.

    Args:
        where: the public function that an error names.
        text: the JSON.

    Raises:
        TypeError: `text` is no string.
        ValueError: it is no JSON; or has a key twice in one object, NaN or Infinity, a whole number of more than 20
            digits, a number that no float64 holds, or more levels than Python's recursion limit allows.
    """
    if not isinstance(text, str):
        raise TypeError(explain(where, "text", type(text).__name__, "a string of JSON", WRITE))
    try:
        return json.loads(text, object_pairs_hook=_members, parse_int=_whole, parse_float=_real, parse_constant=_whole)
    except json.JSONDecodeError as error:
        message = explain(where, "the text", f"no JSON ({error})", "a JSON document", WRITE)
    except RecursionError:
        message = explain(where, "the JSON", "too deeply nested", "as to_json writes it", WRITE)
    except _RefusedError as refused:
        message = explain(where, "the JSON", refused.found, refused.expected, WRITE)
    raise ValueError(message)


class _RefusedError(Exception):
    def __init__(self, found: str, expected: str):
        self.found, self.expected = found, expected


def _whole(digits: str) -> int:
    if digits.lstrip("-")[:1].isalpha():
        raise _RefusedError(f"with the number {digits}", "without NaN and infinities")
    if len(digits.lstrip("-")) > DIGITS:
        raise _RefusedError(f"with the number {_short(digits)}", f"of whole numbers of at most {DIGITS} digits")
    return int(digits)


def _real(digits: str) -> float:
    if not math.isfinite(found := float(digits)):
        raise _RefusedError(f"with the number {_short(digits)}", "of numbers that a float64 holds")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RefusedError(f"with the key {_short(key)!r} twice in one object", "without repeated keys")
        found[key] = value
    return found


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}... ({len(text)} characters)"
