"""Scatter from windows to cells: every algorithm equals a loop over windows, taps and cells, in every geometry."""

import math
from dataclasses import replace
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.broken_twins import caught
from support.geometries import convolutions, few_compiled
from support.numpy_evaluation import evaluated

from jaxconv.lowering import window_scatter
from jaxconv.lowering.window_scatter import scatter_adjacent_taps, scatter_each_tap
from jaxconv.testing.strategies import conv_configurations
from jaxconv.window import slide

# Includes windows that overhang, and windows that lie on zeros only.
configurations = conv_configurations(padding=st.tuples(st.integers(0, 3), st.integers(0, 3)))


def by_hand(axes, y, winner=None):
    """A loop over windows and taps."""
    x = np.zeros((len(y), *(axis.length for axis in axes), y.shape[-1]), np.float32)
    for position in product(*(range(axis.out) for axis in axes)):
        cells = product(*(axis.reads(j) for axis, j in zip(axes, position, strict=True)))
        for number, cell in enumerate(cells):
            if None not in cell:
                taken = y[:, *position]
                x[:, *cell] += taken if winner is None else np.where(winner[:, *position] == number, taken, 0)
    return x


def windows(case):
    """Cotangents of a case, and for each of them the number of a tap."""
    y, taps = case.dy(case.channels[0]), math.prod(case.window)
    return case.axes, y, np.random.default_rng(case.seed).integers(0, taps, y.shape).astype(np.uint8)


every_way = pytest.mark.parametrize(
    "algorithm", [scatter_adjacent_taps, scatter_each_tap], ids=lambda algorithm: algorithm.__name__
)


@every_way
@given(case=configurations)
def test_every_window_spreads_over_all_its_cells(algorithm, case):
    axes, y, _ = windows(case)
    np.testing.assert_array_equal(evaluated(partial(algorithm, axes))(y), by_hand(axes, y))


@every_way
@given(case=configurations)
def test_every_window_gives_to_its_winner(algorithm, case):
    axes, y, winner = windows(case)
    np.testing.assert_array_equal(evaluated(partial(algorithm, axes))(y, winner), by_hand(axes, y, winner))


@few_compiled
@given(case=convolutions())
def test_compiled_windows_spread(case):
    """Both algorithms, with and without winners, in one program."""
    zeros = tuple((axis.pad.lo, axis.pad.hi) for axis in case.axes)  # boundary cells are copied before
    axes, y, winner = windows(replace(case, geometry=case.geometry | {"padding": zeros}))
    algorithms = scatter_adjacent_taps, scatter_each_tap
    actual = jax.jit(lambda y, winner: [(algorithm(axes, y), algorithm(axes, y, winner)) for algorithm in algorithms])(
        y, winner
    )
    for everywhere, at_winners in actual:
        np.testing.assert_array_equal(everywhere, by_hand(axes, y))
        np.testing.assert_array_equal(at_winners, by_hand(axes, y, winner))


@pytest.mark.parametrize(
    ("length", "window", "stride", "dilation", "passes"),
    [
        (8, 2, 2, 1, 1),
        (8, 2, 3, 1, 1),
        (9, 3, 2, 1, 2),
        (8, 3, 1, 1, 3),
        (9, 3, 1, 2, 3),
        (9, 3, 2, 2, 3),
        (9, 9, 1, 1, 1),
    ],
)
def test_taps_less_than_a_stride_apart_take_one_pass(length, window, stride, dilation, passes):
    """All taps of a single window take one pass."""
    (axis,) = slide((length,), (window,), stride, dilation=dilation)
    jaxpr = jax.make_jaxpr(lambda y: scatter_adjacent_taps([axis], y))(jnp.ones((1, axis.out, 1)))
    assert str(jaxpr).count("pad[") == passes


# Incorrect variants.


def columns_first(axes, y, winner):
    """Numbers the taps in column-major order."""
    taps = [axis.taps for axis in axes]
    number = np.arange(math.prod(taps)).reshape(taps, order="F").ravel()
    return scatter_adjacent_taps(axes, y, jnp.asarray(number)[winner].astype(jnp.uint8))


def first_run_alone(axes, y, winner):
    """Ignores taps that are a stride or more after the first."""
    return window_scatter._scatter_run(axes, y, winner, [0] * len(axes))


@pytest.mark.parametrize("twin", [columns_first, first_run_alone], ids=lambda twin: twin.__name__)
def test_broken_twins_are_caught(twin):
    def is_detected(case):
        axes, y, winner = windows(case)
        return not np.array_equal(evaluated(partial(twin, axes))(y, winner), by_hand(axes, y, winner))

    assert caught(configurations, is_detected)
