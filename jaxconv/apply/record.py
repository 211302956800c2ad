"""A record of the tiles that are computed and written, from which a run that was killed continues.

The file has one line of JSON for what is computed, and one for each tile: its number, and checksums of its cells in the
input and in the result. Lines are only added, after the tile is in the result. A line that is cut short counts as
missing, so that its tile is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import jax
import numpy as np

from jaxconv.apply.placement import Placed
from jaxconv.errors import explain
from jaxconv.jaxprs import layout
from jaxconv.jaxprs.traverse import equations, within
from jaxconv.jaxprs.typing import ArrayValue, PyTree
from jaxconv.verify.array_json import as_numbers
from jaxconv.verify.tracing import described, name_of

FORMAT = 1
ANOTHER = "Delete the record to begin again, or name another file"
AGAIN = "Free space or correct the path, and call the function again, which then computes the missing tiles"
HASHES = ("operations", "parameters", "places")  # the parts of an identity that are no words
ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of functions in the text of a jaxpr, which differs between processes


class Record:
    """The record of one run; closed at the end of a `with` statement.

    Attributes:
        checksums: of each tile that is done, by its number: of its input, and of its part of the result.
    """

    def __init__(self, path: Path, identity: Mapping[str, str]):
        self.path = path
        try:
            with contextlib.ExitStack() as stack:
                self._file: BinaryIO = stack.enter_context(path.open("a+b"))
                _lock(self._file, path)
                self.checksums = self._read(identity)
                stack.pop_all()
        except OSError as error:
            raise unwritten(f"record ({path})", error) from error

    def _read(self, identity: Mapping[str, str]) -> dict[int, tuple[int, int]]:
        """The tiles of the file, which is begun if it is new.

        Raises:
            ValueError: the file is no record, or one of something else.
        """
        head = _line({"format": FORMAT, **identity})
        self._file.seek(0)
        first, *lines = self._file.read().split(b"\n")
        if head.startswith(first) and not lines:  # a new file, or one whose first line is cut short
            self._file.truncate(0)
            self._append(head)
            return {}
        _refuse_another(self.path, first, identity)
        found: dict[int, tuple[int, int]] = {}
        for line in lines[:-1]:  # the last one is empty, or cut short
            number, *checksums = _numbers(self.path, line)
            found[number] = (checksums[0], checksums[1])
        if lines[-1]:
            self._file.truncate(self._file.tell() - len(lines[-1]))
        return found

    def add(self, tile: Placed, of_input: int, of_result: int) -> None:
        """Add a tile that is in the result.

        Raises:
            OSError: the file cannot be written, for example because the disk is full.
        """
        try:
            self._append(_line([tile.number, of_input, of_result]))
        except OSError as error:
            raise unwritten(f"record ({self.path})", error) from error

    def _append(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def unwritten(named: str, error: OSError) -> OSError:
    """The error for a file that cannot be written."""
    actual = f"not written ({error.strerror or error})"
    return OSError(error.errno, explain(named, actual, "a file that can be written", AGAIN))


def identity(
    fn: Callable[..., object], arguments: Sequence[PyTree], shapes: Sequence[PyTree], tiles: Sequence[Placed],
    tiled: Iterable[int],
) -> dict[str, str]:  # fmt: skip
    """What a record is of: in words, which an error shows, and as hashes.

    Args:
        fn: the function.
        arguments: its arguments.
        shapes: the same, as shapes.
        tiles: the tiles of the whole.
        tiled: numbers of the arguments that are tiled, whose cells have checksums of their own.
    """
    jaxpr, constants, outputs = layout.trace(fn, shapes)
    inner = [body for equation, _ in equations(jaxpr) for body in within(equation)]
    held = [*constants, *(array for body in inner for array in layout.opened(body)[1])]
    fixed = [leaf for n, argument in enumerate(arguments) if n not in set(tiled) for leaf in jax.tree.leaves(argument)]
    return {
        "function": name_of(fn),
        "input": described(shapes),
        "output": described(jax.tree.leaves(outputs)),
        "tiling": f"{len(tiles)} tiles of {' x '.join(map(str, tiles[0].sizes))} cells",
        "operations": _hash([ADDRESS.sub("", str(jaxpr)).encode(), *map(_bytes, held)]),
        "parameters": _hash(map(_bytes, fixed)),
        "places": _hash([repr(tiles).encode()]),
    }


def checksum(arrays: Iterable[np.ndarray]) -> int:
    """A checksum of the cells of some arrays."""
    found = 0
    for array in arrays:
        found = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data, found)
    return found


def _bytes(leaf: ArrayValue) -> bytes:
    array = np.asarray(as_numbers(leaf))
    return f"{array.dtype}{array.shape}".encode() + array.tobytes()


def _hash(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(hashlib.sha256(part).digest())
    return found.hexdigest()


def _line(data: object) -> bytes:
    return json.dumps(data).encode() + b"\n"


def _refuse_another(path: Path, first: bytes, identity: Mapping[str, str]) -> None:
    """Raise an error if a file is no record, or a record of something else."""
    named = f"record ({path})"
    data = _parsed(first)
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.keys() != {"format", *identity}:
        raise ValueError(explain(named, "another file", "a new file, or a record of this version", ANOTHER))
    for name, own in identity.items():
        if data[name] != own:
            actual, expected = f"of another {name} ({data[name]})", f"of {own}"
            if name in HASHES:
                actual, expected = f"of other {name}", f"of those of {identity['function']}"
            raise ValueError(explain(named, actual, expected, ANOTHER))


def _numbers(path: Path, line: bytes) -> list[int]:
    data = _parsed(line)
    if not isinstance(data, list) or [type(item) for item in data] != [int] * 3:
        expected = "the number and two checksums of a tile"
        raise ValueError(explain(f"a line of record ({path})", repr(line[:60]), expected, ANOTHER))
    return cast("list[int]", data)


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _lock(file: BinaryIO, path: Path) -> None:
    """Hold the file, so that no other process adds to it. The lock of a process that is killed is released.

    Raises:
        ValueError: another process holds it.
    """
    try:
        import fcntl  # noqa: PLC0415  Windows has none
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        cure = "Wait for it, or name another file"
        raise ValueError(explain(f"record ({path})", "in use by another process", "free", cure)) from None
