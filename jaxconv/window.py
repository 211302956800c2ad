"""Sliding-window arithmetic in plain integers: paddings, output sizes, and the cell that each tap reads.

Every operation with a window uses this module: convolution, pooling, locally connected layers, the NumPy reference and
the verifier. Each padding mode is defined here only. The module imports no JAX. A fault here would affect both sides of
a test that compares these users. The formulas are therefore proved in proofs/coq/Geometry.v, and
tests/proofs/test_golden.py compares the code with them.

Each axis is independent. Along an axis of `length` cells, a window of `taps` taps, `dilation` cells apart, has the
positions `j = 0 .. out-1`, `stride` cells apart. Tap `u` of the window at position `j` has the coordinate

    i = j*stride + u*dilation - lo,        -lo <= i < length + hi.

It reads cell `i` if `0 <= i < length`. Otherwise the boundary determines the cell that it reads, or that it reads a
zero.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from typing import TypeAlias

from jaxconv.checks import STATIC, choice, flag, is_one, is_traced, several, shown
from jaxconv.errors import bracketed, explain, public_as, spatial_names
from jaxconv.sizes import WIDENED, size


def _reflect(i: int, length: int) -> int:
    period = max(2 * (length - 1), 1)  # one cell reflects onto itself
    return min(i % period, -i % period)


# boundary -> the cell at coordinate i outside [0, length); None is a zero.
# The cells [a, b, c] with two more at each end:
BOUNDARIES: dict[str, Callable[[int, int], int | None]] = {
    "ZERO": lambda i, length: None,  #                                    0 0 a b c 0 0
    "CIRCULAR": lambda i, length: i % length,  #                          b c a b c a b
    "REFLECT": _reflect,  #                                               c b a b c b a
    "SYMMETRIC": lambda i, length: min(i % (2 * length), ~i % (2 * length)),  # b a a b c c b
    "EDGE": lambda i, length: min(max(i, 0), length - 1),  #              a a a b c c c
}


@dataclass(frozen=True)
class Pad:
    """`lo` cells of padding before the axis and `hi` after it, filled as `boundary` says.

    Every padding is converted to this form. The named boundary paddings centre the window; use `Pad` for other amounts.

    Args:
        lo: number of cells before the axis, 0 or more.
        hi: number of cells after the axis, 0 or more.
        boundary: "ZERO", "CIRCULAR", "REFLECT", "SYMMETRIC" or "EDGE", in any letter case.

    Raises:
        ValueError: a negative number of cells, or an unknown boundary.
        TypeError: `lo` or `hi` is not an integer, or `boundary` is not a string.

    >>> Pad(2, 1, "circular")
    Pad(lo=2, hi=1, boundary='CIRCULAR')
    """

    lo: int
    hi: int
    boundary: str = "ZERO"

    @public_as("Pad")
    def __post_init__(self):
        for name in ("lo", "hi"):
            cells = size(name, getattr(self, name), least=0, cure="Write 0 for no padding at that end")
            object.__setattr__(self, name, cells)
        cure = 'Leave it out for zeros, or write "CIRCULAR" to wrap around'
        boundary = choice("boundary", self.boundary, tuple(BOUNDARIES), cure=cure, any_case=True)
        object.__setattr__(self, "boundary", boundary)


AxisPadding: TypeAlias = str | Pad | tuple[int, int]
Padding: TypeAlias = AxisPadding | Sequence[AxisPadding]


def _same(length: int, span: int, stride: int, *, lower: bool = False) -> Pad:
    """The fewest zeros that give `ceil(length / stride)` windows, split evenly.

    An odd zero is placed after the axis, or before it if `lower`. The start of the windows depends on the length as
    well as on the window, so SAME with a stride has no fixed phase.
    """
    total = max((-(-length // stride) - 1) * stride + span - length, 0)
    less, more = total // 2, total - total // 2
    return Pad(more, less) if lower else Pad(less, more)


def _centred(boundary: str) -> Callable[[int, int, int], Pad]:
    """Padding that centres window `j` on cell `j*stride` for any length: `ceil(length / stride)` windows."""
    return lambda length, span, stride: Pad((span - 1) // 2, span // 2, boundary)


# name -> (length, span, stride) -> Pad.
PADDINGS: dict[str, Callable[[int, int, int], Pad]] = {
    "VALID": lambda length, span, stride: Pad(0, 0),
    "SAME": _same,
    "SAME_LOWER": partial(_same, lower=True),
    "CAUSAL": lambda length, span, stride: Pad(span - 1, 0),  # window j ends on cell j*stride
    "CIRCULAR": _centred("CIRCULAR"),
    "REFLECT": _centred("REFLECT"),
    "SYMMETRIC": _centred("SYMMETRIC"),
    "EDGE": _centred("EDGE"),
}

# Names of some of these paddings in NumPy, SciPy and PyTorch, for error messages.
OTHERS = {"WRAP": "CIRCULAR", "REPLICATE": "EDGE", "NEAREST": "EDGE", "MIRROR": "REFLECT", "ZEROS": "SAME"}


@dataclass(frozen=True)
class Axis:
    """One axis of a sliding window, with its padding as a number of cells.

    >>> axis = Axis(length=3, taps=2, stride=1, dilation=1, pad=Pad(0, 1, "CIRCULAR"))
    >>> axis.out, [axis.reads(j) for j in range(axis.out)]
    (3, [(0, 1), (1, 2), (2, 0)])
    """

    length: int
    taps: int
    stride: int
    dilation: int
    pad: Pad

    @property
    def span(self) -> int:
        """Number of cells from the first tap to the last, inclusive: `dilation*(taps - 1) + 1`."""
        return self.dilation * (self.taps - 1) + 1

    @property
    def padded(self) -> int:
        """Length including the padding: `lo + length + hi`."""
        return self.pad.lo + self.length + self.pad.hi

    @property
    def out(self) -> int:
        """Number of window positions: `floor((padded - span) / stride) + 1`, or 0 if the window does not fit."""
        return (self.padded - self.span) // self.stride + 1 if self.padded >= self.span else 0

    def cell(self, i: int) -> int | None:
        """The cell at coordinate `i`; None is a zero."""
        return i if 0 <= i < self.length else BOUNDARIES[self.pad.boundary](i, self.length)

    def reads(self, j: int) -> tuple[int | None, ...]:
        """The cells that the taps of the window at position `j` read, in order; None is a zero."""
        start = j * self.stride - self.pad.lo
        return tuple(self.cell(start + u * self.dilation) for u in range(self.taps))

    def inside(self, j: int) -> int:
        """Number of taps of the window at position `j` that read a cell rather than a zero."""
        if self.pad.boundary != "ZERO":
            return self.taps
        start = j * self.stride - self.pad.lo  # 0 <= start + u*dilation < length
        first, stop = -(start // self.dilation), -((start - self.length) // self.dilation)
        return max(min(stop, self.taps) - max(first, 0), 0)


def slide(
    lengths: Sequence[int],
    window: Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    *,
    ceil_mode: bool = False,
) -> tuple[Axis, ...]:
    """Returns the axes of a window that slides over an input of `lengths`: one axis per entry of `window`.

    Args:
        lengths: number of cells along each spatial axis.
        window: number of taps along each spatial axis.
        stride: number of cells between neighbouring positions; one integer for all axes, or one per axis.
        padding: a name in `PADDINGS` in any letter case, or a `Pad`, for all axes; or a sequence with a name, a `Pad`
            or a pair `(lo, hi)` of zeros for each axis.
        dilation: number of cells between neighbouring taps; one integer for all axes, or one per axis.
        ceil_mode: whether the last window may overhang the padded input: `ceil((padded - span) / stride) + 1`
            positions. As in PyTorch, no window starts beyond the input. Overhanging taps read zeros. This is allowed
            only for "VALID" and zero padding, where the number of positions is otherwise rounded down.

    Raises:
        ValueError: a size is not positive or exceeds the limits of `sizes.py`; the padding is unknown; the window is
            larger than the padded input; or `ceil_mode` is used with a padding that does not support it.
        TypeError: a size is not an integer, or `ceil_mode` is not a boolean.

    >>> [axis.out for axis in slide((5, 7), (3, 3), stride=2, padding=("circular", "valid"))]
    [3, 3]
    >>> [axis.reads(1) for axis in slide((5,), (3,), stride=3, ceil_mode=True)]
    [(3, 4, None)]
    """
    ceil_mode = flag("ceil_mode", ceil_mode, cure="Write one of them, for all axes")
    each = _each_axis(window, stride, padding, dilation)
    axes = tuple(_axis(length, ceil_mode, *settings) for length, settings in zip(lengths, each, strict=True))
    cure = "Use less padding, or a smaller window or dilation"
    WIDENED.check("x with its padding", [axis.padded for axis in axes], lengths, cure)
    return axes


def lengths_before(
    outs: Sequence[int],
    window: Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
) -> tuple[range, ...]:
    """Returns for each axis the input lengths that give `outs` window positions; other arguments as for `slide`.

    Raises:
        ValueError: no length gives that number of positions, or as for `slide`.

    >>> lengths_before((3, 3), (3, 3), stride=(1, 2), padding=("valid", "circular"))
    (range(5, 6), range(5, 7))
    """
    each = _each_axis(window, stride, padding, dilation)
    return tuple(_lengths(out, *settings) for out, settings in zip(outs, each, strict=True))


def _each_axis(
    window: Sequence[int], stride: int | Sequence[int], padding: Padding, dilation: int | Sequence[int]
) -> list[tuple[str, int, int, int, str | Pad]]:
    """The name, taps, stride, dilation and padding of each axis, checked."""
    rank = len(window)
    return list(
        zip(
            spatial_names(rank),
            positive("window", window, rank),
            positive("stride", stride, rank),
            positive("dilation", dilation, rank),
            _paddings(padding, rank),
            strict=True,
        )
    )


def _make_axis(length: int, taps: int, stride: int, dilation: int, padding: str | Pad) -> Axis:
    span = dilation * (taps - 1) + 1
    pad = padding if isinstance(padding, Pad) else PADDINGS[padding](length, span, stride)
    return Axis(length, taps, stride, dilation, pad)


def _lengths(out: int, name: str, taps: int, stride: int, dilation: int, padding: str | Pad) -> range:
    count = lambda length: _make_axis(length, taps, stride, dilation, padding).out
    lengths = range(1, out * stride + dilation * taps + 1)  # the count is monotonic, and exceeds `out` at the end
    matching = lengths[bisect_left(lengths, out, key=count) : bisect_left(lengths, out + 1, key=count)]
    if not matching:
        expected = f"the number of positions of a window of {taps} taps for some input length, with padding {padding}"
        cure = "Pass the output of a layer with this window, or change the settings"
        raise ValueError(explain(f"y along axis {name}", f"{out} positions long", expected, cure))
    return matching


def _overhanging(name: str, axis: Axis, padding: str | Pad) -> Axis:
    """Extends the padding with zeros for one more window, if cells remain after the last window."""
    if padding != "VALID" and not (isinstance(padding, Pad) and padding.boundary == "ZERO"):
        actual = f"True, and the padding {padding} along axis {name}"
        cure = "Other names give ceil(length / stride) positions without it; for a Pad of copies use a larger hi"
        raise ValueError(explain("ceil_mode", actual, 'False unless padding is "VALID" or zeros (lo, hi)', cure))
    positions = -(-(axis.padded - axis.span) // axis.stride) + 1
    start = (positions - 1) * axis.stride
    if positions <= axis.out or start >= axis.pad.lo + axis.length:
        return axis
    return replace(axis, pad=Pad(axis.pad.lo, start + axis.span - axis.pad.lo - axis.length))


def _axis(length: int, ceil_mode: bool, name: str, taps: int, stride: int, dilation: int, padding: str | Pad) -> Axis:
    if length < 1:
        cure = "Pass an input with at least one cell along each axis"
        raise ValueError(explain(f"x along axis {name}", f"{length} cells long", "1 or more", cure))
    axis = _make_axis(length, taps, stride, dilation, padding)
    if ceil_mode:
        axis = _overhanging(name, axis, padding)
    if axis.out < 1:
        lo, hi = axis.pad.lo, axis.pad.hi
        raise ValueError(
            explain(
                f"window along axis {name}",
                f"{axis.span} cells wide ({taps} taps, dilation {dilation})",
                f"at most as wide as the padded input, which has {axis.padded} cells ({lo} + {length} + {hi})",
                "Use a larger input, a smaller window or dilation, or more padding",
            )
        )
    return axis


def window_sizes(window: Sequence[int], argument: str = "window") -> tuple[int, ...]:
    """The number of taps along each axis, or another tuple of positive integers with one item per spatial axis.

    A single integer is refused, because it does not determine the number of axes.

    >>> window_sizes([2, 3])
    (2, 3)
    """
    cure = "Its length is the number of spatial axes: (2,) for signals, (2, 2) for images, (2, 2, 2) for volumes"
    values = several(window)
    if values is None or not values:
        error = ValueError if is_one(window) or values == () else TypeError
        raise error(explain(argument, shown(window), "one integer per spatial axis", cure))
    return _each_positive(argument, window, values, "one integer per spatial axis", cure)


def positive(argument: str, value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """One positive integer per spatial axis; a single integer applies to every axis.

    >>> positive("stride", 2, rank=3)
    (2, 2, 2)
    """
    cure = f"Write 1 for every axis, or ({', '.join('1' * rank)}{',' * (rank == 1)}) for each"
    if is_one(value):
        return (size(argument, value, cure=cure),) * rank
    values = several(value)
    if values is None:
        cure = STATIC if is_traced(value) else cure
        raise TypeError(explain(argument, shown(value), f"an integer, or {rank} of them", cure))
    if len(values) != rank:
        expected = f"one integer, or {rank} of them: {_axes(rank)}"
        raise ValueError(explain(argument, shown(value), expected, cure))
    return _each_positive(argument, value, values, f"an integer, or {rank} of them", cure)


def _each_positive(
    argument: str, value: object, items: tuple[object, ...], expected: str, cure: str
) -> tuple[int, ...]:
    """The items of `value`, each a positive integer; an error message about a type shows all of `value`."""
    try:
        return tuple(size(argument, item, cure=cure) for item in items)
    except TypeError as error:
        cure = STATIC if any(map(is_traced, items)) else cure
        raise TypeError(explain(argument, shown(value), expected, cure)) from error


def runs(cells: Iterable[int | None]) -> list[tuple[int | None, int, int]]:
    """Groups cells into the fewest runs `(first, count, step)`, step -1, 0 or 1. One slice or reversal copies a run.

    >>> runs([1, 2, 3, 2, 1, 1, 1, None, None])
    [(1, 3, 1), (2, 2, -1), (1, 2, 0), (None, 2, 0)]
    """
    groups: list[tuple[int | None, int, int]] = []
    for cell in cells:
        step = _next_step(groups[-1], cell) if groups else None
        if step is None:
            groups.append((cell, 1, 0))
        else:
            first, count, _ = groups[-1]
            groups[-1] = (first, count + 1, step)
    return groups


def _next_step(run: tuple[int | None, int, int], cell: int | None) -> int | None:
    """The step with which `cell` continues `run`, or None if it does not."""
    first, count, step = run
    if first is None or cell is None:
        return 0 if first is cell else None
    step = cell - first if count == 1 else step
    return step if abs(step) <= 1 and cell == first + count * step else None


def _axes(rank: int) -> str:
    return bracketed(spatial_names(rank))


def _paddings(padding: Padding, rank: int) -> tuple[str | Pad, ...]:
    """One padding per axis: a name of `PADDINGS` or a `Pad`."""
    if isinstance(padding, str | Pad):
        return (_padding(padding, rank),) * rank
    each = padding if isinstance(padding, list | tuple) else ()
    if len(each) != rank or any(is_one(item) for item in each):
        raise _unknown_padding(padding, rank)
    return tuple(_padding(item, rank) for item in each)


def _padding(padding: object, rank: int) -> str | Pad:
    """The padding of one axis: a name of `PADDINGS` in upper case, or a `Pad`."""
    if isinstance(padding, Pad):
        return padding
    if isinstance(padding, str) and padding.upper() in PADDINGS:
        return padding.upper()
    if isinstance(padding, list | tuple) and len(padding) == 2:
        cure = "Write (0, 0) for no padding along that axis"
        lo, hi = (size("padding", cells, least=0, cure=cure) for cells in padding)
        return Pad(lo, hi)
    raise _unknown_padding(padding, rank)


def _unknown_padding(padding: object, rank: int) -> Exception:
    pairs = "(" + "(1, 1), " * (rank - 1) + ("(1, 1))" if rank > 1 else "(1, 1),)")
    expected = f"one of {', '.join(PADDINGS)}, or one of them, a Pad or a (lo, hi) pair for each axis {_axes(rank)}"
    name = padding.upper() if isinstance(padding, str) else ""
    near = [OTHERS[name]] if name in OTHERS else get_close_matches(name, PADDINGS, 1)
    cure = f'Perhaps you mean "{near[0]}"' if near else f"One zero on every side is {pairs}"
    error = ValueError if isinstance(padding, str | list | tuple) else TypeError
    return error(explain("padding", shown(padding), expected, cure))
