"""The largest tiles whose program fits into a given memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax

from jaxconv.apply.claims import STRIDES
from jaxconv.apply.run import together
from jaxconv.errors import explain
from jaxconv.jaxprs.liveness import peak_bytes
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.shifted_axes import Along
from jaxconv.verify.tiling.traces import resized


def largest_size(
    fn: Callable[..., object], shapes: Sequence[PyTree], all_along: Sequence[Along], memory: int, batch: int
) -> int:
    """The size of the largest tiles, equal along all axes, with which the program needs at most `memory` bytes.

    Bytes of values that are alive at once are counted in the jaxpr of each candidate. The program of the largest that
    fits is compiled. If the compiler says that it needs more, the next candidate is smaller in proportion.

    Raises:
        ValueError: tiles of one cell need more, or those that the function accepts.
    """
    tiled = {number for along in all_along for number, _ in along.arguments}
    program, budget = together(fn, batch), memory

    def operands(size: int) -> tuple[dict[int, PyTree], dict[int, PyTree]]:
        current = list(shapes)
        for along in all_along:
            current = resized(current, along, min(size, along.length))
        several = (batch,) if batch > 1 else ()
        cut = {n: jax.ShapeDtypeStruct((*several, *current[n].shape), current[n].dtype) for n in tiled}
        return cut, {n: argument for n, argument in enumerate(current) if n not in tiled}

    def counted(size: int) -> tuple[int, int] | None:
        """A size that the function accepts, at most a stride below this one, and its bytes."""
        longest = max(along.length for along in all_along)
        for aligned in dict.fromkeys(size - (size - longest) % stride for stride in STRIDES):
            try:
                found = peak_bytes(jax.make_jaxpr(program)(*operands(aligned))) if aligned > 0 else None
            except Exception:  # of a function that refuses sizes which its blocks do not divide
                continue
            if found is not None:
                return aligned, found
        return None

    while True:
        fitting = _bisected(counted, budget, max(along.length for along in all_along))
        if fitting is None:
            smallest = counted(1) or counted(max(STRIDES))
            expected = f"{smallest[1]} or more, for the smallest tiles" if smallest else "more, for the smallest tiles"
            raise ValueError(explain("memory", memory, expected, "Give the number of bytes that tiles may need"))
        size, bytes_of_size = fitting
        needed = _measured(program, operands(size))
        if needed <= memory:
            return size
        budget = min(bytes_of_size - 1, bytes_of_size * memory // needed)


def _bisected(counted: Callable[[int], tuple[int, int] | None], budget: int, longest: int) -> tuple[int, int] | None:
    """The largest size that fits, with its bytes."""
    best, low, high = None, 1, longest
    while low <= high:
        middle = (low + high) // 2
        found = counted(middle)
        fits = found is not None and found[1] <= budget
        best = found if fits else best
        if fits or (found is None and best is None and middle < max(STRIDES)):  # too small for the function's blocks
            low = middle + 1
        else:
            high = middle - 1
    return best


def _measured(program: Callable[..., PyTree], operands: tuple[dict[int, PyTree], dict[int, PyTree]]) -> int:
    """Bytes of arguments, results and temporary values of the compiled program; 0 if the platform does not say."""
    analysis = jax.jit(program).lower(*operands).compile().memory_analysis()
    names = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
    return sum(getattr(analysis, name, 0) for name in names)
