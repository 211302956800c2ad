"""Proofs by enumeration that a layer is what the theorems speak of: on unit vectors, of which there are finitely many.

A layer that is linear in its weights and in its input is, with its deltas, one trilinear form
(jaxconv.lowering.conv_spec):

    T(x, w, dy) = <layer(w, x), dy>        y = dT/d(dy),  w's delta = dT/dw,  x's delta = dT/dx

Two such forms that agree on every triple of unit vectors are equal: for all inputs, all weights and all deltas. So the
layers are run, forwards and backwards, on every pair, and each must give the zeros and ones of a table made from
proofs/golden/windows.json, which says which cell every tap reads; proofs/coq proves what those cells are. NumPy runs
the layers' equations, and XLA some of them compiled. What remains to be trusted is that these are trilinear
(`jax.linear_transpose` takes them for linear in each argument), and that sums of zeros and ones are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod
from typing import Any

import jax
import numpy as np
from golden.read import Window
from jax import Array
from support.numpy_evaluation import evaluated

from jaxconv.window import Pad


@dataclass(frozen=True)
class Trilinear:
    """A layer `(w, x) -> y` beside the table that it should be: table[x, w, y], each index flat and row-major."""

    layer: Callable[[Array, Array], Array]
    x: tuple[int, ...]
    w: tuple[int, ...]
    y: tuple[int, ...]
    table: np.ndarray


def conv_table(axes: Sequence[Window], batch: int, channels: int, outputs: int, groups: int) -> np.ndarray:
    """T of unit vectors for a convolution: x [n, *cells, c], w [*taps, c/groups, o], dy [n, *positions, o].

    One where the example is the same, the tap of that position reads that cell along every axis, the output channel is
    the same, and the weight's input channel is that of x, counted within the output's group; zero elsewhere.
    """
    cells, taps, positions = ([size(axis) for axis in axes] for size in (_cells, _taps, _positions))
    per_group = channels // groups
    table = np.zeros((batch, *cells, channels, *taps, per_group, outputs, batch, *positions, outputs))
    for p in product(*map(range, positions)):
        for k in product(*map(range, taps)):
            read = tuple(axis.reads[j][u] for axis, j, u in zip(axes, p, k, strict=True))
            if None not in read:
                for n, o, c in product(range(batch), range(outputs), range(per_group)):
                    group = o // (outputs // groups)
                    table[(n, *read, group * per_group + c, *k, c, o, n, *p, o)] = 1
    return table.reshape(batch * prod(cells) * channels, prod(taps) * per_group * outputs, -1)


def local_table(axis: Window) -> np.ndarray:
    """The same for a locally connected layer of one axis and one channel: w [positions, taps, 1, 1]."""
    shared = conv_table([axis], 1, 1, 1, 1)
    here = np.eye(_positions(axis))  # a weight of one position makes outputs of that position
    return np.einsum("xky,py->xpky", shared, here).reshape(len(shared), -1, shared.shape[-1])


def _cells(axis: Window) -> int:
    return axis.length


def _taps(axis: Window) -> int:
    return axis.taps


def _positions(axis: Window) -> int:
    return len(axis.reads)


def disagreements(layers: Sequence[Trilinear], compute: Callable[..., Any] = evaluated) -> list[str]:
    """Run every layer, and both of its deltas, on every pair of unit vectors; where one is not its table.

    The third argument is not a unit vector but whole numbers other than zero, on which the result must not depend: a
    layer does not know the deltas of its output, nor a delta of the input what the input was.

    Args:
        layers: what is run.
        compute: NumPy evaluates the equations, or `jax.jit` compiles them, which takes longer.
    """
    found = []
    for number, one in enumerate(layers):
        run, (xs, ws, ys) = compute(partial(_forwards_and_backwards, one)), map(_units, (one.x, one.w, one.y))
        x, w, y = map(_whole_numbers, (one.x, one.w, one.y))
        pairs = {
            "y": [((i, j, slice(None)), (xs[i], ws[j], y)) for i, j in np.ndindex(len(xs), len(ws))],
            "dw": [((i, slice(None), k), (xs[i], w, ys[k])) for i, k in np.ndindex(len(xs), len(ys))],
            "dx": [((slice(None), j, k), (x, ws[j], ys[k])) for j, k in np.ndindex(len(ws), len(ys))],
        }
        for name, cases in pairs.items():
            for at, operands in cases:
                result = np.asarray(run(*operands)[name])
                if not np.array_equal(result, one.table[at]):
                    found.append(f"layer {number} at {at}: {name} is {result}, should be {one.table[at]}")
    return found


def _forwards_and_backwards(one: Trilinear, x: Array, w: Array, dy: Array) -> dict[str, Array]:
    """y, and the deltas of w and x, flat."""
    y, pull = jax.vjp(one.layer, w, x)
    dw, dx = pull(dy)
    return {"y": y.ravel(), "dw": dw.ravel(), "dx": dx.ravel()}


def _units(shape: tuple[int, ...]) -> np.ndarray:
    """All unit vectors of a shape."""
    return np.eye(prod(shape), dtype=np.float32).reshape(-1, *shape)


def _whole_numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Whole numbers, none of them zero, neighbours of which differ."""
    return (np.arange(prod(shape)) % 5 + 2).astype(np.float32).reshape(shape)


def distinct(windows: Sequence[Window]) -> list[Window]:
    """Those with any positions, and of windows that are the same once their padding is in cells only one."""
    boundary = lambda pad: pad if pad.lo + pad.hi else Pad(0, 0)  # without padding no boundary is asked
    key = lambda axis: (axis.length, axis.taps, axis.stride, axis.dilation, boundary(axis.pad))
    return list({key(axis): axis for axis in windows if axis.reads}.values())


def geometry(axes: Sequence[Window]) -> dict[str, Any]:
    """The keyword arguments for a layer over these axes."""
    names = ("stride", "dilation", "padding")
    return {name: tuple(getattr(axis, name) for axis in axes) for name in names}
