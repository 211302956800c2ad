"""Test windows of sources: each is the input shifted by whole cells, with new content at the border."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxconv.verify.execution.windows import Windows

SHAPES = {0: (2, 5, 4), 3: (4, 3)}  # two leaves
ALONGS = (
    ((0, 1),),
    ((0, 2),),
    ((0, 2), (3, 0)),
)  # the last axis of one is shifted together with the first of the other
rows = st.lists(st.tuples(st.sampled_from(ALONGS), st.integers(-4, 4)), min_size=1, max_size=5)


def numbered(windows):
    """Sources whose cells all differ."""
    return {leaf: np.arange(np.prod(shape)).reshape(shape) + 1000 * leaf for leaf, shape in windows.sources.items()}


@given(rows)
def test_what_stays_in_range_is_shifted(rows):
    """y[i + s] is x[i] wherever both are in range; what enters is not in x."""
    windows = Windows(SHAPES, tuple(rows), cyclic=False)
    sources = numbered(windows)
    x = windows.window(sources)
    for along, shift in rows:
        y = windows.window(sources, (along, shift))
        for leaf, shape in SHAPES.items():
            assert y[leaf].shape == x[leaf].shape == shape
            axes = [axis for of, axis in along if of == leaf]
            before, after, entered = x[leaf], y[leaf], np.zeros(shape, bool)
            for axis in axes:
                i = np.arange(max(0, -shift), min(shape[axis], shape[axis] - shift))
                before, after = before.take(i, axis), after.take(i + shift, axis)
                entered |= ~np.isin(np.arange(shape[axis]), i + shift).reshape(
                    [-1 if n == axis else 1 for n in range(len(shape))]
                )
            np.testing.assert_array_equal(after, before)
            assert not np.isin(y[leaf][entered], x[leaf]).any()


@given(rows)
def test_cyclic_windows_are_rolls(rows):
    windows = Windows(SHAPES, tuple(rows), cyclic=True)
    x = numbered(windows)
    assert windows.sources == SHAPES
    stacks = windows.stacks(x)
    for number, (along, shift) in enumerate([((), 0), *rows]):
        for leaf in SHAPES:
            axes = [axis for of, axis in along if of == leaf]
            np.testing.assert_array_equal(stacks[leaf][number], np.roll(x[leaf], [shift] * len(axes), axes))


def test_sources_are_no_longer_than_the_shifts_need():
    windows = Windows({0: (6, 3)}, ((((0, 0),), 2), (((0, 0),), 1), (((0, 0),), -1)), cyclic=False)
    assert windows.sources == {0: (9, 3)}
    assert windows.margins == {(0, 0): (2, 1)}
    x = np.arange(27).reshape(9, 3)
    np.testing.assert_array_equal(windows.window({0: x})[0], x[2:8])
    np.testing.assert_array_equal(windows.window({0: x}, (((0, 0),), 2))[0], x[0:6])


def test_chosen_rows_are_stacked_after_the_input():
    windows = Windows({0: (4,)}, ((((0, 0),), 1), (((0, 0),), 3)), cyclic=True)
    stack = windows.stacks({0: np.arange(4)}, [windows.rows[1]])[0]
    np.testing.assert_array_equal(stack, [[0, 1, 2, 3], [1, 2, 3, 0]])


@pytest.mark.parametrize("cyclic", [True, False])
def test_no_rows_are_the_input_alone(cyclic):
    windows = Windows({1: (3,)}, (), cyclic)
    np.testing.assert_array_equal(windows.stacks({1: np.arange(3)})[1], [[0, 1, 2]])
