"""What a fault is, and the handwritten ones: `tests/faults/*.toml`, one file per area."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OWN = Path("tests/test_faults.py")  # which sees that a source has changed, whatever it does now


@dataclass(frozen=True)
class Fault:
    """A mistake in one file: `start` to `stop`, in bytes of its source, become `replacement`.

    `tests` are the files or tests that could see it, the cheapest first; a mechanical fault leaves them to the record
    of executed lines.
    """

    area: str
    name: str
    file: str
    start: int
    stop: int
    replacement: bytes
    tests: tuple[str, ...] = ()

    def planted(self, source: bytes) -> bytes:
        """The source with the fault in it."""
        return source[: self.start] + self.replacement + source[self.stop :]

    def line(self, source: bytes) -> int:
        """The line of the source in which the fault begins."""
        return source.count(b"\n", 0, self.start) + 1

    def digest(self, source: bytes) -> str:
        """Tells whether a stored result is of this fault in this source."""
        return hashlib.sha256(self.file.encode() + b"\0" + self.planted(source)).hexdigest()[:16]


def written(root: Path = ROOT) -> list[Fault]:
    """The handwritten faults, in the order of the files."""
    return [
        _read(path, row, root)
        for path in sorted((root / "tests" / "faults").glob("*.toml"))
        for row in tomllib.loads(path.read_text())["fault"]
    ]


def _read(path: Path, row: dict, root: Path) -> Fault:
    """One row; its text must occur exactly once, or it would not say which place is meant."""
    source, text = (root / row["file"]).read_bytes(), row["text"].encode()
    if (times := source.count(text)) != 1:
        raise ValueError(f"{path.name}: {row['name']!r}: its text occurs {times} times in {row['file']}, not once")
    start = source.index(text)
    replacement = row["replacement"].encode()
    return Fault(path.stem, row["name"], row["file"], start, start + len(text), replacement, tuple(row["tests"]))
