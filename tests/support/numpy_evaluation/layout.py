"""Rows that move cells: NumPy's reshape, pad, slice and the like, with the parameters of lax."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

plain = lambda fn: lambda *operands, **_: fn(*operands)  # of primitives whose parameters change no number


def _broadcast_in_dim(x: np.ndarray, *_: Any, shape: Any, broadcast_dimensions: Any, **__: Any) -> np.ndarray:
    lengths = np.ones(len(shape), int)
    lengths[list(broadcast_dimensions)] = x.shape
    return np.broadcast_to(x.reshape(lengths), shape)


def _reshape(x: np.ndarray, *, new_sizes: Any, dimensions: Any, **_: Any) -> np.ndarray:
    return (x if dimensions is None else x.transpose(dimensions)).reshape(new_sizes)


def pad(x: np.ndarray, value: Any, *, padding_config: Any) -> np.ndarray:
    """Cells between cells, in front and behind; or without some in front and behind, where that is negative."""
    lengths = [
        low + n + max(n - 1, 0) * between + high
        for n, (low, high, between) in zip(x.shape, padding_config, strict=True)
    ]
    padded = np.full([max(length, 0) for length in lengths], value, x.dtype)
    to, of = [], []
    for n, length, (low, _, between) in zip(x.shape, lengths, padding_config, strict=True):
        step = between + 1
        first = max(-(low // step), 0)  # the cells of x that are in range
        stop = max(min(-((low - length) // step), n), first)
        of.append(slice(first, stop))
        to.append(
            slice(low + first * step, max(low + (stop - 1) * step + 1, 0) if stop > first else low + first * step, step)
        )
    padded[tuple(to)] = x[tuple(of)]
    return padded


def _slice(x: np.ndarray, *, start_indices: Any, limit_indices: Any, strides: Any) -> np.ndarray:
    steps = strides or (1,) * x.ndim
    return x[tuple(map(slice, start_indices, limit_indices, steps))]


def _starts(x: np.ndarray, starts: Sequence[np.ndarray], sizes: Sequence[int]) -> tuple[slice, ...]:
    """Where a dynamic slice lies: moved inwards where it would overhang."""
    fits = [int(np.clip(s, 0, n - m)) for s, n, m in zip(starts, x.shape, sizes, strict=True)]
    return tuple(slice(start, start + size) for start, size in zip(fits, sizes, strict=True))


def _dynamic_update_slice(x: np.ndarray, update: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[_starts(x, starts, update.shape)] = update
    return x


def _split(x: np.ndarray, *, sizes: Any, axis: int) -> list[np.ndarray]:
    return np.split(x, list(itertools.accumulate(sizes))[:-1], axis)


def _iota(*, dtype: Any, shape: Any, dimension: int, **_: Any) -> np.ndarray:
    lengths = [-1 if axis == dimension else 1 for axis in range(len(shape))]
    return np.broadcast_to(np.arange(shape[dimension]).astype(dtype).reshape(lengths), shape)


def _select_n(which: np.ndarray, *cases: np.ndarray) -> np.ndarray:
    return np.choose(np.broadcast_to(which.astype(int), cases[0].shape), cases)


ROWS: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": lambda *parts, dimension: np.concatenate(parts, dimension),
    "copy": plain(np.copy),
    "dynamic_slice": lambda x, *starts, slice_sizes: x[_starts(x, starts, slice_sizes)],
    "dynamic_update_slice": _dynamic_update_slice,
    "iota": _iota,
    "optimization_barrier": lambda *operands: operands,
    "pad": pad,
    "reshape": _reshape,
    "reshard": plain(np.copy),
    "rev": lambda x, *, dimensions: np.flip(x, dimensions),
    "select_n": _select_n,
    "slice": _slice,
    "split": _split,
    "squeeze": lambda x, *, dimensions: np.squeeze(x, tuple(dimensions)),
    "stack": lambda *parts, axis: np.stack(parts, axis),
    "stop_gradient": plain(np.copy),
    "tile": lambda x, *, reps: np.tile(x, reps),
    "transpose": lambda x, *, permutation: np.transpose(x, permutation),
    "unstack": lambda x, *, axis: list(np.moveaxis(x, axis, 0)),
}
