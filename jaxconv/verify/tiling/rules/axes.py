"""Rules for functions that treat all positions along the tiled axis alike: pointwise, products, reductions, sorting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jaxconv.jaxprs.primitives import family
from jaxconv.verify.domain import CannotProve
from jaxconv.verify.tiling.agreement import both
from jaxconv.verify.tiling.rules.pair import RULES, Pair, State, fitting, with_fixed
from jaxconv.verify.tiling.states import EQUAL, Equal, Window


@RULES(*family("pointwise"))
def pointwise(pair: Pair) -> list[State]:
    """out[i] = f(a[i], b[i], ...): agrees where all operands do."""
    pair.same()
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    windows = [_of_rank(state, pair, number) for number, state in enumerate(pair.inputs) if isinstance(state, Window)]
    for number, state in enumerate(pair.inputs):
        if windows and isinstance(state, Equal) and pair.tile.operands[number]:
            windows = with_fixed(pair, windows, number, windows[0].axis)
    return [fitting(both(windows) if windows else EQUAL, whole, tile)]


def _of_rank(state: Window, pair: Pair, number: int) -> Window:
    if len(pair.whole.operands[number]) != len(pair.whole.results[0]):
        raise CannotProve(f"{pair.name} broadcasts the tiled axis", "Give both operands the same number of axes")
    return state


@RULES(*family("identity"))
def each_by_itself(pair: Pair) -> Sequence[State]:
    """out_i = x_i."""
    return pair.inputs


@RULES("dot_general")
def dot_general(pair: Pair) -> list[State]:
    """Sums of products over some axes; the others are batch axes, or belong to one operand."""
    pair.same()
    (contract, batch) = pair.whole.params["dimension_numbers"]
    windows: list[Window] = []
    ranks = [len(shape) for shape in pair.whole.operands]
    for operand, state in enumerate(pair.inputs):
        if isinstance(state, Equal):
            continue
        pair.other_axes(*contract[operand], operand=operand)
        if state.axis in batch[operand]:
            axis = list(batch[operand]).index(state.axis)
        else:
            rest = [n for n in range(ranks[operand]) if n not in (*contract[operand], *batch[operand])]
            before = len(batch[0]) + (ranks[0] - len(contract[0]) - len(batch[0])) * operand
            axis = before + rest.index(state.axis)
        windows.append(replace(state, axis=axis))
    for operand, state in enumerate(pair.inputs):
        if windows and isinstance(state, Equal) and windows[0].axis < len(batch[operand]):
            windows = with_fixed(pair, windows, operand, batch[operand][windows[0].axis])
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    return [fitting(both(windows) if windows else EQUAL, whole, tile)]


@RULES(
    "reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "reduce_xor", "argmax", "argmin"
)
def reduction(pair: Pair) -> list[State]:
    """A reduction over axes that are not tiled."""
    pair.same()
    axes: Sequence[int] = pair.whole.params["axes"]
    state = pair.other_axes(*axes)
    if isinstance(state, Window):
        state = replace(state, axis=state.axis - sum(n < state.axis for n in axes))
    return [state]


@RULES("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def cumulative(pair: Pair) -> list[State]:
    """A running reduction along an axis that is not tiled."""
    pair.same()
    return [pair.other_axes(pair.whole.params["axis"])]


@RULES("top_k")
def top_k(pair: Pair) -> list[State]:
    """The largest values along an axis that is not tiled, and their places."""
    pair.same()
    axis: int = pair.whole.params.get("axis", len(pair.whole.operands[0]) - 1)
    return [pair.other_axes(axis)] * len(pair.whole.results)


@RULES("fft")
def fft(pair: Pair) -> list[State]:
    """A Fourier transform along the last axes, none of which is tiled."""
    pair.same()
    rank = len(pair.whole.operands[0])
    return [pair.other_axes(*range(rank - len(pair.whole.params["fft_lengths"]), rank))]


@RULES("sort")
def sort(pair: Pair) -> list[State]:
    """Operands sorted along an axis that is not tiled."""
    pair.same()
    windows = [
        pair.other_axes(pair.whole.params["dimension"], operand=n)
        for n, state in enumerate(pair.inputs)
        if isinstance(state, Window)
    ]
    if not windows:
        return [EQUAL] * len(pair.whole.results)
    if len(windows) < len(pair.inputs):
        raise CannotProve("it sorts values that depend on the size of the input with others that do not")
    return [both([w for w in windows if isinstance(w, Window)])] * len(pair.whole.results)
