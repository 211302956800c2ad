"""Shifting the input shifts the output: everywhere with circular padding, otherwise away from the border."""

import math
from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.broken_twins import caught
from support.geometries import compiled_examples, convolutions, examples, poolings
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv.testing.configurations import Configuration, small_integers
from jaxconv.testing.strategies import circular_configurations, conv_configurations, pool_configurations

amounts = st.integers(-4, 4)


def layer_of(case, compute=evaluated):
    """The convolution of a case, evaluated with NumPy or compiled by `jax.jit`."""
    params = case.params()
    return compute(lambda x: jc.conv(params, x, **case.geometry))


def commutes(layer, x, axis, stride, amount, step=1):
    """Whether shifting x cyclically by `amount` strides shifts each output by `amount` steps, bit for bit."""
    shifted_first = layer(np.roll(x, amount * stride, axis=axis + 1))
    shifted_last = jax.tree.map(lambda y: np.roll(y, amount * step, axis=axis + 1), layer(x))
    return jax.tree.all(jax.tree.map(np.array_equal, shifted_first, shifted_last))


@examples(16)
@given(drawn=circular_configurations(), amount=amounts)
def test_circular_conv_commutes_with_shifts_where_the_stride_divides_the_length(drawn, amount):
    case, axis = drawn
    assert commutes(layer_of(case), case.x(), axis, case.geometry["stride"][axis], amount)


def made_circular(case):
    """The case with circular padding, and with lengths that the strides divide."""
    lengths = tuple(n * stride for n, stride in zip(case.lengths, case.geometry["stride"], strict=True))
    return replace(case, lengths=lengths, geometry=case.geometry | {"padding": "circular"})


@examples(16)
@given(drawn=circular_configurations(), amount=amounts)
def test_a_circular_partial_conv_commutes_with_shifts_of_x_and_mask(drawn, amount):
    case, axis = drawn
    params, x = case.params(), case.x()
    layer = evaluated(lambda both: jc.partial_conv(params, both[..., :-1], both[..., -1:], **case.geometry))
    both = np.concatenate([x, small_integers((*x.shape[:-1], 1), case.seed, most=1)], axis=-1)
    assert commutes(layer, both, axis, case.geometry["stride"][axis], amount)


def test_but_not_with_shifts_of_x_alone():
    x, mask = np.arange(1, 5, dtype=np.float32).reshape(1, 4, 1), np.bool_([1, 0, 1, 1]).reshape(1, 4, 1)
    params = {"kernel": np.ones((2, 1, 1), np.float32)}
    assert not commutes(evaluated(lambda x: jc.partial_conv(params, x, mask, padding="circular")), x, 0, 1, 1)


@compiled_examples(4)
@given(case=convolutions(max_rank=2).map(made_circular), amount=amounts, axis=st.integers(0, 1))
def test_compiled_circular_conv_commutes_with_shifts(case, amount, axis):
    axis %= len(case.lengths)
    assert commutes(layer_of(case, jax.jit), case.x(), axis, case.geometry["stride"][axis], amount)


@pytest.mark.parametrize("boundary", ["ZERO", "REFLECT", "SYMMETRIC", "EDGE"])
def test_no_other_padding_does(boundary):
    """Every other padding has a case that does not commute."""
    padding = jc.Pad(1, 1, boundary)
    drawn = st.tuples(circular_configurations(padding), amounts)
    breaks = lambda d: not commutes(layer_of(d[0][0]), d[0][0].x(), d[0][1], d[0][0].geometry["stride"][d[0][1]], d[1])
    assert caught(drawn, breaks)


def test_nor_does_circular_where_the_stride_does_not_divide_the_length():
    drawn = st.tuples(circular_configurations(divides=False), amounts)
    breaks = lambda d: not commutes(layer_of(d[0][0]), d[0][0].x(), d[0][1], d[0][0].geometry["stride"][d[0][1]], d[1])
    assert caught(drawn, breaks)


def test_the_length_decides_for_a_stride_of_two():
    """Length 8: a shift by 2 shifts the output by 1. Length 7: it does not, as the docstring of `conv` explains."""
    params = {"kernel": np.float32([1.0, 2.0, 4.0]).reshape(3, 1, 1)}
    layer = evaluated(lambda x: jc.conv(params, x, stride=2, padding="CIRCULAR"))
    for length, expected in ((8, True), (7, False)):
        x = np.arange(1, length + 1, dtype=np.float32).reshape(1, length, 1)
        assert layer(x).shape == (1, 4, 1)
        assert commutes(layer, x, 0, 2, 1) is expected


def pools_commute(compute, case, axis, amount):
    """Checks all circular pools of one window, in one program."""
    axis %= len(case.lengths)
    window, stride, dilation = case.window, case.geometry["stride"], case.geometry["dilation"]
    settings = {"stride": stride, "padding": "circular", "dilation": dilation}

    @compute
    def pools(x):
        actual = [pool(x, window, **settings) for pool in (jc.max_pool, jc.min_pool, jc.avg_pool)]
        actual += [jc.max_pool_with_indices(x, window, **settings)[0]]
        norm, blur = (
            jc.lp_pool(x, window, norm=1, **settings),
            jc.blur_pool(x, window, stride=stride, padding="circular"),
        )
        return [*actual, norm, blur, jc.unfold(x, window, **settings)]

    return commutes(pools, case.x(), axis, stride[axis], amount)


@examples(16)
@given(case=pool_configurations(max_rank=2).map(made_circular), amount=amounts, axis=st.integers(0, 1))
def test_circular_pools_commute_with_shifts_where_the_stride_divides_the_length(case, amount, axis):
    assert pools_commute(evaluated, case, axis, amount)


@compiled_examples(4)
@given(case=poolings(max_rank=2).map(made_circular), amount=amounts, axis=st.integers(0, 1))
def test_compiled_circular_pools_commute_with_shifts(case, amount, axis):
    assert pools_commute(jax.jit, case, axis, amount)


@pytest.mark.parametrize("pool", [jc.adaptive_max_pool, jc.adaptive_avg_pool], ids=lambda pool: pool.__name__)
@examples(16)
@given(
    counts=st.sampled_from([(12, 3), (12, 8), (8, 12), (10, 4), (6, 6), (2, 6)]),
    x=st.integers(0, 2**16),
    amount=amounts,
)
def test_adaptive_pools_commute_with_shifts_by_the_length_over_the_common_factor(pool, counts, x, amount):
    """A shift by n/g cells moves the output by m/g windows. Smaller shifts put windows of other sizes over the cells."""
    length, count = counts
    common = math.gcd(length, count)
    x = small_integers((1, length, 2), x)
    assert commutes(evaluated(lambda x: pool(x, (count,))), x, 0, length // common, amount, count // common)


@pytest.mark.parametrize(("length", "count"), [(7, 3), (12, 8), (3, 5)])
def test_and_with_no_others(length, count):
    """No roll of the output matches other shifts: tested with one cell at each position, for all non-multiples of n/g."""
    compiled = jax.jit(lambda x: jc.adaptive_avg_pool(x, (count,)))
    pool = lambda x: np.asarray(compiled(x))[0, :, 0]
    period, cells = length // math.gcd(length, count), np.eye(length, dtype=np.float32)[..., None]
    some_roll_matches = lambda cell, shift: any(
        np.array_equal(pool(np.roll(cell, shift, axis=1)), np.roll(pool(cell), t)) for t in range(count)
    )
    for shift in range(1, length):
        always = all(some_roll_matches(cells[i : i + 1], shift) for i in range(length))
        assert always is (shift % period == 0)


def test_pools_do_not_commute_with_shifts_by_part_of_a_stride():
    """Max pooling by 2 does not shift when its input shifts by 1."""
    x = np.arange(8, dtype=np.float32).reshape(1, 8, 1)
    pool = evaluated(lambda x: jc.max_pool(x, (2,), padding="circular"))
    assert commutes(pool, x, 0, 2, 1)
    assert not any(np.array_equal(pool(np.roll(x, 1, axis=1)), np.roll(pool(x), t, axis=1)) for t in range(4))


@examples(16)
@given(case=pool_configurations(max_rank=2).map(made_circular), amount=amounts, axis=st.integers(0, 1))
def test_unpooled_maxima_move_with_x_by_whole_strides(case, amount, axis):
    """Cells with different values: of equal cells, the first in a window depends on where the window crosses the border."""
    axis %= len(case.lengths)
    x = np.random.default_rng(case.seed).permutation(case.x().size).reshape(case.x().shape).astype(np.float32)
    settings = {name: case.geometry[name] for name in ("stride", "padding", "dilation")}
    up = evaluated(lambda x: jc.max_unpool(*jc.max_pool_with_indices(x, case.window, **settings), case.lengths))
    stride = settings["stride"][axis]
    assert commutes(up, x, axis, stride, amount, stride)


@examples(16)
@given(case=pool_configurations(max_rank=2).map(made_circular), amount=amounts, axis=st.integers(0, 1))
def test_a_circular_fold_moves_by_a_stride_where_its_input_moves_by_one(case, amount, axis):
    axis %= len(case.lengths)
    settings = {name: case.geometry[name] for name in ("stride", "padding", "dilation")}
    out = [n // step for n, step in zip(case.lengths, settings["stride"], strict=True)]
    y = small_integers((1, *out, int(np.prod(case.window)) * 2), case.seed)
    fold = evaluated(lambda y: jc.fold(y, case.window, case.lengths, **settings))
    assert commutes(fold, y, axis, 1, amount, settings["stride"][axis])


def test_but_indices_do_not():
    """They name positions: moved by one stride, the same maxima have indices that are larger by it."""
    x = np.float32([4, 1, 2, 3, 0, 0]).reshape(1, 6, 1)
    indices = evaluated(lambda x: jc.max_pool_with_indices(x, (2,))[1])
    assert indices(x).ravel().tolist() == [0, 3, 4]
    assert indices(np.roll(x, 2, axis=1)).ravel().tolist() == [0, 2, 5]
    assert not commutes(indices, x, 0, 2, 1)


def test_nor_does_blur_pooling_but_it_comes_closer_the_more_it_blurs():
    """Shifts by half a stride. The result is compared with the mean of the results of the two neighbouring shifts."""
    x = np.random.default_rng(0).normal(size=(1, 64, 1)).astype(np.float32)

    def distance(taps):
        pool = evaluated(lambda x: jc.blur_pool(x, (taps,), padding="circular"))
        between = (pool(x) + np.roll(pool(x), 1, axis=1)) / 2
        return float(np.linalg.norm(pool(np.roll(x, 1, axis=1)) - between) / np.linalg.norm(pool(x)))

    blurs = [distance(taps) for taps in (1, 3, 5, 7)]
    assert blurs == sorted(blurs, reverse=True)
    assert blurs[-1] < blurs[0] / 2
    assert blurs[-1] > 0


def test_nor_do_windows_that_overhang():
    """In ceil mode, the third window over 8 cells has two of them, and the cells beyond x do not wrap around."""
    pool = evaluated(lambda x: jc.min_pool(x, (3,), ceil_mode=True))
    x = np.arange(8, dtype=np.float32).reshape(1, 8, 1)
    assert pool(x).ravel().tolist() == [0, 3, 6]
    assert not any(np.array_equal(pool(np.roll(x, 3, axis=1)), np.roll(pool(x), t, axis=1)) for t in range(3))


@examples(16)
@given(drawn=circular_configurations(), amount=amounts, periods=st.tuples(*[st.integers(1, 3)] * 2))
def test_a_circular_tiled_conv_commutes_with_shifts_by_its_period(drawn, amount, periods):
    case, axis = drawn
    stride, period, lengths = case.geometry["stride"][axis], periods[axis], list(case.lengths)
    lengths[axis] += -lengths[axis] % (stride * period)
    case = replace(case, lengths=tuple(lengths))
    params = case.local_params(periods[: len(lengths)])
    layer = evaluated(lambda x: jc.tiled_conv(params, x, **case.geometry))
    assert commutes(layer, case.x(), axis, stride * period, amount, period)


@pytest.mark.parametrize(("stride", "period"), [(1, 2), (2, 2), (1, 3), (2, 3), (1, 6)])
def test_but_not_with_shifts_by_less_and_not_across_a_seam(stride, period):
    """Periodic kernels do not commute with shifts by less than a period, nor if the last period is incomplete."""
    case = Configuration((6 * stride,), (2,), {"stride": stride, "padding": "circular"}, (2, 3), 1, 0)
    params, x = case.local_params((period,)), case.x()
    fixed = jax.jit(lambda x: jc.tiled_conv(params, x, **case.geometry))
    assert commutes(fixed, x, 0, stride * period, 1, period)
    for less in range(1, period):
        moved = fixed(np.roll(x, less * stride, axis=1))
        assert not any(np.array_equal(moved, np.roll(fixed(x), t, axis=1)) for t in range(6))
    longer = case.integers((1, 7 * stride, 2), 1)
    assert not commutes(fixed, longer, 0, stride * period, 1, period)


def clear_of_padding(axis):
    """Positions along one axis whose windows read no padding."""
    starts = [j * axis.stride - axis.pad.lo for j in range(axis.out)]
    return [j for j, start in enumerate(starts) if start >= 0 and start + axis.span <= axis.length]


@examples(16)
@given(case=conv_configurations(max_rank=2), k=st.integers(1, 2))
def test_away_from_the_border_every_conv_is_equivariant(case, k):
    """If y[i + k*stride] == x[i] wherever both exist, outputs that read no padding before and after move by k."""
    axis, stride = case.axes[0], case.geometry["stride"][0]
    x = case.x()
    y = case.integers(x.shape, 9)
    kept = max(x.shape[1] - k * stride, 0)
    y[:, x.shape[1] - kept :] = x[:, :kept]
    layer = layer_of(case)
    clear = clear_of_padding(axis)
    positions = [j for j in clear if j + k in clear]
    before, after = np.asarray(layer(x)), np.asarray(layer(y))
    np.testing.assert_array_equal(after[:, [j + k for j in positions]], before[:, positions])


RESIZED = [("linear", False), ("cubic", False), ("lanczos3", False), ("area", None), ("nearest", None), ("cubic", True)]


@pytest.mark.parametrize(("method", "antialias"), RESIZED)
@pytest.mark.parametrize(
    ("n", "m", "corners", "shift", "move"),
    [(40, 60, "half_pixel", 2, 3), (40, 60, "asymmetric", 2, 3), (40, 20, "half_pixel", 2, 1), (41, 61, "align", 2, 3)],
)
def test_away_from_the_border_resizing_moves_by_q_where_x_moves_by_p(method, antialias, n, m, corners, shift, move):
    """Bit for bit: outputs a period apart have the same weights."""
    if corners != "half_pixel" and (method == "area" or antialias):
        return
    x = np.random.default_rng(n).normal(size=(1, n + 8, 1)).astype(np.float32)
    layer = evaluated(lambda x: jc.resize(x, (m,), method=method, antialias=antialias, corners=corners))
    before, after = (np.asarray(layer(part)).ravel() for part in (x[:, shift : n + shift], x[:, :n]))
    clear = slice(m // 3, 2 * m // 3)
    np.testing.assert_array_equal(after[clear.start + move : clear.stop + move], before[clear])
    assert not np.array_equal(after[clear.start + move + 1 : clear.stop + move + 1], before[clear])


def test_beside_the_border_a_zero_padded_conv_is_not():
    """One position further out the zeros change the result: a ramp shifted by 1."""
    layer = evaluated(lambda x: jc.conv({"kernel": np.ones((3, 1, 1), np.float32)}, x, padding="SAME"))
    x = np.arange(1, 7, dtype=np.float32).reshape(1, 6, 1)
    y = np.concatenate([np.full((1, 1, 1), 9, np.float32), x[:, :-1]], axis=1)
    before, after = layer(x).ravel(), layer(y).ravel()
    assert np.array_equal(after[2:5], before[1:4])
    assert after[1] != before[0]
    assert after[5] != before[4]


@examples(16)
@given(drawn=circular_configurations(), amount=amounts)
def test_global_pools_after_a_circular_conv_are_invariant(drawn, amount):
    case, axis = drawn
    x, params, stride = case.x(), case.params(), case.geometry["stride"][axis]
    layer = evaluated(lambda x: jc.global_max_pool(jc.conv(params, x, **case.geometry)))
    np.testing.assert_array_equal(layer(x), layer(np.roll(x, amount * stride, axis=axis + 1)))


def test_a_locally_connected_layer_is_not_equivariant():
    x = np.arange(1, 5, dtype=np.float32).reshape(1, 4, 1)
    layer = lambda kernel: evaluated(lambda x: jc.locally_connected({"kernel": kernel}, x, padding="circular"))
    tied = np.tile(np.float32([1, -2]).reshape(2, 1, 1), (4, 1, 1, 1))
    untied = tied.copy()
    untied[0] = 3
    assert commutes(layer(tied), x, 0, 1, 1)
    assert not commutes(layer(untied), x, 0, 1, 1)
