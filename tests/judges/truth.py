"""Compute what is true of each judge, by brute force in float64, and write it to `truths.json`.

`PYTHONPATH=tests python -m judges.truth` computes the judges whose libraries are installed, and keeps the truths of the
others. `--only spectral` selects them by group or name. A truth comes from execution only: no module of the certifier
is imported.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import numpy as np

from judges.executions import Leaf, executions
from judges.judge import Judge, all_judges
from judges.laws import Box, Law, changing, cyclic_laws, dependence, interior_laws

FILE = Path(__file__).with_name("truths.json")
LARGE = 3000  # cells of an input from which it has few executions
FEW = {"samples": 2, "factors": (30.0,)}


@dataclass(frozen=True)
class Truth:
    """What is true of one output leaf for one kind of claims: the laws, the smallest shift first.

    Laws of multiples of a shift that follow from a law are not listed. `depends[j]` holds the inputs on which output j
    of the axis of the first law depends; it is empty unless that law moves along one axis.
    """

    length: int
    shape: tuple[int, ...]
    laws: tuple[Law, ...]
    depends: tuple[frozenset[int], ...]

    def expected(self, other: Truth) -> Law | None:
        """The law that a certifier should find: the one that also holds for the `other` kind, or the smallest shift.

        An interior law whose largest region has few of the positions is true, but not expected.
        """
        shared = {(law.shift, law.moves) for law in other.laws}
        both = [law for law in self.laws if (law.shift, law.moves) in shared and 3 * self.coverage(law) >= 1]
        return next(iter(both + [law for law in self.laws if 2 * self.coverage(law) >= 1]), None)

    def coverage(self, law: Law) -> Fraction:
        """The part of the positions along the moved axes that the largest region has: all for a cyclic law."""
        if not law.regions:
            return Fraction(1)
        whole = math.prod(self.shape[axis] for axis, _ in law.moves)
        return Fraction(max(math.prod(hi - lo for lo, hi in box) for box in law.regions), whole)

    def regions(self, shift: int, moves: Sequence[tuple[int, int]], *, cyclic: bool) -> tuple[Box, ...] | None:
        """The largest regions of a claim that is true; None if it is false. A cyclic claim that is true has `((),)`."""
        claimed = sorted(self._reduced(moves, cyclic=cyclic))
        multiples = [
            law
            for law in self.laws
            if shift % law.shift == 0
            and sorted(law.times(shift // law.shift, self.shape, cyclic=cyclic).moves) == claimed
        ]
        return tuple(region for law in multiples for region in law.regions or ((),)) if multiples else None

    def _reduced(self, moves: Sequence[tuple[int, int]], *, cyclic: bool) -> list[tuple[int, int]]:
        reduced = Law(1, tuple(map(tuple, moves))).times(1, self.shape, cyclic=cyclic)
        return list(reduced.moves)

    def width(self, outputs: Sequence[int], *, cyclic: bool) -> int:
        """The number of cells of the widest receptive field: the smallest interval (cyclic: of the circle)."""
        return max((_hull(self.depends[j], self.length, cyclic=cyclic) for j in outputs), default=0)


def _hull(cells: frozenset[int], length: int, *, cyclic: bool) -> int:
    """The length of the smallest interval that holds all cells."""
    if not cells:
        return 0
    ordered = sorted(cells)
    if not cyclic:
        return ordered[-1] - ordered[0] + 1
    gaps = [b - a for a, b in zip(ordered, [*ordered[1:], ordered[0] + length], strict=True)]
    return length - max(gaps) + 1


def truths(judge: Judge) -> list[dict[str, Any]]:
    """What is true of each output leaf, as JSON."""
    samples = executions(judge, **(FEW if math.prod(judge.shape) >= LARGE else {}))
    return [_truth([leaves[number] for leaves in samples]) for number in range(len(samples[0]))]


def _truth(samples: list[Leaf]) -> dict[str, Any]:
    found: dict[str, Any] = {"length": samples[0].length, "shape": list(samples[0].base.shape)}
    for kind, laws in (("cyclic", cyclic_laws(samples)), ("interior", interior_laws(samples))):
        rows = [[law.shift, law.moves, law.regions] if kind == "interior" else [law.shift, law.moves] for law in laws]
        found[kind] = {"laws": rows}
        if laws and len(laws[0].moves) == 1:
            depends = dependence(samples, laws[0].moves[0][0])
            found[kind]["depends"] = " ".join(_hexadecimal(row) for row in depends)
    if not changing(samples).any():
        found["constant"] = True
    return found


def _hexadecimal(cells: np.ndarray) -> str:
    """The set of cells as a number, with cell i as bit i."""
    return f"{sum(1 << int(i) for i in np.flatnonzero(cells)):x}"


def read(rows: dict[str, Any], kind: str) -> Truth:
    """The truth of one kind from the JSON of one output leaf."""
    laws = tuple(
        Law(row[0], tuple(map(tuple, row[1])), tuple(tuple(map(tuple, box)) for box in row[2]) if row[2:] else ())
        for row in rows[kind]["laws"]
    )
    numbers = [int(word, 16) for word in rows[kind].get("depends", "").split()]
    depends = tuple(frozenset(i for i in range(rows["length"]) if number >> i & 1) for number in numbers)
    return Truth(rows["length"], tuple(rows["shape"]), laws, depends)


def load(file: Path = FILE) -> dict[str, list[dict[str, Any]]]:
    """The truths in a file, by name."""
    return json.loads(file.read_text()) if file.exists() else {}


def save(file: Path, all_truths: dict[str, list[dict[str, Any]]]) -> None:
    """Write the truths of the judges that exist, one judge a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(all_truths[name])}" for name in all_judges() if name in all_truths]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main(arguments: Sequence[str]) -> None:
    """Compute the truths that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="groups or names")
    parser.add_argument("--file", type=Path, default=FILE, help="where to write")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    known = load(options.file)
    for name, judge in all_judges().items():
        if judge.installed and (not options.only or {name, judge.group} & set(options.only)):
            known[name] = truths(judge)
            print(name, *[[kind, *row[kind]["laws"][:1]] for row in known[name] for kind in ("cyclic", "interior")])
            save(options.file, known)


if __name__ == "__main__":
    main(sys.argv[1:])
