"""The window and the multiply-adds of each primitive that makes a layer.

Multiply-adds are counted in the usual way: one for each position, tap, channel of the tap's group and output channel.
Those that multiply a zero of the padding are included. The zeros that a transposed convolution puts between and around
cells are not padding. A transposed convolution takes as many multiply-adds as the convolution that it transposes: each
cell times each tap. The input gradient of a convolution is a transposed convolution. With stride 1, lax writes it as
the equation of a convolution with more padding, so it is counted as that. `jc.conv_transpose` and this library's
gradients are separate primitives.
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
    """The geometry of a layer, without its parameters.

    Attributes:
        kind: the name of the kind of layer.
        multiply_adds: those of one call; None if unknown.
        window, stride, dilation: along the axes of the window.
        groups: number of channel groups.
        uses: number of uses of all parameters together, if it differs from `multiply_adds`.
    """

    kind: str
    multiply_adds: int | None = 0
    window: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    uses: int | None = None


geometry: Registry[Callable[[Any, str], Geometry]] = Registry()  # arguments: the equation; a word for its weights


@geometry("jaxconv_conv_input_grad")
def transposed_convolution(equation: Any, weights: str) -> Geometry:
    """The input gradient of a convolution."""
    return convolution(equation, weights, transposes=True)


@geometry("conv_general_dilated")
def convolution(equation: Any, weights: str, *, transposes: bool = False) -> Geometry:
    """out[n,j,o] = sum_{u,c} x[n, j*stride + u*dilation - lo, c] w[u,c,o]: positions * taps * c/groups * o for each n.

    The positions are those of the output. For a transposed convolution (zeros between cells, or our own equation) they
    are those of the input.
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
        x[x_axis] if transposes and step == 1 else y[y_axis]
        for x_axis, y_axis, step in zip(lhs[2:], out[2:], stride, strict=True)
    ]
    name = "transposed conv" if transposes else "conv"
    count = y[out[0]] * y[out[1]] * math.prod(positions) * math.prod(window) * channels
    strides, dilation = tuple(apart if transposes else stride), tuple(p["rhs_dilation"])
    return Geometry(weights + name, count, window, strides, dilation, groups)


@geometry("dot_general")
def contraction(equation: Any, weights: str) -> Geometry:
    """out[b,i,j] = sum_k x[b,i,k] w[b,k,j]: b * i * j * k. Each index of the batch axes b has separate weights.

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
    """out[j] = max, min or sum over u of x[j*stride - lo + u*dilation]. It has no multiplications.

    Jaxpr: `window_dimensions`, `window_strides`, `window_dilation`, one for each axis of x.
    """
    p = equation.params
    triples = list(zip(p["window_dimensions"], p["window_strides"], p["window_dilation"], strict=True))
    windowed = [axis for axis, (taps, stride, _) in enumerate(triples) if (taps, stride) != (1, 1)]
    spanned = triples[windowed[0] : windowed[-1] + 1] if windowed else []
    window, stride, dilation = zip(*spanned, strict=True) if spanned else ((), (), ())
    return Geometry(kind, 0, window, stride, dilation)


geometry("reduce_window_max")(partial(pooling, kind="max pool"))
geometry("reduce_window_min")(partial(pooling, kind="min pool"))
geometry("reduce_window_sum")(partial(pooling, kind="sum pool"))


def lookup(equation: Any) -> tuple[Geometry, int]:
    """out[i] = table[index[i]]: the geometry, and the number of elements of the one-hot matrix.

    A lookup is the product of the table with one one-hot row for each index.
    Jaxpr: the table, then the indices; `slice_sizes`.
    """
    table = math.prod(equation.invars[0].aval.shape)
    slice_size = max(math.prod(equation.params["slice_sizes"]), 1)
    indices = math.prod(equation.outvars[0].aval.shape) // slice_size
    return Geometry("embedding", uses=indices * table), indices * table // slice_size


def slides(equation: Any, axis: int) -> bool:
    """Whether the equation's window slides along an axis of its result."""
    p = equation.params
    if "dimension_numbers" in p and hasattr(p["dimension_numbers"], "out_spec"):
        return axis in p["dimension_numbers"].out_spec[2:]
    return "window_dimensions" in p and (p["window_dimensions"][axis], p["window_strides"][axis]) != (1, 1)


def described(kind: str, window: Sequence[int], stride: Sequence[int], dilation: Sequence[int], groups: int) -> str:
    """A short description of a layer.

    >>> described("conv", (3, 3), (2, 2), (1, 1), 4)
    'conv 3x3, stride 2, groups 4'
    """
    words = [" ".join([kind, *(["x".join(map(str, window))] if window else [])])]
    for name, sizes in (("stride", stride), ("dilation", dilation)):
        if any(size != 1 for size in sizes):
            words.append(f"{name} {sizes[0] if len(set(sizes)) == 1 else 'x'.join(map(str, sizes))}")
    return ", ".join([*words, *([f"groups {groups}"] if groups > 1 else [])])
