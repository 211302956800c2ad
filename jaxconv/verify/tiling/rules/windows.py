"""Rules for sliding windows: convolutions and pooling, and the constants around and between cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jax.lax import ConvDimensionNumbers

from jaxconv.verify.domain import CannotProve
from jaxconv.verify.tiling.agreement import PART_OF_STRIDE, checked
from jaxconv.verify.tiling.rules.pair import RULES, Pair, State, fitting
from jaxconv.verify.tiling.states import EQUAL, NONE, Equal, Interval, Window


def taken(window: Window, starts: tuple[int, int], stride: int, counts: tuple[int, int]) -> Window:
    """Cells start, start + stride, ... of a window; starts and counts of the whole and of the tile."""
    return slid(window, 1, stride, 1, (-starts[0], -starts[1]), counts)


def slid(
    window: Window, taps: int, stride: int, dilation: int, before: tuple[int, int], counts: tuple[int, int]
) -> Window:
    """Positions of a sliding window: out[j] reads cells j*stride - before + u*dilation for u < taps.

    `before` and `counts`: of the whole, and of the tile. Cells before the first and after the last are padding, which
    is the same in both executions where they begin or end together.
    """
    span = dilation * (taps - 1) + 1
    lo_of: Callable[[int, int], int] = lambda lo, padding: max(-(-(lo + padding) // stride), 0)
    hi_of: Callable[[int, int], int] = lambda hi, padding: (hi - 1 + padding - (span - 1)) // stride + 1
    reads = replace(window, whole=counts[0], tile=counts[1])
    offset = 0
    if window.rate is not None:
        offset, rest = divmod(window.offset + before[0] - before[1], stride)
        if rest:
            cure = f"Use sizes that differ by a multiple of {stride}, or padding that does not depend on the size"
            raise CannotProve(PART_OF_STRIDE, cure)
        reads = replace(reads, rate=window.rate * stride, offset=offset)

    def narrowed(interval: Interval) -> Interval:
        return NONE if interval == NONE else (lo_of(interval[0], before[1]), hi_of(interval[1], before[1]))

    inner, first, last = map(narrowed, (window.inner, window.first, window.last))
    if window.rate is None and window.inner != NONE:  # The cells of the whole have to be uniform on as much of it.
        from_end = window.tile - window.inner[1]
        lo = max(inner[0], lo_of(window.inner[0], before[0]))
        left = max(counts[1] - inner[1], counts[0] - hi_of(window.whole - from_end, before[0]))
        inner = (lo, counts[1] - left)
    rests = [
        length + padding - (count - 1) * stride
        for length, padding, count in zip((window.whole, window.tile), before, counts, strict=True)
    ]
    if before[0] != before[1]:
        first = first if window.rate is not None else _anywhere(inner, counts)
    elif window.begins_with_whole:
        first = (0, first[1])
    if rests[0] != rests[1]:
        last = last if window.rate is not None else _anywhere(inner, counts)
    elif window.ends_with_whole:
        last = (last[0], counts[1])
    return checked(replace(reads, inner=_positive(inner), first=_positive(first), last=_positive(last)))


def _anywhere(inner: Interval, counts: tuple[int, int]) -> Interval:
    """Where uniform cells of the tile are the whole's at the same distance from either end."""
    return inner if counts[0] >= counts[1] else NONE


def _positive(interval: Interval) -> Interval:
    return interval if interval[0] < interval[1] else NONE


def spread(
    window: Window, between: int, before: tuple[int, int], after: tuple[int, int], counts: tuple[int, int]
) -> Window:
    """A window with constants before it, after it and between its cells; counts of the whole and of the tile."""
    distance = between + 1

    def grown(interval: Interval) -> Interval:  # Constants between an agreeing cell and its neighbour agree, too.
        lo, hi = interval
        return NONE if interval == NONE else ((lo - 1) * distance + 1 + before[1], hi * distance + before[1])

    inner, first, last = map(grown, (window.inner, window.first, window.last))
    rate, offset = window.rate, 0
    if rate is not None:
        offset = window.offset * distance + before[0] - before[1]
        rate = rate / distance
    elif between:
        raise CannotProve("it puts constants between the cells of a constant", "Spread the signal instead")
    elif inner != NONE:  # The cells of the whole have to be uniform on as much of it.
        from_end = max(after) + window.tile - window.inner[1]
        inner = (max(before) + window.inner[0], min(inner[1], counts[1] - from_end))
    if before[0] != before[1]:
        first = first if rate is not None else _anywhere(inner, counts)
    elif window.begins_with_whole:
        first = (0, first[1])
    if after[0] != after[1]:
        last = last if rate is not None else _anywhere(inner, counts)
    elif window.ends_with_whole:
        last = (last[0], counts[1])
    whole, tile = counts
    return checked(
        replace(window, whole=whole, tile=tile, rate=rate, offset=offset,
                inner=_positive(inner), first=_positive(first), last=_positive(last))
    )  # fmt: skip


@RULES("conv_general_dilated", "jaxconv_conv", "jaxconv_conv_input_grad")
def convolution(pair: Pair) -> list[State]:
    """A sliding window along each spatial axis; channels are summed over, and the kernel is the same everywhere."""
    x, kernel = pair.inputs
    pair.same(*(pair.whole.params.keys() - {"padding", "spec"}))
    numbers: ConvDimensionNumbers = pair.whole.params["dimension_numbers"]
    lhs, rhs, out = numbers
    if isinstance(kernel, Window):
        raise CannotProve("its kernel depends on the size of the input", "Use a kernel of a fixed size")
    paddings = [[tuple(map(int, pair_)) for pair_ in side.params["padding"]] for side in (pair.whole, pair.tile)]
    axis = x.axis if isinstance(x, Window) else None
    if any(one != other for n, (one, other) in enumerate(zip(*paddings, strict=True)) if lhs[n + 2] != axis):
        raise CannotProve("it pads differently at the two sizes along an axis that is not tiled")
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    if isinstance(x, Equal):
        return [EQUAL]
    if x.axis == lhs[1]:
        raise CannotProve("the tiled axis is summed over as channels", "Keep the tiled axis a spatial one")
    if x.axis == lhs[0]:
        if pair.whole.params["batch_group_count"] > 1:
            raise CannotProve("the tiled axis is the batch axis, which batch_group_count splits")
        return [fitting(replace(x, axis=out[0]), whole, tile)]
    number = lhs.index(x.axis) - 2
    axis = out[number + 2]
    result = slid_and_spread(
        x,
        pair.whole.operands[1][rhs[number + 2]],
        pair.whole.params["window_strides"][number],
        pair.whole.params["rhs_dilation"][number],
        (paddings[0][number], paddings[1][number]),
        pair.whole.params["lhs_dilation"][number],
        (whole[axis], tile[axis]),
    )
    return [fitting(replace(result, axis=axis), whole, tile)]


def slid_and_spread(
    x: Window,
    taps: int,
    stride: int,
    dilation: int,
    paddings: tuple[tuple[int, ...], tuple[int, ...]],
    base_dilation: int,
    counts: tuple[int, int],
) -> Window:
    """Positions of a window that slides over a padded axis, with constants between its cells if it is dilated."""
    (before, after), (tile_before, tile_after) = paddings
    if base_dilation == 1:
        return slid(x, taps, stride, dilation, (before, tile_before), counts)
    length: Callable[[int, int], int] = lambda cells, padding: max((cells - 1) * base_dilation + 1, 0) + padding
    lengths = length(x.whole, before + after), length(x.tile, tile_before + tile_after)
    padded = spread(x, base_dilation - 1, (before, tile_before), (after, tile_after), lengths)
    return slid(padded, taps, stride, dilation, (0, 0), counts)


@RULES(
    "reduce_window_sum",
    "reduce_window_max",
    "reduce_window_min",
    "jaxconv_sum_pool",
    "jaxconv_max_pool",
    "jaxconv_min_pool",
)
def pooling(pair: Pair) -> list[State]:
    """A sum or an extremum over a sliding window along each axis."""
    pair.same("window_dimensions", "window_strides", "base_dilation", "window_dilation")
    x, params = pair.inputs[0], pair.whole.params
    paddings = [[tuple(map(int, counts)) for counts in side.params["padding"]] for side in (pair.whole, pair.tile)]
    axis = x.axis if isinstance(x, Window) else None
    if any(one != other for n, (one, other) in enumerate(zip(*paddings, strict=True)) if n != axis):
        raise CannotProve("it pads differently at the two sizes along an axis that is not tiled")
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    if isinstance(x, Equal):
        return [EQUAL]
    n = x.axis
    result = slid_and_spread(
        x,
        params["window_dimensions"][n],
        params["window_strides"][n],
        params["window_dilation"][n],
        (paddings[0][n], paddings[1][n]),
        params["base_dilation"][n],
        (whole[n], tile[n]),
    )
    return [fitting(result, whole, tile)]
