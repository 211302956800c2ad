"""Max pooling with indices and unpooling: indices, duplicates, layouts, dtypes, errors. tests/laws covers derivatives."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from support import by_numpy
from support.broken_twins import caught
from support.geometries import compiled_examples, examples, poolings

import jaxconv as jc
from jaxconv import reference
from jaxconv.lowering import use_algorithm
from jaxconv.testing.strategies import pool_configurations

X = np.random.default_rng(0).integers(-4, 5, (2, 6, 7, 3)).astype(np.float32)
pool = partial(by_numpy.max_pool_with_indices, window=(2, 3), stride=(2, 1), padding=("same", "circular"))


@examples(20)
@given(case=pool_configurations())
def test_values_and_indices_are_those_of_the_reference(case):
    """Integers from -4 to 4 tie often. The index is that of the first of the largest."""
    y, indices = by_numpy.max_pool_with_indices(case.x(), case.window, **case.geometry)
    np.testing.assert_array_equal(y, reference.max_pool(case.x(), case.window, **case.geometry))
    np.testing.assert_array_equal(indices, reference.max_pool_indices(case.x(), case.window, **case.geometry))
    assert indices.dtype == np.int32


@compiled_examples(2)
@given(case=poolings())
def test_compiled_pools_and_their_inverse(case):
    x = case.x()
    y, indices = jax.jit(partial(jc.max_pool_with_indices, window=case.window, **case.geometry))(x)
    np.testing.assert_array_equal(indices, reference.max_pool_indices(x, case.window, **case.geometry))
    back = jax.jit(partial(jc.max_unpool, output_shape=case.lengths))(y, indices)
    np.testing.assert_array_equal(back, reference.max_unpool(np.asarray(y), np.asarray(indices), case.lengths))


def last_of_equals(case):
    """Incorrect: the index of the last of the largest cells."""
    reverse = (slice(None), *[slice(None, None, -1)] * len(case.lengths))
    indices = reference.max_pool_indices(case.x()[reverse], case.window, stride=1)
    return (np.prod(case.lengths) - 1 - indices)[reverse]


def of_the_window(case):
    """Incorrect: the number of the tap instead of that of the cell."""
    x, windows = case.x(), reference.max_pool_indices(case.x(), case.window, stride=1)
    for n, *position, c in np.ndindex(windows.shape):
        under = tuple(slice(j, j + taps) for j, taps in zip(position, case.window, strict=True))
        windows[n, *position, c] = x[n, *under, c].argmax()
    return windows


def over_all_channels(case):
    """Incorrect: counts the cells of all channels."""
    return reference.max_pool_indices(case.x(), case.window, stride=1) * case.channels[0] + np.arange(case.channels[0])


@pytest.mark.parametrize("twin", [last_of_equals, of_the_window, over_all_channels])
def test_broken_twins_are_caught(twin):
    """Each of them differs from the layer for some input."""

    def is_detected(case):
        _, indices = by_numpy.max_pool_with_indices(case.x(), case.window, stride=1)
        return not np.array_equal(indices, twin(case))

    assert caught(pool_configurations(max_rank=2), is_detected)


@pytest.mark.parametrize("algorithm", ["table", "lax"])
def test_large_windows(algorithm):
    """Windows of more than 49 taps find the argmax along one axis after the other."""
    x = np.random.default_rng(1).integers(-4, 5, (1, 11, 13, 2)).astype(np.float32)
    with use_algorithm(algorithm):
        _, indices = by_numpy.max_pool_with_indices(x, (9, 8), stride=1)
    np.testing.assert_array_equal(indices, reference.max_pool_indices(x, (9, 8), stride=1))


def test_an_index_is_never_in_the_padding():
    """Cells of minus infinity equal the padding, and NaN is larger than any number."""
    x = np.float32([-np.inf, -np.inf, np.nan, 5, np.nan]).reshape(1, 5, 1)
    y, indices = by_numpy.max_pool_with_indices(x, (3,), stride=2, padding="same")
    assert indices.ravel().tolist() == [0, 2, 4]
    np.testing.assert_array_equal(y.ravel(), np.float32([-np.inf, np.nan, np.nan]))
    _, indices = by_numpy.max_pool_with_indices(np.zeros((1, 3, 1), bool), (2,), ceil_mode=True)
    assert indices.ravel().tolist() == [0, 2]


def test_copied_cells_have_the_index_of_their_original():
    x = np.float32([9, 1, 2, 3]).reshape(1, 4, 1)
    indices = lambda padding: by_numpy.max_pool_with_indices(x, (3,), stride=1, padding=padding)[1].ravel().tolist()
    assert indices("circular") == [0, 0, 3, 0]
    assert indices("reflect") == [0, 0, 3, 3]
    assert indices("edge") == [0, 0, 3, 3]


def test_unpooling_restores_the_maxima_in_place():
    y, indices = by_numpy.max_pool_with_indices(X, (2, 3))
    back = by_numpy.max_unpool(y, indices, (6, 7))
    np.testing.assert_array_equal(back[back != 0], X[back != 0])
    positive = np.abs(y) + 1
    up = by_numpy.max_unpool(positive, indices, (6, 7))
    again, same = by_numpy.max_pool_with_indices(up, (2, 3))
    np.testing.assert_array_equal(again, positive)
    np.testing.assert_array_equal(same, indices)


def test_the_last_of_several_values_is_kept_and_gets_the_derivative():
    y, indices = np.float32([1, 2, np.inf, 4]).reshape(1, 4, 1), np.int32([2, 0, 1, 2]).reshape(1, 4, 1)
    x, dy = by_numpy.pulled(lambda y: jc.max_unpool(y, indices, (4,)), y, np.float32([10, 20, 30, 40]).reshape(1, 4, 1))
    assert x.ravel().tolist() == [2, np.inf, 4, 0]
    assert dy.ravel().tolist() == [0, 10, 20, 30]
    np.testing.assert_array_equal(x, reference.max_unpool(y, indices, (4,)))


def test_traced_indices_out_of_range_are_dropped():
    y, indices = np.float32([1, 2, 3]).reshape(1, 3, 1), np.int32([-1, 4, 2]).reshape(1, 3, 1)
    assert by_numpy.max_unpool(y, indices, (4,)).ravel().tolist() == [0, 0, 3, 0]


def test_layouts_and_batches():
    y, indices = pool(X)
    one = pool(X[1], batched=False)
    np.testing.assert_array_equal(one[1], indices[1])
    first = pool(np.moveaxis(X, -1, 1), layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(first[1], 1, -1), indices)
    up = by_numpy.max_unpool(y, indices, (6, 7))
    np.testing.assert_array_equal(by_numpy.max_unpool(*one, (6, 7), batched=False), up[1])
    back = by_numpy.max_unpool(*first, (6, 7), layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(back, 1, -1), up)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.int8, np.uint8, np.int32, bool])
def test_dtype_is_kept(dtype):
    x = np.abs(X).astype(dtype)
    y, indices = by_numpy.max_pool_with_indices(x, (2, 2))
    assert (y.dtype, indices.dtype) == (dtype, np.int32)
    assert by_numpy.max_unpool(y, indices.astype(np.uint8), (6, 7)).dtype == dtype
    np.testing.assert_array_equal(by_numpy.max_unpool(y, indices, (6, 7)), by_numpy.max_unpool(y, indices + 0, (6, 7)))


def test_short_indices_name_cells_of_large_results():
    """300 cells are more than uint8 can count."""
    y, indices = np.float32([5, 6]).reshape(1, 2, 1), np.uint8([250, 3]).reshape(1, 2, 1)
    x = by_numpy.max_unpool(y, indices, (300,))
    assert (x[0, 250, 0], x[0, 3, 0], np.count_nonzero(x)) == (5, 6, 2)


Y = np.ones((2, 3, 2, 3), np.float32)


@pytest.mark.parametrize(
    ("indices", "shape", "settings", "error", "message"),
    [
        (
            Y.astype(int)[:1],
            (6, 7),
            {},
            ValueError,
            r"indices is \(1, 3, 2, 3\), but should be \(2, 3, 2, 3\), as y is",
        ),
        (Y, (6, 7), {}, TypeError, "indices is float32, but should be integers, as max_pool_with_indices"),
        (Y.astype(int) * 42, (6, 7), {}, ValueError, "indices is an array with 42, but should be from 0 to 41. Take"),
        (Y.astype(int) * -1, (6, 7), {}, ValueError, "indices is an array with -1, but should be from 0 to 41"),
        (Y.astype(int), (6,), {}, ValueError, r"y is \(2, 3, 2, 3\), 4 axes, but should be \[n, w, c\]"),
        (Y.astype(int), 6, {}, ValueError, "output_shape is 6, but should be one integer per spatial axis"),
        (Y.astype(int), (6, 7), {"batched": False}, ValueError, "leave out batched=False"),
    ],
)
def test_errors_of_the_way_back(indices, shape, settings, error, message):
    with pytest.raises(error, match=f"{message}"):
        jc.max_unpool(Y, indices, shape, **settings)


def test_more_cells_than_int32_can_number_are_refused():
    x = jax.ShapeDtypeStruct((1, 2**16, 2**15, 1), "int8")
    with pytest.raises(ValueError, match=r"max_pool_with_indices: x is .* of at most 2147483647 cells"):
        jax.eval_shape(lambda x: jc.max_pool_with_indices(x, (2, 2)), x)
