"""Test `rearrangement`: moves of cells are recognised as what NumPy does, and everything else is refused."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.geometries import examples

from jaxconv.verify.execution.rearrangement import predicts, rearrangement

DTYPES = ["float32", "bfloat16", "float16", "complex64", "int8", "uint8", "int32", "bool"]


def blank(*shapes, dtype="float32"):
    return [jnp.zeros(shape, dtype) for shape in shapes]


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(jnp.dtype(dtype))


MOVES = {
    "rot90": lambda x: np.rot90(x, 1, (0, 1)),
    "a flip": lambda x: x[:, ::-1],
    "a permutation": lambda x: x.take(np.array([2, 0, 1]), 0),
    "a roll": lambda x: jnp.roll(x, 2, 1),
    "a reshape": lambda x: x.reshape(4, 3),
    "the identity": lambda x: x * 1,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MOVES)
def test_moves_are_those_of_numpy(name, dtype):
    move = MOVES[name]
    if dtype == "bool" and name == "the identity":
        move = lambda x: x & True
    found = rearrangement(lambda leaves: [jnp.asarray(move(x)) for x in leaves], blank((3, 4), dtype=dtype))
    x = numbers((3, 4), dtype)
    (moved,) = found([x])
    assert moved.dtype == x.dtype
    np.testing.assert_array_equal(moved, np.asarray(move(x)))
    assert found.changed == (() if name == "the identity" else (0,))


def test_cells_are_told_apart_in_arrays_of_more_cells_than_the_dtype_has_numbers():
    found = rearrangement(lambda leaves: [leaves[0][::-1, ::-1]], blank((30, 40), dtype="uint8"))
    x = numbers((30, 40), "uint8")
    np.testing.assert_array_equal(found([x])[0], x[::-1, ::-1])


@examples(20)
@given(st.integers(0, 2**16))
def test_any_permutation_with_signs_is_found(seed):
    rng = np.random.default_rng(seed)
    order, signs = rng.permutation(12), rng.choice([-1, 1], 12).astype(np.float32)
    found = rearrangement(lambda leaves: [(leaves[0].ravel()[order] * signs).reshape(2, 6)], blank((3, 4)))
    x = rng.integers(1, 9, (3, 4)).astype(np.float32)
    np.testing.assert_array_equal(found([x])[0], (x.ravel()[order] * signs).reshape(2, 6))
    position = (1, 2)
    leaf, origin, sign = found.origin(0, position)
    assert leaf == 0
    assert sign * x[origin] == found([x])[0][position]


def test_cells_move_between_arrays_of_one_dtype():
    """Two arrays are exchanged, and a third is left alone."""
    found = rearrangement(lambda leaves: [leaves[1].T, leaves[0].T, leaves[2]], blank((2, 3), (3, 2), (4,)))
    a, b, c = numbers((2, 3), "float32", 1), numbers((3, 2), "float32", 2), numbers((4,), "float32", 3)
    moved = found([a, b, c])
    np.testing.assert_array_equal(moved[0], b.T)
    np.testing.assert_array_equal(moved[1], a.T)
    assert moved[2] is c
    assert found.changed == (0, 1)
    assert [found.origins(i) for i in range(3)] == [{1}, {0}, {2}]
    assert found.origin(0, (1, 2)) == (1, (2, 1), 1)
    assert found.origin(1, (2, 0)) == (0, (0, 2), 1)
    assert found.origin(2, (3,)) == (2, (3,), 1)


def test_arrays_of_two_dtypes_have_pools_of_their_own():
    leaves = [jnp.zeros((2, 2), "int8"), jnp.zeros((2, 2), "float32"), jnp.zeros((3,), "int8")]
    found = rearrangement(lambda leaves: [leaves[0][::-1], leaves[1].T, leaves[2][::-1]], leaves)
    values = [numbers((2, 2), "int8"), numbers((2, 2), "float32"), numbers((3,), "int8")]
    expected = [values[0][::-1], values[1].T, values[2][::-1]]
    for a, b in zip(found(values), expected, strict=True):
        np.testing.assert_array_equal(a, b)


NO_MOVES = {
    "an average of neighbours": lambda x: (jnp.roll(x, 1, 1) + jnp.roll(x, -1, 1)) / 2,
    "a scaling": lambda x: x * np.float32(1 + 1e-6),
    "zeros that enter": lambda x: jnp.concatenate([jnp.zeros_like(x[:, :1]), x[:, :-1]], 1),
    "a copy of a row": lambda x: x[jnp.array([0, 0, 2])],
    "a crop": lambda x: x[:, 1:],
    "a repetition": lambda x: jnp.concatenate([x, x]),
    "a sort, which moves ordered numbers as nothing": lambda x: jnp.sort(x.ravel()).reshape(x.shape),
    "absolute values, the same for positive numbers": jnp.abs,
    "a rounding, the same for whole numbers": jnp.round,
    "a clip at what few cells exceed": lambda x: jnp.clip(x, -50, 50),
    "another dtype": lambda x: x.astype("float16"),
    "a NaN": lambda x: x.at[0, 0].set(jnp.nan),
}


@pytest.mark.parametrize("name", NO_MOVES)
def test_what_does_more_is_no_rearrangement(name):
    assert rearrangement(lambda leaves: [NO_MOVES[name](x) for x in leaves], blank((3, 4))) is None


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8"])
@pytest.mark.parametrize("size", [1, 2, 15, 255])
def test_complements_of_bits_are_no_rearrangement(dtype, size):
    """They reverse the numbers of as many cells as fit all digits."""
    assert rearrangement(lambda leaves: [~leaves[0]], blank((size,), dtype=dtype)) is None


def test_a_prediction_is_of_values_and_dtype():
    move = lambda leaves: [jnp.where(leaves[0] > 5e3, 0, leaves[0])[::-1]]
    found = rearrangement(lambda leaves: [leaves[0][::-1]], blank((4,)))
    assert predicts(found, move, [np.array([1, 2, np.nan, np.inf], np.float32)[[0, 1, 2, 2]]])
    assert not predicts(found, move, [np.array([1, 2, 3, 6000], np.float32)])
