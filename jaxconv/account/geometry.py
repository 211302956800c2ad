"""What the primitives that make layers do: the window that slides, and how many multiplications and additions it takes.

Multiply-adds are counted as the field does: one for each position, tap, channel of the tap's group and output channel,
those that meet a zero of the padding included. The zeros that a transposed convolution puts between and around cells
are not padding: it takes as many as the convolution that it transposes, each cell times each tap. So does the gradient
with respect to a convolution's input, which is one. In lax one with stride 1 is the same equation as a convolution with
much padding, and counts as that; `jc.conv_transpose` and our gradients say which they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jaxconv.jaxprs.registry import Registry


@dataclass(frozen=True)
class Geometry:
    """A layer without its parameters: `multiply_adds` are those of one call, None if nobody can tell.

    `stride`, `dilation`: along the window's axes. `uses`: of each number of the parameters together, if not as often as
    there are multiply-adds.
    """

    kind: str
    multiply_adds: int | None = 0
    window: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    uses: int | None = None


geometry: Registry[Callable[[Any, str], Geometry]] = Registry()  # of an equation; what its weights are, in words


@geometry("jaxconv_conv_input_grad")
def transposed_convolution(equation: Any, weights: str) -> Geometry:
    """A convolution with respect to its input, which says that it is one."""
    return convolution(equation, weights, transposes=True)


@geometry("conv_general_dilated")
def convolution(equation: Any, weights: str, *, transposes: bool = False) -> Geometry:
    """out[n,j,o] = sum_{u,c} x[n, j*stride + u*dilation - lo, c] w[u,c,o]: positions * taps * c/groups * o for each n.

    Positions are those of the output; of the input if it is transposed (zeros between cells, or our own equation).
    Jaxpr: operands x, w; `dimension_numbers` with (batch, feature, *spatial) of x, w and the result; `window_strides`,
    `lhs_dilation`, `rhs_dilation`, `feature_group_count`.
    """
    p = equation.params
    lhs, rhs, out = p["dimension_numbers"]
    x, kernel, y = (tuple(atom.aval.shape) for atom in (*equation.invars, equation.outvars[0]))
    channels, groups = x[lhs[1]] // p["feature_group_count"], p["feature_group_count"]
    window, stride, apart = tuple(kernel[axis] for axis in rhs[2:]), p["window_strides"], p["lhs_dilation"]
    transposes = transposes or any(gap > 1 for gap in apart)
    positions = [
        x[here] if transposes and step == 1 else y[there]
        for here, there, step in zip(lhs[2:], out[2:], stride, strict=True)
    ]
    name = "transposed conv" if transposes else "conv"
    count = y[out[0]] * y[out[1]] * math.prod(positions) * math.prod(window) * channels
    strides, dilation = tuple(apart if transposes else stride), tuple(p["rhs_dilation"])
    return Geometry(weights + name, count, window, strides, dilation, groups)


@geometry("dot_general")
def contraction(equation: Any, weights: str) -> Geometry:
    """out[b,i,j] = sum_k x[b,i,k] w[b,k,j]: b * i * j * k. With axes b, every index of them has weights of its own.

    Jaxpr: operands x, w; `dimension_numbers` ((contracted axes of x, of w), (shared axes of x, of w)).
    """
    (contracted, _), (shared, _) = equation.params["dimension_numbers"]
    x = equation.invars[0].aval.shape
    count = math.prod(equation.outvars[0].aval.shape) * math.prod(x[axis] for axis in contracted)
    if weights == "dynamic ":
        return Geometry("product", count)
    own = math.prod(x[axis] for axis in shared) > 1
    return Geometry(weights + ("local" if own else "dense"), count)


@geometry("reduce_window")
def pooling(equation: Any, weights: str, kind: str = "pool") -> Geometry:
    """out[j] = max, min or sum over u of x[j*stride - lo + u*dilation]. No multiplications.

    Jaxpr: `window_dimensions`, `window_strides`, `window_dilation`, one for each axis of x.
    """
    p = equation.params
    triples = list(zip(p["window_dimensions"], p["window_strides"], p["window_dilation"], strict=True))
    slides = [axis for axis, (taps, stride, _) in enumerate(triples) if (taps, stride) != (1, 1)]
    seen = triples[slides[0] : slides[-1] + 1] if slides else []
    window, stride, dilation = zip(*seen, strict=True) if seen else ((), (), ())
    return Geometry(kind, 0, window, stride, dilation)


geometry("reduce_window_max")(partial(pooling, kind="max pool"))
geometry("reduce_window_min")(partial(pooling, kind="min pool"))
geometry("reduce_window_sum")(partial(pooling, kind="sum pool"))


def lookup(equation: Any) -> tuple[Geometry, int]:
    """out[i] = table[index[i]]: the product of the table with a one-hot row for each index, and how long these are.

    Jaxpr: the table, then the indices; `slice_sizes`.
    """
    table = math.prod(equation.invars[0].aval.shape)
    each = max(math.prod(equation.params["slice_sizes"]), 1)
    found = math.prod(equation.outvars[0].aval.shape) // each
    return Geometry("embedding", uses=found * table), found * table // each


def slides(equation: Any, axis: int) -> bool:
    """Whether the equation's window slides along this axis of its result."""
    p = equation.params
    if "dimension_numbers" in p and hasattr(p["dimension_numbers"], "out_spec"):
        return axis in p["dimension_numbers"].out_spec[2:]
    return "window_dimensions" in p and (p["window_dimensions"][axis], p["window_strides"][axis]) != (1, 1)


def described(kind: str, window: Sequence[int], stride: Sequence[int], dilation: Sequence[int], groups: int) -> str:
    """A layer in a few words.

    >>> described("conv", (3, 3), (2, 2), (1, 1), 4)
    'conv 3x3, stride 2, groups 4'
    """
    words = [" ".join([kind, *(["x".join(map(str, window))] if window else [])])]
    for name, sizes in (("stride", stride), ("dilation", dilation)):
        if any(size != 1 for size in sizes):
            words.append(f"{name} {sizes[0] if len(set(sizes)) == 1 else 'x'.join(map(str, sizes))}")
    return ", ".join([*words, *([f"groups {groups}"] if groups > 1 else [])])
