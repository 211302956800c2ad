"""`Segment`: one segment of a stream, its caches, and the operations along the streamed axis that need them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxconv.apply.streaming.values import Constant, Lengths, Part, Phase, Signal, cells, filled, joined
from jaxconv.jaxprs.typing import Array, ArrayValue
from jaxconv.verify.domain import CannotProve

SEEN = 2**24  # the number of input cells is counted up to about this number: only the first positions matter


@dataclass(frozen=True)
class Window:
    """A window that slides over cells that stand `spread` apart, with `before` and `after` cells of padding."""

    taps: int = 1
    stride: int = 1
    dilation: int = 1
    spread: int = 1
    before: int = 0
    after: int = 0

    @property
    def span(self) -> int:
        """Number of cells from the first tap to the last."""
        return (self.taps - 1) * self.dilation + 1

    def kept(self, offset: int) -> int:
        """Number of cells before a chunk that later windows read, zeros between cells included.

        If it is negative, no window reads the first cells of a chunk.
        """
        return (self.before + offset * self.spread - self.span) % self.stride + self.span - self.stride

    def last(self, offset: int, end: int) -> tuple[int, int]:
        """Number of cells that later windows read when the stream ends, padding included, and number of windows."""
        total = self.kept(offset) + self.spread * (end - offset) + self.after - (self.spread - 1)
        return total, (total - self.span) // self.stride + 1


@dataclass
class Segment:
    """One segment of a stream.

    Attributes:
        phase: which cells of the input arrive.
        lengths: the lengths of the input at which the function was traced.
        count: number of input cells that arrive.
        seen: number of input cells that have arrived before.
        caches: the caches, in the order in which the function's operations use them.
        kept: the caches for the next segment.
        multiple: the number of input cells of a chunk has to be a multiple of this number.
        shortest: the signal has at least so many input cells.
        shared: the cells of a signal with those in a cache, which several windows may read.
        late: signals that were delayed.
    """

    phase: Phase
    lengths: Lengths
    count: int = 0
    seen: ArrayValue = 0
    caches: Iterator[ArrayValue] = field(default_factory=lambda: iter(()))
    kept: list[ArrayValue] = field(default_factory=list[ArrayValue])
    multiple: int = 1
    shortest: int = 1
    shared: dict[tuple[int, int, object], tuple[object, Array]] = field(
        default_factory=dict[tuple[int, int, object], tuple[object, Array]]
    )
    late: dict[tuple[int, int], tuple[Signal, Signal]] = field(
        default_factory=dict[tuple[int, int], tuple[Signal, Signal]]
    )

    def arriving(self, rate: Fraction, offset: int, end: int) -> int:
        """Number of cells of a value that arrive in this segment."""
        return {Phase.BEGIN: max(offset, 0), Phase.STEP: int(rate * self.count), Phase.END: end - offset}[self.phase]

    def positions(self, rate: Fraction, offset: int, number: int) -> Array:
        """The positions in the signal of `number` cells, the first of which is `offset` cells before the segment."""
        if self.phase == Phase.BEGIN:
            return jnp.arange(number)
        largest = 2**30 // rate.numerator // rate.denominator * rate.denominator  # positions are 32-bit integers
        return jnp.minimum(self.seen, largest) * rate.numerator // rate.denominator + offset + jnp.arange(number)

    def cached(self, x: Signal, kept: int, fill: ArrayValue) -> Array:
        """The cells of a segment after the `kept` cells before it, which a cache holds.

        Before the first cell of the signal is padding, `fill`. If `kept` is negative, the first cells are dropped. When
        the stream begins, the result is the segment alone.
        """
        length = x.array.shape[x.axis]
        if kept <= 0:
            return x.array if self.phase == Phase.BEGIN else cells(x.array, x.axis, -kept, length)
        key = id(x), kept, fill.tobytes() if isinstance(fill, np.ndarray) else id(fill)
        if key not in self.shared:
            every = x.array
            if self.phase == Phase.BEGIN:
                present = min(length, kept)
                own = cells(x.array, x.axis, length - present, length)
                self.kept.append(joined([filled(x.array, x.axis, kept - present, fill), own], x.axis))
            else:
                every = joined([next(self.caches), x.array], x.axis)
            if self.phase == Phase.STEP:
                self.kept.append(cells(every, x.axis, every.shape[x.axis] - kept, every.shape[x.axis]))
            self.shared[key] = (x, fill), every
        return self.shared[key][1]

    def slid(
        self, x: Signal, window: Window, fill: ArrayValue, apply: Callable[[Array, int, int], Array], axis: int
    ) -> Signal:
        """A window that slides over a signal: `apply(cells, before, after)` computes all its positions over some cells.

        Args:
            x: the signal.
            window: the window.
            fill: the number in the padding.
            apply: pads with numbers of cells before and after, and computes every position of the window.
            axis: the axis of the result.
        """
        x = self.reachable(x, window)
        late = 0
        while window.last(x.offset - late, x.end)[1] < 0:
            late += 1
        x = self.delayed(x, late)
        kept, (total, rest) = window.kept(x.offset), window.last(x.offset, x.end)
        offset = (window.before + x.offset * window.spread - kept) // window.stride
        rate = x.rate * window.spread / window.stride
        self.multiple = math.lcm(self.multiple, rate.denominator)
        result = Signal(None, axis, rate, offset, offset + rest)
        present = kept // window.spread  # the others of `kept` are the zeros before the first of them
        between = kept - present * window.spread
        if window.before > 0:
            x = self.padded_before(x, fill)
        every = self.cached(x, present, fill)
        every = self.with_head(x, every, present)
        if self.phase == Phase.BEGIN:
            total, between = window.before + x.offset * window.spread, window.before
        elif self.phase == Phase.STEP:
            total = kept + window.spread * x.array.shape[x.axis]
        number = self.arriving(rate, offset, offset + rest)
        computed = _applied(every, x.axis, between, total, window, fill, apply)
        return replace(result, array=cells(computed, axis, 0, number))

    def padded_before(self, x: Signal, fill: ArrayValue) -> Signal:
        """A signal with padding where its chunks hold cells before its first."""
        if x.offset >= 0 or self.phase == Phase.BEGIN:
            return x
        number = x.array.shape[x.axis]
        before = self.along(self.positions(x.rate, x.offset, number) < 0, x)
        fill = lax.convert_element_type(fill, x.array.dtype)
        return replace(x, array=jnp.where(before, fill, x.array))

    def along(self, line: Array, x: Signal) -> Array:
        """A line of numbers, as an array along the axis of a signal."""
        return line.reshape([-1 if axis == x.axis else 1 for axis in range(x.array.ndim)])

    def delayed(self, x: Signal, late: int) -> Signal:
        """A signal whose cells arrive `late` cells later."""
        if not late:
            return x
        if (id(x), late) not in self.late:
            every = self.cached(x, late, np.zeros((), x.array.dtype))
            number = self.arriving(x.rate, x.offset - late, x.end)
            self.late[id(x), late] = x, replace(x, array=cells(every, x.axis, 0, number), offset=x.offset - late)
        return self.late[id(x), late][1]

    def reachable(self, x: Signal, window: Window) -> Signal:
        """A signal of whose first cells each window that reads one reads the cell, too, of which it is a copy."""
        if not x.head:
            return x
        inside = max(x.head) <= window.span - 1 - window.before and window.spread == 1
        starts = window.before + x.offset - window.kept(x.offset) <= 0 <= window.kept(x.offset)
        return x if inside and starts else self.settled(x)

    def settled(self, x: Signal) -> Signal:
        """A signal whose first cells have their contents: it is delayed until those of which they are copies arrive."""
        if not x.head:
            return x
        late = max(x.offset, *(source - place for place, source in enumerate(x.head)))
        if (id(x), -late) not in self.late:
            every = self.with_head(x, self.cached(x, late, np.zeros((), x.array.dtype)), late)
            number = self.arriving(x.rate, x.offset - late, x.end)
            array = cells(every, x.axis, 0, number)
            self.late[id(x), -late] = x, replace(x, array=array, offset=x.offset - late, head=())
        return self.late[id(x), -late][1]

    def with_head(self, x: Signal, every: Array, kept: int) -> Array:
        """Cells of a signal from `kept` cells before the segment on, with the contents of the first ones."""
        if not x.head or self.phase == Phase.BEGIN or not every.shape[x.axis]:
            return every
        places = self.positions(x.rate, x.offset - kept, every.shape[x.axis])
        sources = jnp.asarray(x.head)[jnp.clip(places, 0, len(x.head) - 1)]
        sources = jnp.where((places >= 0) & (places < len(x.head)), sources, places) - places[0]
        return jnp.take(every, sources, axis=x.axis, mode="clip")

    def joined(self, x: Signal, first: Sequence[ArrayValue | Part], last: Sequence[ArrayValue | Part]) -> Signal:
        """A signal with cells before its first and after its last: arrays, or parts of the same signal."""
        parts = [part for part in (*first, *last) if isinstance(part, Part)]
        if any(part.source is not x or part.copies is not None for part in parts):
            raise CannotProve("it joins cells of different signals")
        head = () if first else x.head
        if any(isinstance(part, Part) for part in first):
            if not all(isinstance(part, Part) and min(part.cells, default=0) >= 0 for part in first):
                raise CannotProve("it joins copies of a signal's first cells with other cells", "Pad in one step")
            copied = [cell for part in first for cell in part.cells]
            copied = [x.head[cell] if cell < len(x.head) else cell for cell in copied]
            head = tuple(cell + len(copied) for cell in (*copied, *x.head))
            before = filled(x.array, x.axis, len(copied), np.zeros((), x.array.dtype))
        else:
            x = self.settled(x) if first else x
            before = joined([*first], x.axis) if first else filled(x.array, x.axis, 0, np.zeros((), x.array.dtype))
        width = before.shape[x.axis]
        depth = max((-cell for part in last if isinstance(part, Part) for cell in part.cells), default=0)
        if depth < 0 or any(cell >= 0 for part in last if isinstance(part, Part) for cell in part.cells):
            raise CannotProve("it joins the first cells of a signal to its end")
        reach = max((cell + 1 for part in first if isinstance(part, Part) for cell in part.cells), default=0)
        least = max(depth + len(x.head) if depth else 0, reach)
        self.shortest = max(self.shortest, math.ceil((least - x.end) / x.rate))
        kept = max(depth - x.rest, 0)
        every = self.cached(x, kept, np.zeros((), x.array.dtype))
        after = sum(_length(part, x.axis) for part in last)
        offset = x.offset + width
        result = Signal(x.array, x.axis, x.rate, offset, x.end + width + after, head)
        if self.phase == Phase.BEGIN:
            return replace(result, array=cells(joined([before, x.array], x.axis), x.axis, 0, max(offset, 0)))
        own = x.array
        if x.offset < 0 and width and not head:  # Some of the first cells arrive with the chunks.
            places = self.positions(x.rate, offset, own.shape[x.axis])
            contents = jnp.take(before, places, axis=x.axis, mode="clip")
            own = jnp.where(self.along((places >= 0) & (places < width), x), contents, own)
        if self.phase == Phase.STEP:
            return replace(result, array=own)
        present = every.shape[x.axis]
        ends = [
            jnp.take(every, np.array([present + cell for cell in part.cells]), axis=x.axis)
            if isinstance(part, Part)
            else part
            for part in last
        ]
        return replace(result, array=joined([own, *ends], x.axis))

    def realised(self, constant: Constant, offset: int) -> Signal:
        """A constant as a signal with this offset."""
        axis, first, last = constant.axis, constant.first.shape[constant.axis], constant.last.shape[constant.axis]
        number = self.arriving(constant.rate, offset, constant.end)
        ends = last if self.phase == Phase.END else 0
        if first or last:
            self.shortest = max(self.shortest, math.ceil((first + last - constant.end) / constant.rate))
        if first and not (offset >= first and self.phase != Phase.BEGIN):
            places = jnp.clip(self.positions(constant.rate, offset, number - ends), 0, first)
            array = jnp.take(joined([constant.first, constant.middle], axis), places, axis=axis)
        else:
            shape = (*constant.middle.shape[:axis], number - ends, *constant.middle.shape[axis + 1 :])
            array = jnp.broadcast_to(constant.middle, shape)
        array = joined([array, constant.last], axis) if ends else array
        return Signal(array, axis, constant.rate, offset, constant.end)

    def aligned(self, values: Sequence[object]) -> list[Signal]:
        """Signals and constants with one offset. A signal that arrives earlier than another is delayed by a cache.

        Raises:
            CannotProve: their rates or lengths differ.
        """
        found = [value for value in values if isinstance(value, Signal | Constant)]
        if len({(value.rate, value.end) for value in found}) > 1:
            raise CannotProve("its operands have different numbers of cells per cell of the signal")
        heads = {value.head for value in found if isinstance(value, Signal)}
        uniform = all(not value.first.shape[value.axis] for value in found if isinstance(value, Constant))
        head = heads.pop() if len(heads) == 1 and uniform else ()
        signals = [value if not isinstance(value, Signal) or head else self.settled(value) for value in found]
        offset = min(value.offset if isinstance(value, Signal) else value.latest for value in signals)
        return [
            self.delayed(value, value.offset - offset)
            if isinstance(value, Signal)
            else replace(self.realised(value, offset), head=head)
            for value in signals
        ]


def _length(part: ArrayValue | Part, axis: int) -> int:
    return len(part.cells) if isinstance(part, Part) else part.shape[axis]


def _applied(
    every: Array,
    axis: int,
    before: int,
    total: int,
    window: Window,
    fill: ArrayValue,
    apply: Callable[[Array, int, int], Array],
) -> Array:
    """All positions of a window over cells with padding: `before` cells of it, and `total` cells altogether."""
    if window.spread == 1 and before < 0:
        every, before = cells(every, axis, -before, every.shape[axis]), 0
    number = every.shape[axis]
    after = total - before - ((number - 1) * window.spread + 1 if number else 0)
    if window.spread == 1 and after < 0:
        every, after = cells(every, axis, 0, number + after), 0
        number = every.shape[axis]
    if total < window.span:  # No position: XLA would refuse a window that is larger than its operand.
        one = apply(filled(every, axis, window.span, fill), 0, 0)
        return cells(one, axis, 0, 0)
    if not number:
        every, before, after = filled(every, axis, 1, fill), before + after - 1, 0
    return apply(every, before, after)
