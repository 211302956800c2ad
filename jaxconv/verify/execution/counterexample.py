"""A counterexample as data: its inputs, the output and the expected output. It can be written as JSON and replayed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import jax
import numpy as np

from jaxconv.errors import explain, public
from jaxconv.jaxprs.typing import ArrayValue, PyTree, with_leaves
from jaxconv.verify import array_json, json_codec, strict_json
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.execution.candidate_laws import Lattice
from jaxconv.verify.execution.run import executing
from jaxconv.verify.execution.tolerance import gap
from jaxconv.verify.shifted_axes import Moves
from jaxconv.verify.strict_json import Json

SHOWN = 6  # largest number of cells of an input that are listed


@dataclass(frozen=True)
class Counterexample:
    """An input, the same input shifted by `k * law.shift`, and a cell of the output that violates the law.

    `f(shifted)[position]` is `found`, but `f(arguments)[origin]` is `expected`. `moves` are the moves that the law
    expects for k = 1.
    """

    law: Lattice
    k: int
    moves: Moves
    arguments: tuple[PyTree, ...]
    shifted: tuple[PyTree, ...]
    position: tuple[int, ...]
    origin: tuple[int, ...]
    found: complex
    expected: complex

    @property
    def shift(self) -> int:
        """The number of cells by which the input is shifted."""
        return self.k * self.law.shift

    @property
    def error(self) -> float:
        """The absolute difference of `found` and `expected`."""
        return float(gap(np.asarray(self.found), np.asarray(self.expected)))

    def replay(self, fn: Callable[..., object]) -> float:
        """The absolute difference of the two cells for `fn`: `error` for the same function, 0 for a corrected one."""
        after, before = (output_leaf(fn, side, self.law.leaf) for side in (self.shifted, self.arguments))
        return float(gap(after[self.position], before[self.origin]))

    def __str__(self) -> str:
        numbers = [number for number, _ in self.law.shifted]
        inputs = [f"argument {number}: {pixels(self.arguments[number])}" for number in numbers]
        if not KINDS[self.law.kind].wraps:
            inputs += [f"argument {number}, shifted: {pixels(self.shifted[number])}" for number in numbers]
        return "\n".join(
            [
                f"shift by {self.shift}: f(shifted){list(self.position)} is {shown_number(self.found)}, "
                f"but f(x){list(self.origin)} is {shown_number(self.expected)}",
                *inputs,
            ]
        )

    def to_json(self) -> str:
        """The counterexample as JSON; `from_json` reads it."""
        plain = {"law": vars(self.law), "k": self.k, "moves": self.moves, "position": self.position}
        values = write_sides((self.found, self.expected), self.arguments, self.shifted)
        return strict_json.dumps(plain | {"origin": self.origin} | values)

    @classmethod
    @public
    def from_json(cls, text: str, *arguments: PyTree) -> Counterexample:
        """Read what `to_json` wrote.

        Args:
            text: the JSON.
            arguments: the arguments of `falsify`, arrays or shapes; only their tree structure is used.

        Raises:
            TypeError: `text` is not a string.
            ValueError: `text` is not the output of `to_json`, or the arguments have another number of arrays.
        """
        fields, values, before, after = read_sides(text, WRITTEN, arguments)
        law, k, moves, position, origin = fields
        return cls(law, k, moves, before, after, position, origin, *values)


Cells: TypeAlias = tuple[int, ...]
WRITTEN = {  # the keys of the JSON before "values" and "leaves", and the types as which they are read
    "law": Lattice,
    "k": int,
    "moves": Moves,
    "position": Cells,
    "origin": Cells,
}
SIDES = {  # the keys that follow
    "values": tuple[tuple[ArrayValue, ArrayValue], tuple[ArrayValue, ArrayValue]],
    "leaves": tuple[ArrayValue, ...],
}


def write_sides(values: Sequence[complex], *sides: tuple[PyTree, ...]) -> dict[str, Json]:
    """Both values and the arguments of both sides, as `read_sides` reads them."""
    numbers = [array_json.encode([complex(value).real, complex(value).imag]) for value in values]
    return {"values": numbers, "leaves": [array_json.encode_array(leaf) for leaf in jax.tree.leaves(sides)]}


def read_sides(
    text: object, written: Mapping[str, Hashable], arguments: tuple[PyTree, ...]
) -> tuple[list[PyTree], tuple[complex, complex], tuple[PyTree, ...], tuple[PyTree, ...]]:
    """The fields of a counterexample as JSON: those of `written`, both values, and the arguments of both sides."""
    data = strict_json.loads(text)
    try:
        *fields, values, leaves = _read(data, {**written, **SIDES})
    except json_codec.MalformedError as error:
        raise ValueError(error.explained(strict_json.WRITE)) from None
    count = len(jax.tree.leaves(arguments))
    if len(leaves) != 2 * count:
        expected = f"{len(leaves) // 2}, as when the counterexample was found"
        argument, cure = "the number of arrays in the arguments", "Pass the arguments of that search"
        raise ValueError(explain(argument, count, expected, cure))
    before, after = (with_leaves(arguments, side) for side in (leaves[:count], leaves[count:]))
    found, expected = (complex(*parts) if parts[1] else parts[0] for parts in values)
    return fields, (found, expected), before, after


def _read(data: Json, written: Mapping[str, Hashable]) -> Iterator[PyTree]:
    if not isinstance(data, dict) or data.keys() != written.keys():
        raise json_codec.MalformedError("the JSON", json_codec.shown(data), f"an object of {', '.join(written)}")
    return (json_codec.decode(data[name], hint, f"counterexample.{name}") for name, hint in written.items())


def pixels(x: ArrayValue) -> str:
    """A description of an array: its nonzero cells, or their number if there are more than `SHOWN`.

    >>> pixels(np.array([[0, 0, 3]]))
    'zeros (1, 3) but for [0, 2] = 3'
    """
    x = np.asarray(x)
    cells = np.argwhere(x != 0)
    if len(cells) > SHOWN:
        return f"{x.shape}, {len(cells)} of {x.size} cells nonzero"
    listed = ", ".join(f"{cell.tolist()} = {shown_number(x[tuple(cell)])}" for cell in cells)
    return f"zeros {x.shape} but for {listed}" if listed else f"zeros {x.shape}"


def output_leaf(fn: Callable[..., object], arguments: Sequence[PyTree], leaf: int) -> np.ndarray:
    """One leaf of the output of a function that is executed."""
    given = with_leaves(tuple(arguments), [jax.numpy.asarray(x) for x in jax.tree.leaves(arguments)])
    with executing():
        return array_json.wide(array_json.as_numbers(jax.tree.leaves(fn(*given))[leaf]))


def shown_number(value: ArrayValue) -> str:
    """A real or complex number as text."""
    value = complex(value)
    return f"{value:.6g}" if value.imag else f"{value.real:.6g}"
