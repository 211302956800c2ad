"""NaN wins every maximum and minimum, for all sizes, batches, channels and dtypes, in value and derivative.

XLA's reductions on the CPU lose NaNs from some thousand cells on. The sizes therefore lie on both sides of that size and
of every threshold in the table of algorithms. The expected values come from NumPy, whose maxima keep NaNs and whose
argmax is the position of the first NaN.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv import reference
from jaxconv.lowering.pooling import LAX
from jaxconv.window import slide

# [n, *spatial, c], the window, its settings. Small sizes are followed by large ones, which XLA computes differently.
CASES = {
    "2x2": [((1, 6, 4, 1), (2, 2), {}), ((1, 28, 28, 6), (2, 2), {}), ((32, 14, 14, 4), (2, 2), {}), ((32, 28, 28, 8), (2, 2), {})],
    "3x3 stride 1": [((2, 5, 6, 3), (3, 3), {"stride": 1}), ((8, 28, 28, 8), (3, 3), {"stride": 1, "padding": "SAME"})],
    "3x3 stride 2": [((2, 9, 8, 1), (3, 3), {"stride": 2, "padding": ((1, 1), (0, 1))}), ((16, 30, 31, 5), (3, 3), {"stride": 2, "padding": "SAME"})],
    "dilated": [((1, 9, 9, 2), (2, 3), {"stride": (1, 2), "dilation": (3, 2)}), ((16, 24, 24, 6), (2, 2), {"stride": 2, "dilation": 2})],
    "ceil mode": [((1, 7, 6, 2), (3, 2), {"ceil_mode": True}), ((16, 23, 22, 7), (3, 4), {"ceil_mode": True, "padding": ((1, 0), (0, 1))})],
    "circular": [((1, 6, 5, 2), (3, 2), {"stride": 1, "padding": "CIRCULAR"})],
    "one axis": [((3, 11, 2), (4,), {"stride": 3}), ((4, 2000, 3), (4,), {})],
    "three axes": [((2, 4, 5, 3, 2), (2, 2, 1), {}), ((2, 12, 12, 12, 4), (3, 3, 3), {"stride": (1, 2, 3)})],
    "many taps": [((2, 15, 12, 1), (9, 12), {"stride": (2, 12)}), ((2, 40, 37, 2), (12, 9), {}), ((1, 70, 3), (33,), {"stride": 1, "padding": ((30, 5),)}), ((1, 99, 2), (64,), {"stride": 2})],
    "many taps dilated": [((1, 61, 2), (9,), {"stride": 19, "dilation": 2}), ((2, 45, 3), (10,), {"stride": 1, "dilation": 3})],
    "taps in a loop": [((1, 70, 2), (55,), {"stride": 1}), ((2, 130, 3), (57,), {"stride": 1, "dilation": 2, "padding": ((3, 2),)})],
    "whole": [((1, 5, 4, 3), (5, 4), {}), ((8, 28, 28, 6), (28, 28), {})],
}  # fmt: skip
every_case = pytest.mark.parametrize("case", CASES)
LAYERS = {"max": (jc.max_pool, np.max, np.argmax), "min": (jc.min_pool, np.min, np.argmin)}


def with_nans(shape, seed, dtype=np.float32):
    """Integers with many ties and infinities, and a NaN in about one window in ten."""
    draw = np.random.default_rng(seed)
    x = draw.integers(-3, 4, shape).astype(np.float32)
    for number in (np.inf, -np.inf, np.nan, np.nan):
        x.flat[draw.choice(x.size, 1 + x.size // 60, replace=False)] = number
    return x.astype(dtype)


def windows(x, axes, fill):
    """[n, *out, c, taps] from NumPy's sliding window view; padding looks like cells with the value `fill`."""
    x = np.pad(x, [(0, 0), *((axis.pad.lo, axis.pad.hi) for axis in axes), (0, 0)], constant_values=fill)
    spatial = tuple(range(1, x.ndim - 1))
    view = sliding_window_view(x, [axis.span for axis in axes], spatial)
    view = view[(slice(None), *(slice(0, (axis.out - 1) * axis.stride + 1, axis.stride) for axis in axes))]
    view = view[(..., *(slice(None, None, axis.dilation) for axis in axes))]
    return view.reshape(*view.shape[: x.ndim], -1)


@every_case
def test_a_nan_wins_in_the_value_and_the_first_one_takes_the_derivative(case):
    """For maxima and minima, also in forward mode: <J t, dy> == <t, J' dy> in integers.

    The last size of each case is compiled: for maxima or minima in turn, and in nightly runs for both, together with
    all large inputs, which XLA may compute differently.
    """
    cases, turn = CASES[case], list(LAYERS)[list(CASES).index(case) % 2]
    for shape, window, settings in cases:
        pools = {name: partial(layer, window=window, **settings) for name, (layer, *_) in LAYERS.items()}
        x, draw = with_nans(shape, 0), np.random.default_rng(0)
        dy = draw.integers(1, 5, jax.eval_shape(pools["max"], x).shape).astype(np.float32)
        t = draw.integers(-4, 5, shape).astype(np.float32)
        compiled = [*LAYERS] if NIGHTLY and (x.size > 2000 or shape is cases[-1][0]) else []
        compiled = compiled or ([turn] if shape is cases[-1][0] else [])
        actual = {}
        for compute, names in ((jax.jit, compiled), (evaluated, [name for name in LAYERS if name not in compiled])):
            actual |= compute(
                lambda x, dy, t, selected=names, pools=pools: {
                    name: every_mode(pools[name], x, dy, t) for name in selected
                }
            )(x, dy, t)
        axes = slide(shape[1:-1], window, settings.get("stride", window), *(settings.get(n, d) for n, d in (("padding", "VALID"), ("dilation", 1))), ceil_mode=settings.get("ceil_mode", False))  # fmt: skip
        for name, (y, dx, pushed) in actual.items():
            assert np.isnan(y).any()
            if not any(axis.pad.boundary == "CIRCULAR" for axis in axes):
                fill = -np.inf if name == "max" else np.inf
                np.testing.assert_array_equal(y, LAYERS[name][1](windows(x, axes, fill), axis=-1))
            np.testing.assert_array_equal(y, getattr(reference, f"{name}_pool")(x, window, **settings))
            deltas = getattr(reference, f"{name}_pool_deltas")(x, dy, window, **settings)
            np.testing.assert_array_equal(dx, deltas)
            assert np.vdot(np.float64(pushed), dy) == np.vdot(np.float64(t), deltas)


def every_mode(pool, x, dy, t):
    """The results, the gradient by x of their product with dy, and their derivative along t."""
    y, pull = jax.vjp(pool, x)
    return y, pull(dy)[0], jax.jvp(pool, (x,), (t,))[1]


def value_and_gradient(pool, x):
    """The results, and the gradient by x of their sum."""
    y, pull = jax.vjp(pool, x)
    return y, pull(jnp.ones_like(y))[0]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_every_dtype(name, dtype):
    layer, extreme, place = LAYERS[name]
    with jax.enable_x64(dtype == jnp.float64):
        x = with_nans((16, 28, 28, 8), 0, dtype)
        y, dx = jax.jit(partial(value_and_gradient, partial(layer, window=(2, 2))))(x)
        wide = x.astype(np.float64)
        cells = windows(wide, slide((28, 28), (2, 2), 2), np.nan)
        np.testing.assert_array_equal(np.asarray(y).astype(np.float64), extreme(cells, axis=-1))
        taken = windows(np.asarray(dx).astype(np.float64), slide((28, 28), (2, 2), 2), 0)
        np.testing.assert_array_equal(taken, np.arange(4) == place(cells, axis=-1)[..., None])


@pytest.mark.parametrize("pool", [jc.adaptive_max_pool, jc.global_max_pool, jc.global_min_pool], ids=lambda pool: pool.__name__)  # fmt: skip
@pytest.mark.parametrize("shape", [(1, 5, 4, 2), (8, 28, 30, 6), *([(32, 30, 28, 4)] if NIGHTLY else [])])
def test_adaptive_and_global_pools(pool, shape):
    x = with_nans(shape, 3)
    x[0, ..., 0] = 1  # one channel without NaNs
    if pool is jc.adaptive_max_pool:
        layer, expected = (lambda x: pool(x, (3, 4))), reference.adaptive_max_pool(x, (3, 4))
    else:
        layer, expected = pool, (np.max if pool is jc.global_max_pool else np.min)(x, axis=(1, 2))
    t = np.random.default_rng(0).integers(-4, 5, shape).astype(np.float32)
    both = jax.jit(lambda x, t: (value_and_gradient(layer, x), jax.jvp(layer, (x,), (t,))[1]))
    (y, dx), pushed = both(x, t)
    np.testing.assert_array_equal(y, expected)
    if pool is jc.adaptive_max_pool:
        np.testing.assert_array_equal(dx, reference.adaptive_max_pool_deltas(x, np.ones(y.shape)))
        return
    expanded = np.asarray(y)[:, None, None]
    equal = (x == expanded) | (np.isnan(x) & np.isnan(expanded))
    np.testing.assert_allclose(dx, equal / equal.sum((1, 2), keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(pushed, (equal * t).sum((1, 2)) / equal.sum((1, 2)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_one_example_is_computed_as_in_a_batch(name):
    """Regression test: a NaN was kept with 4 channels and in batches of 32, but lost for a single example with 6."""
    layer = LAYERS[name][0]
    x = with_nans((32, 28, 28, 6), 0)
    y = layer(x, (2, 2))
    np.testing.assert_array_equal(jnp.concatenate([layer(one[None], (2, 2)) for one in x]), y)
    np.testing.assert_array_equal(jnp.stack([layer(x[..., c, None], (2, 2))[..., 0] for c in range(6)], -1), y)
    np.testing.assert_array_equal(jax.vmap(partial(layer, window=(2, 2), batched=False))(x), y)


@pytest.mark.parametrize("name", LAYERS)
def test_arrays_that_are_split_explicitly_keep_their_nans(name):
    """Such arrays are computed by lax, except for the comparison."""
    layer, extreme, _ = LAYERS[name]
    mesh = jax.make_mesh((2,), ("n",), axis_types=(jax.sharding.AxisType.Explicit,))
    split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("n"))
    x = with_nans((32, 28, 28, 8), 0)
    y = jax.jit(partial(layer, window=(2, 2)))(jax.device_put(x, split))
    cells = windows(x, slide((28, 28), (2, 2), 2), np.nan)
    np.testing.assert_array_equal(y, extreme(cells, axis=-1))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_the_gradient_of_other_platforms_goes_to_the_first_nan(dtype):
    """lax's select-and-scatter, run on the CPU. On its own it loses NaNs, as the incorrect variant shows."""
    axes = slide((9, 8), (3, 2), (2, 1), ((1, 1), (0, 1)))
    x = with_nans((3, 9, 8, 2), 4, dtype)
    dy = np.random.default_rng(0).integers(1, 5, (3, *(axis.out for axis in axes), 2)).astype(dtype)
    wide, deltas = x.astype(np.float32), dy.astype(np.float32)
    expected = reference.max_pool_deltas(wide, deltas, (3, 2), stride=(2, 1), padding=((1, 1), (0, 1)))
    actual = jax.jit(partial(LAX["max_pool_scatter"], axes))(x, dy)
    np.testing.assert_array_equal(np.asarray(actual).astype(np.float32), expected)
    twin = jax.jit(lambda x, dy: jax.vjp(partial(LAX["max_pool"], axes), x)[1](dy)[0])(x, dy)
    assert not np.array_equal(np.asarray(twin).astype(np.float32), expected)


def test_the_fault_is_there_to_be_seen():
    """XLA's maximum of the same size loses NaNs. If XLA keeps them one day, this test fails and slices become optional."""
    axes = slide((28, 28), (2, 2), 2)
    dropped = jax.jit(partial(LAX["max_pool"], axes))(with_nans((32, 28, 28, 8), 0))
    assert not np.isnan(dropped).any()
