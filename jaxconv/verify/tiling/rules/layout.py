"""Rules for primitives that rearrange the cells of one array, or join several."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

from jaxconv.verify.domain import CannotProve
from jaxconv.verify.tiling.agreement import CUT_DIFFERENTLY, NO_PART_MOVES, both, checked, uniform_window
from jaxconv.verify.tiling.rules.pair import RULES, Pair, State, fitting, with_fixed
from jaxconv.verify.tiling.rules.windows import spread, taken
from jaxconv.verify.tiling.states import EQUAL, NONE, Equal, Interval, Window


@RULES("broadcast_in_dim")
def broadcast_in_dim(pair: Pair) -> list[State]:
    """New axes, and axes of one cell that grow, are uniform."""
    pair.same("broadcast_dimensions")
    places: Sequence[int] = pair.whole.params["broadcast_dimensions"]
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    state = pair.inputs[0]
    if isinstance(state, Window):
        return [fitting(replace(state, axis=places[state.axis]), whole, tile)]
    grown = [n for n in range(len(whole)) if whole[n] != tile[n]]
    if not grown:
        return [EQUAL]
    return [uniform_along(grown, whole, tile, pair.more)]


def uniform_along(grown: Sequence[int], whole: tuple[int, ...], tile: tuple[int, ...], more: int) -> Window:
    """A value that is uniform along the only axis whose length depends on the size of the input."""
    if len(grown) > 1:
        raise CannotProve("two axes of its result depend on the size of the input")
    (axis,) = grown
    return uniform_window(axis, whole[axis], tile[axis], more)


@RULES("tile")
def repeated(pair: Pair) -> list[State]:
    """Copies one after another along axes that are not tiled."""
    pair.same("reps")
    reps: Sequence[int] = pair.whole.params["reps"]
    state = pair.other_axes(*(axis for axis, count in enumerate(reps) if count != 1))
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    return [fitting(state, whole, tile)]


@RULES("transpose")
def transpose(pair: Pair) -> list[State]:
    """Axes in another order."""
    pair.same("permutation")
    state = pair.inputs[0]
    order: Sequence[int] = pair.whole.params["permutation"]
    return [replace(state, axis=order.index(state.axis)) if isinstance(state, Window) else state]


@RULES("squeeze")
def squeeze(pair: Pair) -> list[State]:
    """Axes of one cell are dropped."""
    pair.same("dimensions")
    dropped: Sequence[int] = pair.whole.params["dimensions"]
    state = pair.other_axes(*dropped)
    if isinstance(state, Window):
        state = replace(state, axis=state.axis - sum(n < state.axis for n in dropped))
    return [state]


@RULES("reshape")
def reshape(pair: Pair) -> list[State]:
    """The cells in row-major order: an axis is merged with those after it, or split into a major axis and others."""
    state = pair.inputs[0]
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    if isinstance(state, Equal):
        if whole != tile:
            raise CannotProve("the shape of its result depends on the size of the input, and its operand does not")
        return [EQUAL]
    if not state.tile:
        raise CannotProve("its operand has no cells", "Use larger tiles")
    before = math.prod(pair.tile.operands[0][: state.axis])
    for axis in sorted(range(len(tile)), key=lambda axis: axis != state.axis):  # one cell may be a cell of any axis
        if math.prod(tile[:axis]) != before or math.prod(whole[:axis]) != before or not tile[axis]:
            continue
        minor, block = tile[axis] // state.tile, state.tile // tile[axis]
        if minor and (whole[axis], tile[axis]) == (state.whole * minor, state.tile * minor):
            return [fitting(merged(state, axis, minor), whole, tile)]
        if block and (state.whole, state.tile) == (whole[axis] * block, tile[axis] * block):
            return [fitting(split(state, axis, block), whole, tile)]
    raise CannotProve(CUT_DIFFERENTLY, "Keep the tiled axis apart, and use sizes that the blocks divide")


def merged(window: Window, axis: int, minor: int) -> Window:
    """Each cell becomes `minor` cells."""
    if window.rate is None and minor > 1:
        raise CannotProve("it merges the axis of a constant with others", "Keep the tiled axis apart")
    grow: Callable[[Interval], Interval] = lambda interval: (interval[0] * minor, interval[1] * minor)
    return checked(
        replace(
            window,
            axis=axis,
            whole=window.whole * minor,
            tile=window.tile * minor,
            rate=None if window.rate is None else window.rate / minor,
            offset=window.offset * minor,
            inner=grow(window.inner),
            first=grow(window.first),
            last=grow(window.last),
        )
    )


def split(window: Window, axis: int, minor: int) -> Window:
    """Blocks of `minor` cells become cells."""
    if window.offset % minor:
        raise CannotProve(f"a tile would begin within a block of {minor} cells", "Crop whole blocks")
    shrink: Callable[[Interval], Interval] = lambda interval: (-(-interval[0] // minor), interval[1] // minor)
    return checked(
        replace(
            window,
            axis=axis,
            whole=window.whole // minor,
            tile=window.tile // minor,
            rate=None if window.rate is None else window.rate * minor,
            offset=window.offset // minor,
            inner=shrink(window.inner),
            first=shrink(window.first),
            last=shrink(window.last),
        )
    )


@RULES("rev")
def rev(pair: Pair) -> list[State]:
    """out[j] = x[l-1-j]: start and end are exchanged."""
    pair.same("dimensions")
    state = pair.inputs[0]
    reversed_axes: Sequence[int] = pair.whole.params["dimensions"]
    if isinstance(state, Equal) or state.axis not in reversed_axes:
        return [state]
    if state.rate is not None:
        state = replace(state, rate=-state.rate, offset=state.whole - state.tile - state.offset)
        turned = replace(state, **{n: _turned(getattr(state, n), state.tile) for n in ("inner", "first", "last")})
        return [checked(turned)]
    first, last = _turned(state.last, state.tile), _turned(state.first, state.tile)
    return [replace(state, inner=_turned(state.inner, state.tile), first=first, last=last)]


def _turned(interval: Interval, length: int) -> Interval:
    return NONE if interval == NONE else (length - interval[1], length - interval[0])


@RULES("slice")
def slice_(pair: Pair) -> list[State]:
    """out[j] = x[start + j*stride] along each axis."""
    pair.same("strides")
    state = pair.inputs[0]
    starts = list(zip(pair.whole.params["start_indices"], pair.tile.params["start_indices"], strict=True))
    strides: Sequence[int] = pair.whole.params["strides"] or (1,) * len(starts)
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    axis = state.axis if isinstance(state, Window) else None
    if any(start != other for n, (start, other) in enumerate(starts) if n != axis):
        raise CannotProve("it takes other cells at the two sizes along an axis that is not tiled")
    if isinstance(state, Equal):
        grown = [n for n in range(len(whole)) if whole[n] != tile[n]]
        return [prefix(grown, whole, tile, pair.more) if grown else EQUAL]
    stride = strides[state.axis]
    sliced = taken(state, starts[state.axis], stride, (whole[state.axis], tile[state.axis]))
    return [fitting(sliced, whole, tile)]


@RULES("pad")
def pad(pair: Pair) -> list[State]:
    """x with cells of one value before it, after it and between its cells; a negative count removes cells."""
    state, filling = pair.inputs
    if isinstance(filling, Window):
        raise CannotProve("it pads with a value that depends on the place of the tile")
    sides = pair.whole, pair.tile
    configs = [[tuple(map(int, counts)) for counts in side.params["padding_config"]] for side in sides]
    axis = state.axis if isinstance(state, Window) else None
    if any(one != other for n, (one, other) in enumerate(zip(*configs, strict=True)) if n != axis):
        raise CannotProve("it pads differently at the two sizes along an axis that is not tiled")
    if isinstance(state, Equal):
        return [EQUAL]
    (before, after, between), (tile_before, tile_after, _) = configs[0][state.axis], configs[1][state.axis]
    if between != configs[1][state.axis][2]:
        raise CannotProve("it spreads cells differently at the two sizes")
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    counts = whole[state.axis], tile[state.axis]
    return [fitting(spread(state, between, (before, tile_before), (after, tile_after), counts), whole, tile)]


@RULES("concatenate")
def concatenate(pair: Pair) -> list[State]:
    """Operands one after another along an axis. One without cells, as of padding at one end only, adds nothing."""
    pair.same("dimension")
    pair = _of_operands_with_cells(pair)
    axis: int = pair.whole.params["dimension"]
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    windows = [state for state in pair.inputs if isinstance(state, Window)]
    if not windows:
        return [fitting(EQUAL, whole, tile)]
    if all(window.axis != axis for window in windows):
        if len(windows) < len(pair.inputs):
            raise CannotProve("it joins values that depend on the size of the input with others that do not")
        return [fitting(both(windows), whole, tile)]
    if any(window.axis != axis for window in windows):
        raise CannotProve("its operands depend on the length along different axes")
    return [_joined(pair, axis, whole[axis], tile[axis])]


def _of_operands_with_cells(pair: Pair) -> Pair:
    sides = (pair.whole, pair.tile)
    kept = [n for n in range(len(pair.inputs)) if any(math.prod(side.operands[n]) for side in sides)]
    whole, tile = (replace(side, operands=[side.operands[n] for n in kept]) for side in sides)
    known = [pair.known[n] for n in kept]
    return replace(pair, whole=whole, tile=tile, inputs=[pair.inputs[n] for n in kept], known=known)


def _joined(pair: Pair, axis: int, whole: int, tile: int) -> Window:
    """Operands one after another along the tiled axis: the result moves as the widest of them."""
    starts = [list(accumulate((shape[axis] for shape in side.operands), initial=0)) for side in (pair.whole, pair.tile)]
    moving = [
        (state, start, place)
        for state, start, place in zip(pair.inputs, starts[0], starts[1], strict=False)
        if isinstance(state, Window) and state.rate is not None and state.inner != NONE
    ]
    if not moving:
        raise CannotProve(NO_PART_MOVES)
    leader, start, place = max(moving, key=lambda one: one[0].inner[1] - one[0].inner[0])
    result = replace(
        leader, whole=whole, tile=tile, offset=leader.offset + start - place,
        shift=math.lcm(*(state.shift for state, _, _ in moving)), inner=NONE, first=NONE, last=NONE,
    )  # fmt: skip
    at_end = result.at_end
    parts: dict[str, list[Interval]] = {"inner": [], "first": [], "last": []}
    for state, start, place, shape in zip(pair.inputs, starts[0], starts[1], pair.tile.operands, strict=False):
        moved = start - place
        if isinstance(state, Equal):  # the same cells at the same distance from the start, or from the end
            every = (place, place + shape[axis])
            parts["first"] += [every] * (moved == result.at_start)
            parts["last"] += [every] * (moved == at_end)
            continue
        if state.rate is not None and (state.rate, state.offset + moved) == (result.rate, result.offset):
            parts["inner"].append(_moved(state.inner, place))
        parts["first"] += [_moved(state.first, place)] * (
            state.first != NONE and state.at_start + moved == result.at_start
        )
        at_own_end = state.at_end
        if state.last != NONE and at_end is not None and at_own_end is not None and at_own_end + moved == at_end:
            parts["last"].append(_moved(state.last, place))
    found = {name: _longest(intervals) for name, intervals in parts.items()}
    return checked(replace(result, inner=found["inner"], first=found["first"], last=found["last"]))


def _moved(interval: Interval, by: int) -> Interval:
    return interval[0] + by, interval[1] + by


def _longest(intervals: Sequence[Interval]) -> Interval:
    """The longest union of adjacent intervals."""
    runs: list[Interval] = [NONE]
    for lo, hi in sorted(interval for interval in intervals if interval[0] < interval[1]):
        last_lo, last_hi = runs[-1]
        if last_lo < last_hi and lo <= last_hi:
            runs[-1] = (last_lo, max(hi, last_hi))
        else:
            runs.append((lo, hi))
    return max(runs, key=lambda run: run[1] - run[0])


@RULES("split")
def split_apart(pair: Pair) -> list[State]:
    """Consecutive slices along one axis."""
    pair.same("axis")
    axis: int = pair.whole.params["axis"]
    sizes = [list(map(int, side.params["sizes"])) for side in (pair.whole, pair.tile)]
    state = pair.inputs[0]
    if isinstance(state, Window) and state.axis == axis:
        starts = [accumulate(own, initial=0) for own in sizes]
        return [
            taken(state, (start, place), 1, (count, own))
            for start, place, count, own in zip(*starts, *sizes, strict=False)
        ]
    if sizes[0] != sizes[1]:
        raise CannotProve("it splits an axis differently at the two sizes")
    return [state] * len(sizes[0])


@RULES("stack")
def stack(pair: Pair) -> list[State]:
    """Operands of one shape along a new axis."""
    pair.same("axis")
    windows = [state for state in pair.inputs if isinstance(state, Window)]
    if not windows:
        return [EQUAL]
    for number, state in enumerate(pair.inputs):
        if isinstance(state, Equal):
            windows = with_fixed(pair, windows, number, windows[0].axis)
    joined, axis = both(windows), pair.whole.params["axis"]
    return [replace(joined, axis=joined.axis + (joined.axis >= axis))]


@RULES("unstack")
def unstack(pair: Pair) -> list[State]:
    """The slices along one axis, one result each."""
    pair.same("axis")
    axis: int = pair.whole.params["axis"]
    state = pair.other_axes(axis)
    if isinstance(state, Window):
        state = replace(state, axis=state.axis - (state.axis > axis))
    return [state] * len(pair.whole.results)


def prefix(grown: Sequence[int], whole: tuple[int, ...], tile: tuple[int, ...], more: int) -> Window:
    """First cells of an array, more of them for the whole: they are the same for the first tile, and for no other."""
    if len(grown) > 1:
        raise CannotProve("two axes of its result depend on the size of the input")
    (axis,) = grown
    first = (0, min(tile[axis], whole[axis]))
    return Window(axis, whole[axis], tile[axis], more, None, 0, NONE, first, NONE)
