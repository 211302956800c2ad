"""Resizing: interpolation at evenly spaced points, with the methods and corner rules of other libraries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Shaped

from jaxconv.checks import choice, flag, number
from jaxconv.errors import explain, public
from jaxconv.layers.arithmetic import accumulator
from jaxconv.layers.images import Layout, check_cells, to_nhwc
from jaxconv.lowering.compiled import compiled
from jaxconv.lowering.explicit_sharding import gathered
from jaxconv.sizes import UPSAMPLED
from jaxconv.window import window_sizes

Method = Literal["nearest", "linear", "cubic", "lanczos3", "lanczos5", "area"]
Corners = Literal["half_pixel", "align", "asymmetric"]
Border = Literal["inside", "edge"]


class Taps(NamedTuple):
    """For each output along one axis the cells that it reads and their weights, both [m, k]."""

    cells: np.ndarray
    weights: np.ndarray


# Length n of the input, m of the output -> numerators and denominator of the coordinate of each output in cells of the
# input, in integers, so that outputs whose coordinates differ by whole cells have the same weights, bit for bit.
CORNERS: dict[str, Callable[[int, int], tuple[np.ndarray, int]]] = {
    "half_pixel": lambda n, m: ((2 * np.arange(m) + 1) * n - m, 2 * m),  # (j + 1/2) * n/m - 1/2
    "align": lambda n, m: (np.arange(m) * (n - 1), max(m - 1, 1)),  # j * (n - 1)/(m - 1)
    "asymmetric": lambda n, m: (np.arange(m) * n, m),  # j * n/m
}


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys's piecewise cubic, whose slope at distance 1 is a."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


# Name -> the distance up to which a cell has weight, and the weight at a distance; `a` is of the cubic alone.
KERNELS: dict[str, tuple[int, Callable[[np.ndarray, float], np.ndarray]]] = {
    "linear": (1, lambda x, a: np.maximum(1 - x, 0)),
    "cubic": (2, _cubic),
    "lanczos3": (3, lambda x, a: np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)),
    "lanczos5": (5, lambda x, a: np.where(x < 5, np.sinc(x) * np.sinc(x / 5), 0)),
}
METHODS = ("nearest", *KERNELS, "area")


@public
def resize(
    x: Shaped[ArrayLike, "n *spatial c"],
    output_shape: Sequence[int],
    *,
    method: Method = "linear",
    corners: Corners = "half_pixel",
    antialias: bool | None = None,
    coefficient: float = -0.5,
    border: Border = "inside",
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """Interpolates x at m evenly spaced coordinates along each axis of n cells, one axis after the other:

        y[j] = sum_i w(|i - s(j)|) x[i] / sum_i w(|i - s(j)|).

    | corners | s(j) |
    | --- | --- |
    | "half_pixel" | (j + 1/2) n/m - 1/2 |
    | "align" | j (n - 1)/(m - 1) |
    | "asymmetric" | j n/m |

    | method | w(d) |
    | --- | --- |
    | "nearest" | 1 for the cell at floor(s + 1/2); for "asymmetric" corners the cell at floor(s) |
    | "linear" | 1 - d, up to 1 |
    | "cubic" | Keys's cubic with `coefficient` a, up to 2 |
    | "lanczos3", "lanczos5" | sinc(d) sinc(d/r), up to r = 3 or 5 |
    | "area" | the length that cell i shares with the interval from j n/m to (j + 1) n/m |

    [The table of libraries](../layers.md#resizing) lists the settings for PyTorch, TensorFlow and `jax.image`.

    Law: with n/m = p/q in lowest terms, shifting x by p shifts y by q away from the border ("align" corners:
    (n - 1)/(m - 1) = p/q). Constant images stay constant. If n = m, y is x. Linear in x.

    Args:
        x: [n, *spatial, c]; see `batched` and `layout`.
        output_shape: m, the length of each spatial axis of y, for example (32, 48). Its length is the number of
            spatial axes.
        method: see above.
        corners: see above; "half_pixel" for "area".
        antialias: True to widen w by n/m along axes that shrink, so that every cell has weight; False to read the
            cells next to s(j) only. Required where an axis shrinks, because libraries differ; except for "nearest" and
            "area", which have no such choice. Only for "half_pixel" corners.
        coefficient: a, the slope of the cubic at distance 1, from -1 to 0: -0.5 (TensorFlow, `jax.image`) or -0.75
            (PyTorch without antialiasing).
        border: "inside" sums over cells of x only (TensorFlow, `jax.image`); "edge" reads copies of the last cell
            beyond the border (PyTorch without antialiasing). They differ for "cubic" and "lanczos".
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *output_shape, c], with the dtype of x. Half-precision floats are summed in float32.

    Raises:
        ValueError: sizes or settings do not match, or `antialias` is required and missing.
        TypeError: x is integer or boolean and the method averages: only "nearest" keeps integers.

    >>> x = jnp.array([0.0, 4.0, 8.0]).reshape(1, 3, 1)
    >>> resize(x, (6,)).ravel()
    Array([0., 1., 3., 5., 7., 8.], dtype=float32)
    >>> resize(x, (5,), corners="align").ravel()
    Array([0., 2., 4., 6., 8.], dtype=float32)

    Source: Keys, Cubic convolution interpolation for digital image processing, IEEE TASSP 29 (1981).
    """
    lengths = window_sizes(output_shape, "output_shape")
    method = choice("method", method, METHODS)  # pyright: ignore[reportAssignmentType]  one of its names
    corners = choice("corners", corners, tuple(CORNERS))  # pyright: ignore[reportAssignmentType]  one of its names
    border = choice("border", border, ("inside", "edge"))  # pyright: ignore[reportAssignmentType]  one of its names
    coefficient = _checked_coefficient(coefficient)
    x, from_nhwc = to_nhwc(x, len(lengths), batched=batched, layout=layout)
    check_cells(x)
    UPSAMPLED.check("output_shape", lengths, x.shape[1:-1], "Ask for a smaller result")
    shrinks = any(m < n for n, m in zip(x.shape[1:-1], lengths, strict=True))
    widens = _checked_antialias(antialias, method, corners, shrinks)
    if method != "nearest" and not jnp.issubdtype(x.dtype, jnp.inexact):
        cure = 'Cast it first: x.astype(jnp.float32), or pass method="nearest"'
        raise TypeError(explain("x", x.dtype, "floats", cure))
    x, back = gathered(x)
    y = x if method == "nearest" else x.astype(accumulator(x))
    for axis, m in enumerate(lengths, start=1):
        if y.shape[axis] != m:
            y = _weighted(y, axis, _taps(y.shape[axis], m, method, corners, widens, coefficient, border))
    return from_nhwc(back(y.astype(x.dtype)))


def _checked_coefficient(coefficient: object) -> float:
    cure = "Write -0.5 for TensorFlow's and jax.image's cubic, -0.75 for PyTorch's"
    value = number("coefficient", coefficient, cure=cure)
    if not -1 <= value <= 0:
        raise ValueError(explain("coefficient", value, "from -1 to 0", cure))
    return float(value)


def _checked_antialias(antialias: object, method: str, corners: str, shrinks: bool) -> bool:
    """Whether the weights are widened along axes that shrink."""
    if method == "area" and corners != "half_pixel":
        raise ValueError(explain("corners", f'"{corners}"', '"half_pixel" for method="area"', "Leave it out"))
    if antialias is None:
        if shrinks and method in KERNELS:
            cure = "Pass antialias=True to average all cells, or False to read the nearest ones"
            raise ValueError(explain("antialias", None, "given where an axis shrinks", cure))
        return False
    widens = flag("antialias", antialias)
    if widens and (method not in KERNELS or corners != "half_pixel"):
        expected = f"False for method={method!r} and corners={corners!r}"
        cure = f'Leave it out, or use one of {", ".join(KERNELS)} with corners="half_pixel"'
        raise ValueError(explain("antialias", True, expected, cure))
    return widens


def _taps(n: int, m: int, method: str, corners: str, widens: bool, coefficient: float, border: str) -> Taps:
    """The cells and weights of the outputs along an axis of n cells, resized to m."""
    if method == "area":
        return _shares(n, m)
    s, unit = CORNERS[corners](n, m)
    if method == "nearest":
        nearest = s // unit if corners == "asymmetric" else (2 * s + unit) // (2 * unit)
        return Taps(nearest[:, None], np.ones((m, 1)))
    radius, kernel = KERNELS[method]
    up, down = (n, m) if widens and n > m else (1, 1)  # the width of the kernel is up/down
    first = (s * down - radius * up * unit) // (unit * down) + 1
    cells = first[:, None] + np.arange(-(-2 * radius * up // down))
    distances = np.abs(cells * unit - s[:, None]) * down / (unit * up)
    weights = kernel(distances, coefficient)
    if border == "inside":
        weights = np.where((cells >= 0) & (cells < n), weights, 0)
    weights = weights / weights.sum(axis=1, keepdims=True)
    weights[np.abs(weights) < 1e-15] = 0  # sinc of whole numbers, which is not exactly 0
    return _tight(Taps(np.clip(cells, 0, n - 1), weights))


def _shares(n: int, m: int) -> Taps:
    """The part of each interval of n/m cells that lies in each cell: in units of 1/m, cell i starts at i*m."""
    j = np.arange(m)[:, None]
    cells = j * n // m + np.arange(-(-n // m) + 1)
    shared = np.minimum((cells + 1) * m, (j + 1) * n) - np.maximum(cells * m, j * n)
    return _tight(Taps(np.minimum(cells, n - 1), np.maximum(shared, 0) / n))


def _tight(taps: Taps) -> Taps:
    """The same sums without reads of weight 0, which would enlarge receptive fields and reach beyond the border.

    Taps whose weights are all 0 are removed; the others read the heaviest cell of their output where their weight is 0.
    """
    used = (taps.weights != 0).any(axis=0)
    cells, weights = taps.cells[:, used], taps.weights[:, used]
    heaviest = np.take_along_axis(cells, np.abs(weights).argmax(axis=1)[:, None], axis=1)
    return Taps(np.where(weights == 0, heaviest, cells), weights)


def _weighted(x: Array, axis: int, taps: Taps) -> Array:
    """The weighted sums along one axis; cells with weight 0 are not read."""
    m, k = taps.cells.shape
    if k == 1:
        return _taken(x, axis, tuple(taps.cells.ravel().tolist()))
    real = jnp.finfo(x.dtype).dtype  # of a complex x: of its parts
    weights = np.ascontiguousarray(taps.weights.astype(real))
    bits = weights.view(np.dtype(f"int{weights.itemsize * 8}")).ravel().tolist()
    return _summed(x, axis, tuple(taps.cells.ravel().tolist()), tuple(bits), (m, k), str(real))


@partial(compiled, static_argnames=("axis", "cells"))
def _taken(x: Array, axis: int, cells: tuple[int, ...]) -> Array:
    return jnp.take(x, np.array(cells), axis=axis, mode="clip")


@partial(compiled, static_argnames=("axis", "cells", "bits", "shape", "real"))
def _summed(
    x: Array, axis: int, cells: tuple[int, ...], bits: tuple[int, ...], shape: tuple[int, int], real: str
) -> Array:
    """The sum of cells times weights. The weights are integers of the same bits: the certifier reads integers only."""
    integers = np.array(bits, f"int{np.dtype(real).itemsize * 8}")
    weights = lax.bitcast_convert_type(jnp.asarray(integers), jnp.dtype(real)).astype(x.dtype)
    weights = jnp.expand_dims(weights.reshape(shape), (*range(axis), *range(axis + 2, x.ndim + 1)))
    read = jnp.take(x, np.array(cells), axis=axis, mode="clip")
    read = read.reshape(*x.shape[:axis], *shape, *x.shape[axis + 1 :])
    return jnp.sum(jnp.where(weights == 0, jnp.zeros((), x.dtype), read * weights), axis=axis + 1)
