"""Rows of sums of products and of windows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from support.numpy_evaluation.layout import pad

WINDOW = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")  # lax's parameters
low = lambda dtype: -np.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).min
high = lambda dtype: np.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).max


def _widened(dtype: Any) -> Any:
    """In what sums are added up: floats of 16 bits in 32, as XLA does."""
    return np.float32 if jnp.dtype(dtype).itemsize == 2 and jnp.issubdtype(dtype, jnp.floating) else dtype


def _dot_general(a: np.ndarray, b: np.ndarray, *, dimension_numbers: Any, preferred_element_type: Any, **_: Any) -> Any:
    (contracted_a, contracted_b), (batch_a, batch_b) = dimension_numbers
    dtype = np.result_type(a.dtype, b.dtype) if preferred_element_type is None else preferred_element_type
    letters = iter(range(a.ndim + b.ndim))
    of_a, of_b = [next(letters) for _ in range(a.ndim)], [next(letters) for _ in range(b.ndim)]
    for one, other in zip((*batch_a, *contracted_a), (*batch_b, *contracted_b), strict=True):
        of_b[other] = of_a[one]
    free = lambda letters, taken: [letter for axis, letter in enumerate(letters) if axis not in taken]
    kept = [of_a[axis] for axis in batch_a]
    kept += free(of_a, (*batch_a, *contracted_a)) + free(of_b, (*batch_b, *contracted_b))
    wide = _widened(dtype)
    return np.einsum(a.astype(wide), of_a, b.astype(wide), of_b, kept).astype(dtype)


def _fft(x: np.ndarray, *, fft_type: Any, fft_lengths: Any) -> np.ndarray:
    """Over the last axes. A real result is as long as it is told, and the dtypes are as wide as they were."""
    fn = {"FFT": np.fft.fftn, "IFFT": np.fft.ifftn, "RFFT": np.fft.rfftn, "IRFFT": np.fft.irfftn}[fft_type.name]
    wide = x.dtype.itemsize == (16 if np.iscomplexobj(x) else 8)
    dtype = (
        (np.float64 if wide else np.float32) if fft_type.name == "IRFFT" else (np.complex128 if wide else np.complex64)
    )
    return fn(x, fft_lengths, range(-len(fft_lengths), 0)).astype(dtype)


def windows_of(x: np.ndarray, fill: Any, window: Any, strides: Any, padding: Any, spread: Any, dilation: Any) -> Any:
    """[*out, *window]: what each window reads of x with `fill` around its cells and, where they are spread, between."""
    x = pad(x, fill, padding_config=[(*ends, step - 1) for ends, step in zip(padding, spread, strict=True)])
    spans = [(taps - 1) * step + 1 for taps, step in zip(window, dilation, strict=True)]
    if any(n < span for n, span in zip(x.shape, spans, strict=True)):
        out = [max((n - span) // s + 1, 0) for n, span, s in zip(x.shape, spans, strides, strict=True)]
        return np.zeros((*out, *window), x.dtype)
    views = np.lib.stride_tricks.sliding_window_view(x, spans)
    return views[tuple(slice(None, None, step) for step in (*strides, *dilation))]


def _windowed(fn: Any, fill: Callable[[Any], Any]) -> Callable[..., Any]:
    def reduced(x: np.ndarray, **params: Any) -> np.ndarray:
        cells = windows_of(x, fill(x.dtype), *(params[name] for name in WINDOW))
        return fn(cells, axis=tuple(range(x.ndim, 2 * x.ndim))).astype(x.dtype)

    return reduced


def _conv_general_dilated(
    x: np.ndarray,
    kernel: np.ndarray,
    *,
    window_strides: Any,
    padding: Any,
    lhs_dilation: Any,
    rhs_dilation: Any,
    dimension_numbers: Any,
    feature_group_count: int,
    batch_group_count: int,
    preferred_element_type: Any,
    **_: Any,
) -> np.ndarray:
    """Windows [n, c, *out, *window] of each group, times its kernels [o, c, *window]."""
    dtype = np.result_type(x.dtype, kernel.dtype) if preferred_element_type is None else preferred_element_type
    wide = _widened(dtype)
    of_x, of_kernel, of_y = dimension_numbers
    x, kernel = x.transpose(of_x).astype(wide), kernel.transpose(of_kernel).astype(wide)
    spatial = x.ndim - 2
    still, none = (1, 1), ((0, 0), (0, 0))  # along batch and channels
    windows = windows_of(
        x,
        0,
        (*still, *kernel.shape[2:]),
        (*still, *window_strides),
        (*none, *padding),
        (*still, *lhs_dilation),
        (*still, *rhs_dilation),
    )
    windows = windows.reshape(*windows.shape[: 2 + spatial], *kernel.shape[2:])
    groups = feature_group_count * batch_group_count
    split = np.split(windows, groups, 0 if batch_group_count > 1 else 1)
    axes = [1, *range(2 + spatial, 2 + 2 * spatial)]
    each = [
        np.tensordot(part, weights, (axes, [1, *range(2, 2 + spatial)]))
        for part, weights in zip(split, np.split(kernel, groups, 0), strict=True)
    ]
    y = np.moveaxis(np.concatenate(each, -1), -1, 1)
    return y.transpose(np.argsort(of_y)).astype(dtype)


def _select_and_scatter_add(
    source: np.ndarray,
    x: np.ndarray,
    *,
    select_prim: Any,
    window_dimensions: Any,
    window_strides: Any,
    padding: Any,
    **_: Any,
) -> np.ndarray:
    """What belongs to a window goes to the first cell of it that no other cell beats."""
    beats = {"ge": np.greater, "le": np.less}[select_prim.name]
    found = np.zeros(x.shape, source.dtype)
    lows = [low for low, _ in padding]
    for at in np.ndindex(*source.shape):
        starts = [j * s - low for j, s, low in zip(at, window_strides, lows, strict=True)]
        ranges = [
            range(max(start, 0), min(start + size, n))
            for start, size, n in zip(starts, window_dimensions, x.shape, strict=True)
        ]
        best = None
        for cell in itertools.product(*ranges):
            if best is None or beats(x[cell], x[best]):
                best = cell
        found[best] += source[at]
    return found


def _select_and_gather_add(tangents: np.ndarray, x: np.ndarray, *, select_prim: Any, **params: Any) -> np.ndarray:
    """The tangent of the first cell of each window that no other cell beats."""
    fill, first = {"ge": (low, np.argmax), "le": (high, np.argmin)}[select_prim.name]

    def cells(operand: np.ndarray, fill: Any) -> np.ndarray:
        windows = windows_of(operand, fill, *(params[name] for name in WINDOW))
        return windows.reshape(*windows.shape[: x.ndim], -1)

    chosen = first(cells(x, fill(x.dtype)), -1)[..., None]
    return np.take_along_axis(cells(tangents, 0), chosen, -1)[..., 0]


ROWS: dict[str, Callable[..., Any]] = {
    "conv_general_dilated": _conv_general_dilated,
    "dot_general": _dot_general,
    "fft": _fft,
    "reduce_window_max": _windowed(np.max, low),
    "reduce_window_min": _windowed(np.min, high),
    "reduce_window_sum": _windowed(np.sum, lambda dtype: 0),
    "select_and_gather_add": _select_and_gather_add,
    "select_and_scatter_add": _select_and_scatter_add,
}
