"""Streams a signal through the public functions of a `Streamed`, computed by NumPy: XLA would compile many programs."""

import jax
import numpy as np

from support.numpy_evaluation import evaluated


def outputs_of(stream, x, sizes, axis=1):
    """All outputs of chunks of these sizes, one after the other, without the cells before the first."""
    step = evaluated(stream.step)
    state, parts, start = evaluated(stream.init)(), [], 0
    for size in sizes:
        state, outputs = step(state, x.take(range(start, start + size), axis))
        parts.append(outputs)
        start += size
    parts.append(evaluated(stream.finish)(state))
    late, axes = jax.tree.leaves(stream.warm_up), output_axes(parts)
    return [
        np.concatenate(arrays, own)[(slice(None),) * own + (slice(cut, None),)]
        for own, cut, *arrays in zip(axes, late, *map(jax.tree.leaves, parts), strict=True)
    ]


def output_axes(parts):
    """The streamed axis of each output: axis 1, as in all networks of the tests, unless the output has one axis."""
    return [min(1, array.ndim - 1) for array in jax.tree.leaves(parts[0])]


def assert_streams(stream, fn, x, sizes):
    """The outputs of these chunks equal (`==`) those of the whole."""
    expected = [np.asarray(leaf) for leaf in jax.tree.leaves(evaluated(fn)(x))]
    found = outputs_of(stream, x, sizes)
    assert len(found) == len(expected)
    for own, other in zip(found, expected, strict=True):
        assert own.dtype == other.dtype
        np.testing.assert_array_equal(own, other)
