"""Proofs by enumeration that a layer is what the theorems speak of: on unit vectors, of which there are finitely many.

A layer that is linear in its weights and in its input is, with its deltas, one trilinear form (jaxconv.lowering.form):

    T(x, w, dy) = <layer(w, x), dy>        y = dT/d(dy),  w's delta = dT/dw,  x's delta = dT/dx

Two such forms that agree on every triple of unit vectors are equal: for all inputs, all weights and all deltas. So the
layers are run, forwards and backwards, on every triple, and each must give the zeros and ones of a table made from
proofs/golden/windows.json, which says which cell every tap reads; proofs/coq proves what those cells are. What remains
to be trusted is that the compiled layer is trilinear (`jax.linear_transpose` takes it for linear in each argument), and
that sums of zeros and ones are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from golden.read import Window
from jax import Array

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


def disagreements(layers: Sequence[Trilinear]) -> list[str]:
    """Run every layer, and both of its deltas, on every triple of unit vectors; where one is not its table.

    All of them are one program, since compiling is what takes the time.
    """

    @jax.jit
    def run(triple: Array) -> list[tuple[Array, Array, Array]]:
        return [_forwards_and_backwards(one, *triple) for one in layers]

    most = [max(sizes) for sizes in zip(*(one.table.shape for one in layers), strict=True)]
    found = []
    for triple in product(*map(range, most)):
        for number, (one, results) in enumerate(zip(layers, run(np.array(triple, np.int32)), strict=True)):
            if all(index < size for index, size in zip(triple, one.table.shape, strict=True)):
                x, w, y = triple
                expected = one.table[x, w, :], one.table[x, :, y], one.table[:, w, y]
                for name, result, should in zip(("y", "dw", "dx"), results, expected, strict=True):
                    if not np.array_equal(result, should):
                        found.append(f"layer {number} on {triple}: {name} is {result}, should be {should}")
    return found


def _forwards_and_backwards(one: Trilinear, x: Array, w: Array, dy: Array) -> tuple[Array, Array, Array]:
    """y, and the deltas of w and x, flat, on unit vectors given by their indices."""
    unit = lambda index, shape: (jnp.arange(prod(shape)) == index).astype(jnp.float32).reshape(shape)
    y, pull = jax.vjp(one.layer, unit(w, one.w), unit(x, one.x))
    dw, dx = pull(unit(dy, one.y))
    return y.ravel(), dw.ravel(), dx.ravel()


def distinct(windows: Sequence[Window]) -> list[Window]:
    """Those with any positions, and of windows that are the same once their padding is in cells only one."""
    boundary = lambda pad: pad if pad.lo + pad.hi else Pad(0, 0)  # without padding no boundary is asked
    key = lambda axis: (axis.length, axis.taps, axis.stride, axis.dilation, boundary(axis.pad))
    return list({key(axis): axis for axis in windows if axis.reads}.values())


def geometry(axes: Sequence[Window]) -> dict[str, Any]:
    """The keyword arguments for a layer over these axes."""
    names = ("stride", "dilation", "padding")
    return {name: tuple(getattr(axis, name) for axis in axes) for name in names}
