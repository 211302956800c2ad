"""The snapshot as a file: read and checked, key by key; merged with what another run has written meanwhile.

    {"format": 1, "tests": {test: {function: {output and axis: {"length": n, "cyclic": claim, "interior": claim}}}}}

A claim is null where nothing is proved, else `{"shift": 2, "moves": [[1, 1]], "region": [[1, 1, 5]]}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxconv.errors import explain
from jaxconv.testing.files import locked, replace
from jaxconv.testing.snapshot import KINDS, Tests

FORMAT = 1
LEVELS = ("file", "tests", "test", "function", "output")  # those that are written a line for each key


def read(path: Path) -> Tests:
    """The tests of a snapshot; none if there is no such file.

    Raises:
        ValueError: the file is none of ours, or has a key or a value that no snapshot has; the message says where.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(
            path, "the snapshot", f"{path}, which cannot be read ({error})", f"JSON of format {FORMAT}"
        ) from error
    return _parsed(path, text)


def _parsed(path: Path, text: str) -> Tests:
    """The tests that a snapshot's text holds, every key and value checked."""
    try:
        data = json.loads(text, object_pairs_hook=_without_doubles)
    except DoubleKeyError as error:
        raise _wrong(path, "a key", f"twice in one place: {error}", "there once") from error
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("tests"), dict):
        raise _wrong(path, "the snapshot", path, f"JSON of format {FORMAT}")
    _keys(path, [], data, ("format", "tests"))
    for test, functions in data["tests"].items():
        _mapping(path, ["tests", test], functions)
        for function, entry in functions.items():
            _mapping(path, ["tests", test, function], entry)
            for where, claims in entry.items():
                _entry(path, ["tests", test, function, where], claims)
    return data["tests"]


def update(path: Path, merge: Callable[[Tests], Tests]) -> None:
    """Change a snapshot while no other run does: what another one has written since this one began is kept.

    Args:
        path: of the snapshot.
        merge: from the tests of the file as it is now to those to be written.

    Raises:
        ValueError: the file is none of ours, or what should be written would not be read back; it is as it was.
        OSError: it cannot be written, and is as it was.
    """
    with locked(path):
        tests = merge(read(path))
        text = _lines({"format": FORMAT, "tests": tests}, 0, LEVELS) + "\n"
        try:
            same = _parsed(path, text) == tests
        except ValueError:
            same = False
        if not same:
            cure = "Give every recorded function a name that is text"
            raise ValueError(explain("certificates", "what was recorded", "not read back from JSON", "the same", cure))
        replace(path, text)


def _lines(value: Any, indent: int, levels: Sequence[str]) -> str:
    """JSON of which so many levels are written a line for each key; what is below them stays on its line."""
    if not levels or not isinstance(value, dict) or not value:
        return json.dumps(value)
    pad = "  " * (indent + 1)
    rows = [f"{pad}{json.dumps(key)}: {_lines(value[key], indent + 1, levels[1:])}" for key in sorted(value)]
    return "{\n" + ",\n".join(rows) + "\n" + "  " * indent + "}"


class DoubleKeyError(ValueError):
    """A key that an object of JSON has twice, as after a merge that kept both sides."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise DoubleKeyError(next(repr(name) for name in found if names.count(name) > 1))
    return found


def _entry(path: Path, at: list[str], claims: Any) -> None:
    """Refuse an output's claims that are none."""
    _mapping(path, at, claims)
    _keys(path, at, claims, ("length", *KINDS))
    if not _number(claims["length"], 1):
        raise _wrong(path, _place([*at, "length"]), repr(claims["length"]), "a number of cells")
    for kind in KINDS:
        claim, here = claims[kind], [*at, kind]
        if claim is None:
            continue
        _mapping(path, here, claim)
        _keys(path, here, claim, ("shift", "moves"), ("region",))
        if not _number(claim["shift"], 1):
            raise _wrong(path, _place([*here, "shift"]), repr(claim["shift"]), "a number of cells")
        for name, length in (("moves", 2), ("region", 3)):
            rows = claim.get(name, [])
            fits = lambda row, length=length: isinstance(row, list) and len(row) == length and all(map(_number, row))
            if not isinstance(rows, list) or not all(map(fits, rows)):
                expected = f"a list of lists of {length} whole numbers"
                raise _wrong(path, _place([*here, name]), json.dumps(rows), expected)


def _number(value: Any, least: int | None = None) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (least is None or value >= least)


def _mapping(path: Path, at: list[str], value: Any) -> None:
    if not isinstance(value, dict):
        raise _wrong(path, _place(at), json.dumps(value), "an object of JSON, {...}")


def _keys(
    path: Path, at: list[str], value: Mapping[str, Any], needed: Collection[str], more: Collection[str] = ()
) -> None:
    names = ", ".join(map(repr, needed)) + (f", and {' or '.join(map(repr, more))} where there is one" if more else "")
    for key in value:
        if key not in needed and key not in more:
            raise _wrong(path, f"a key {_place(at)}", repr(key), f"one of {names}")
    for key in needed:
        if key not in value:
            raise _wrong(path, f"the key {key!r} {_place(at)}", "missing", f"there, as {names} are")


def _place(at: list[str]) -> str:
    return f"in {' > '.join(at)}" if at else "at the top"


def _wrong(path: Path, what: str, actual: Any, expected: str) -> ValueError:
    cure = f"Correct {path.name} by hand, resolve conflicts in it, or delete it and write it by --update-certificates"
    return ValueError(explain("certificates", what, actual, expected, cure))
