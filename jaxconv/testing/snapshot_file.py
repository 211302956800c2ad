"""The snapshot file: it is validated key by key, and merged with the results of other runs.

    {"format": 1, "tests": {test: {function: {output and axis: {"length": n, "cyclic": claim, "interior": claim}}}}}

A claim is null if it is not proved, otherwise `{"shift": 2, "moves": [[1, 1]], "region": [[1, 1, 5]]}`. In entries
about tiles, {"length": n, "tile": l, "tiling": claim} stands for an output and an axis: see `tilings.entry`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxconv.errors import message
from jaxconv.testing.files import locked, replace
from jaxconv.testing.snapshot import KINDS, Tests
from jaxconv.testing.tilings import MARGINS, TILING

FORMAT = 1
LEVELS = ("file", "tests", "test", "function", "output")  # the levels with one line for each key


def read(path: Path) -> Tests:
    """The tests of a snapshot; empty if the file does not exist.

    Raises:
        ValueError: the file is not a snapshot, or has an invalid key or value, whose place is in the message.
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
    """The tests in a snapshot's text. Every key and value is checked."""
    try:
        data = json.loads(text, object_pairs_hook=_without_duplicates)
    except DoubleKeyError as error:
        raise _wrong(path, "a key", f"twice in one object: {error}", "unique") from error
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
    """Change a snapshot under a lock, so that results that another run has written since are kept.

    Args:
        path: the file.
        merge: a function from the tests in the file to the tests to write.

    Raises:
        ValueError: the file is not a snapshot, or the new tests cannot be read back. The file is unchanged.
        OSError: the file cannot be written. It is unchanged.
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
            raise ValueError(message("certificates", "what was recorded", "not read back from JSON", "the same", cure))
        replace(path, text)


def _lines(value: Any, indent: int, levels: Sequence[str]) -> str:
    """JSON with one line for each key of the first levels. Values below them are on one line."""
    if not levels or not isinstance(value, dict) or not value:
        return json.dumps(value)
    pad = "  " * (indent + 1)
    rows = [f"{pad}{json.dumps(key)}: {_lines(value[key], indent + 1, levels[1:])}" for key in sorted(value)]
    return "{\n" + ",\n".join(rows) + "\n" + "  " * indent + "}"


class DoubleKeyError(ValueError):
    """An object of JSON has a key twice, for example after a merge that kept both sides."""


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        names = [name for name, _ in pairs]
        raise DoubleKeyError(next(repr(name) for name in unique if names.count(name) > 1))
    return unique


def _entry(path: Path, at: list[str], claims: Any) -> None:
    """Raise an error if the claims of an output are invalid."""
    _mapping(path, at, claims)
    if TILING in claims:
        _tiling(path, at, claims)
        return
    _keys(path, at, claims, ("length", *KINDS))
    _cells(path, [*at, "length"], claims["length"])
    for kind in KINDS:
        claim, here = claims[kind], [*at, kind]
        if claim is None:
            continue
        _mapping(path, here, claim)
        _keys(path, here, claim, ("shift", "moves"), ("region",))
        _cells(path, [*here, "shift"], claim["shift"])
        for name, length in (("moves", 2), ("region", 3)):
            rows = claim.get(name, [])
            fits = lambda row, length=length: isinstance(row, list) and len(row) == length and all(map(_number, row))
            if not isinstance(rows, list) or not all(map(fits, rows)):
                expected = f"a list of lists of {length} integers"
                raise _wrong(path, _place([*here, name]), json.dumps(rows), expected)


def _tiling(path: Path, at: list[str], claims: Any) -> None:
    """Raise an error if the claim about tiles of an output is invalid."""
    _keys(path, at, claims, ("length", "tile", TILING))
    for name in ("length", "tile"):
        _cells(path, [*at, name], claims[name])
    claim, here = claims[TILING], [*at, TILING]
    if claim is None:
        return
    _mapping(path, here, claim)
    _keys(path, here, claim, ("axis", "shift", "step", "start", *MARGINS))
    _cells(path, [*here, "shift"], claim["shift"])
    for name in ("axis", "step", "start"):
        if not _number(claim[name]) and not (name == "axis" and claim[name] is None):
            raise _wrong(path, _place([*here, name]), repr(claim[name]), "an integer")
    for name in MARGINS:
        pair = claim[name]
        if not (isinstance(pair, list) and len(pair) == 2 and all(_number(cells, 0) for cells in pair)):
            raise _wrong(path, _place([*here, name]), json.dumps(pair), "a list of two numbers of cells")


def _cells(path: Path, at: list[str], value: Any) -> None:
    if not _number(value, 1):
        raise _wrong(path, _place(at), repr(value), "a number of cells")


def _number(value: Any, least: int | None = None) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (least is None or value >= least)


def _mapping(path: Path, at: list[str], value: Any) -> None:
    if not isinstance(value, dict):
        raise _wrong(path, _place(at), json.dumps(value), "an object of JSON, {...}")


def _keys(
    path: Path, at: list[str], value: Mapping[str, Any], needed: Collection[str], more: Collection[str] = ()
) -> None:
    names = ", ".join(map(repr, needed)) + (f", and {' or '.join(map(repr, more))} if it has one" if more else "")
    for key in value:
        if key not in needed and key not in more:
            raise _wrong(path, f"a key {_place(at)}", repr(key), f"one of {names}")
    for key in needed:
        if key not in value:
            raise _wrong(path, f"the key {key!r} {_place(at)}", "missing", f"present, like {names}")


def _place(at: list[str]) -> str:
    return f"in {' > '.join(at)}" if at else "at the top"


def _wrong(path: Path, what: str, actual: Any, expected: str) -> ValueError:
    cure = f"Correct {path.name} by hand, resolve conflicts in it, or delete it and write it with --update-certificates"
    return ValueError(message("certificates", what, actual, expected, cure))
