"""Our pooling primitives: they equal the reference exactly, and all derivatives go to the same cell."""

import math
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from support.broken_twins import caught
from support.geometries import compiled_examples, examples, poolings
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv import reference
from jaxconv.lowering import pooling, use_algorithm
from jaxconv.lowering.algorithms import ALGORITHMS
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.im2col import im2col
from jaxconv.lowering.primitive import COMPUTED
from jaxconv.lowering.table import algorithm_for
from jaxconv.lowering.version import jax_in
from jaxconv.lowering.window_argmax import argmax_taps
from jaxconv.lowering.window_scatter import scatter_adjacent_taps
from jaxconv.testing.configurations import Configuration
from jaxconv.testing.strategies import conv_configurations, pool_configurations
from jaxconv.window import slide

OLD = jax_in("<0.12")

every_way = pytest.mark.parametrize("algorithm", ["table", "window_slices", "lax"])


def pulled(pool, x, dy):
    y, pull = jax.vjp(pool, x)
    return y, pull(dy)[0]


EXTREMES = {
    "max": (jc.max_pool, reference.max_pool, reference.max_pool_deltas),
    "min": (jc.min_pool, reference.min_pool, reference.min_pool_deltas),
}
every_extreme = pytest.mark.parametrize(("layer", "by_hand", "deltas"), EXTREMES.values(), ids=EXTREMES)


def of_zeros(case):
    """The same windows with zero padding of the same amounts; boundaries that copy cells are copied before."""
    return replace(case, geometry=case.geometry | {"padding": tuple((axis.pad.lo, axis.pad.hi) for axis in case.axes)})


def computed(algorithm, case, names, *operands):
    """Applies operations over the windows of a case, each to its operands, with the CPU rules of their primitives."""
    rules = [COMPUTED[pooling.PRIMITIVES[name]] for name in names]
    run = lambda each: [
        rule(*operands, axes=case.axes, algorithm=algorithm, platform="cpu")
        for rule, operands in zip(rules, each, strict=True)
    ]
    return evaluated(run)(operands)


windows_over_zeros = pool_configurations().map(of_zeros)


@pytest.mark.parametrize("algorithm", [None, "window_slices", "lax"])
@examples(16)
@given(case=windows_over_zeros)
def test_pools_and_their_deltas_are_the_references(algorithm, case):
    """Integers from -4 to 4, so that windows have many equal cells."""
    x, dy, settings = case.x(), case.dy(case.channels[0]), case.geometry
    names = ["max_pool", "max_pool_scatter", "min_pool", "max_pool_scatter", "sum_pool", "sum_pool_grad"]
    actual = computed(algorithm, case, names, [x], [x, dy], [x], [-x, dy], [x], [dy])
    expected = (
        reference.max_pool(x, case.window, **settings),
        reference.max_pool_deltas(x, dy, case.window, **settings),
        reference.min_pool(x, case.window, **settings),
        reference.min_pool_deltas(x, dy, case.window, **settings),
        reference.avg_pool(x, case.window, **settings, divisor=1),
        reference.avg_pool_deltas(x, dy, case.window, **settings, divisor=1),
    )
    for result, expected_result in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(result, expected_result)


@pytest.mark.parametrize(
    "algorithm", [name for name in ALGORITHMS if "max_pool_scatter" in ALGORITHMS[name].operations]
)
@examples(20)
@given(case=windows_over_zeros)
def test_every_way_to_place_deltas_is_the_references(algorithm, case):
    """For all windows, including those for which the table chooses another algorithm."""
    x, dy = case.x(), case.dy(case.channels[0])
    (dx,) = computed(algorithm, case, ["max_pool_scatter"], [x, dy])
    np.testing.assert_array_equal(dx, reference.max_pool_deltas(x, dy, case.window, **case.geometry))


@examples(20)
@given(case=windows_over_zeros)
def test_forward_mode_follows_the_cell_that_reverse_mode_does(case):
    """<J t, dy> = <t, J' dy> in integers, for windows with many equal cells, where lax's two modes differ."""
    x, t, dy = case.x(), case.integers(case.x().shape, 9), case.dy(case.channels[0])
    pushed = computed(None, case, 2 * ["max_pool_gather"], [x, t], [-x, t])
    for tangent, deltas in zip(pushed, (reference.max_pool_deltas, reference.min_pool_deltas), strict=True):
        assert np.vdot(tangent, dy) == np.vdot(t, deltas(x, dy, case.window, **case.geometry))


@every_way
@compiled_examples(4)
@given(case=poolings())
def test_compiled_pools_and_their_derivatives_are_the_references(algorithm, case):
    """As layers with every kind of padding. lax's forward mode uses another cell than its gradient."""
    x, t, dy = case.x(), case.integers(case.x().shape, 9), case.dy(case.channels[0])

    @jax.jit
    def run(x, t, dy):
        layers = [lambda x, layer=layer: layer(x, case.window, **case.geometry) for layer, *_ in EXTREMES.values()]
        mean = lambda x: jc.avg_pool(x, case.window, **case.geometry, divisor=1)
        with use_algorithm(algorithm):
            return pulled(mean, x, dy), [(*pulled(layer, x, dy), jax.jvp(layer, (x,), (t,))[1]) for layer in layers]

    (y, dx), extremes = run(x, t, dy)
    np.testing.assert_array_equal(y, reference.avg_pool(x, case.window, **case.geometry, divisor=1))
    np.testing.assert_array_equal(dx, reference.avg_pool_deltas(x, dy, case.window, **case.geometry, divisor=1))
    for (y, dx, pushed), (_, by_hand, deltas) in zip(extremes, EXTREMES.values(), strict=True):
        expected = deltas(x, dy, case.window, **case.geometry)
        np.testing.assert_array_equal(y, by_hand(x, case.window, **case.geometry))
        np.testing.assert_array_equal(dx, expected)
        assert algorithm == "lax" or np.vdot(pushed, dy) == np.vdot(t, expected)


def with_dilation(case):
    """The dilated axes of a convolution; and a function for the cells of every window, [n, *out, taps, c]."""
    cells = np.random.default_rng(case.seed).permutation(case.x().size)
    x = cells.reshape(case.x().shape).astype(np.float32)
    axes = slide(case.lengths, case.window, case.geometry["stride"], "VALID", case.geometry["dilation"])
    return x, axes, lambda x: im2col(x, axes).reshape(case.batch, *(a.out for a in axes), -1, x.shape[-1])


@examples(16)
@given(case=conv_configurations(max_rank=2))
def test_dilated_windows(case):
    """All cells differ, so JAX's derivative of a maximum over slices is the only correct one."""
    x, axes, cells = with_dilation(case)
    dy = case.integers((case.batch, *(axis.out for axis in axes), x.shape[-1]), 4)
    pools = [partial(pooling.max_pool, axes=axes), partial(pooling.sum_pool, axes=axes)]
    by_slices = [lambda x: jnp.max(cells(x), axis=-2), lambda x: jnp.sum(cells(x), axis=-2)]

    def run(x, dy):
        actual = {"by hand": [pulled(pool, x, dy) for pool in by_slices]}
        for algorithm in ("table", "window_slices", "lax"):
            with use_algorithm(algorithm):
                actual[algorithm] = [
                    pulled(partial(pool), x, dy) for pool in pools
                ]  # a new function for each algorithm, because JAX caches traces
        return actual

    actual = evaluated(run)(x, dy)
    for algorithm in ("table", "window_slices", "lax"):
        jax.tree.map(partial(np.testing.assert_array_equal, err_msg=algorithm), actual[algorithm], actual["by hand"])


TIED = np.random.default_rng(0).integers(0, 3, (2, 9, 8, 3)).astype(np.float32)
OVERLAPPING = {"stride": 2, "padding": ((1, 0), (1, 1))}


@pytest.mark.parametrize("layer", [jc.max_pool, jc.min_pool], ids=lambda layer: layer.__name__)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_ties_go_where_laxs_go(layer, dtype):
    dy = (np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3) % 7).astype(dtype)

    @jax.jit
    def both(x, dy):
        actual = {}
        for algorithm in ("window_slices", "lax"):
            with use_algorithm(algorithm):
                actual[algorithm] = pulled(lambda x: layer(x, (3, 2), **OVERLAPPING), x, dy)
        return actual

    actual = both(TIED.astype(dtype), dy)
    assert actual["window_slices"][1].dtype == dtype
    jax.tree.map(np.testing.assert_array_equal, actual["window_slices"], actual["lax"])


@pytest.mark.parametrize("name", ["max_pool_gather", "max_pool_scatter", "sum_pool", "sum_pool_grad"])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_sums_in_16_bits_are_rounded_once(name, dtype):
    """The result equals the rounded float32 result. Rounding after each addition would lose more and be slower."""
    axes = slide((9, 8), (3, 3), (1, 2), ((1, 0), (1, 1)))
    draw = np.random.default_rng(0).normal
    x, y = (draw(size=(2, *lengths, 3)).astype(dtype) for lengths in [(9, 8), (8, 4)])
    operands = {"max_pool_gather": (x, x), "max_pool_scatter": (x, y), "sum_pool": (x,), "sum_pool_grad": (y,)}[name]
    bind = partial(pooling.bind, name, axes=axes, algorithm="window_slices")
    both = jax.jit(lambda operands, wide: (bind(*operands), bind(*wide)))
    actual, wide = both(operands, [operand.astype(np.float32) for operand in operands])
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual, np.asarray(wide).astype(dtype))


def test_a_delta_is_never_given_to_the_padding():
    """Minus infinity equals the padding of a maximum, and infinity that of a minimum."""
    settings = {"window": (3,), "stride": 1, "padding": "SAME"}
    for layer, x in (
        (jc.max_pool, np.full((1, 3, 1), -np.float32(np.inf))),
        (jc.min_pool, np.full((1, 3, 1), np.float32(np.inf))),
    ):
        with use_algorithm("window_slices"):
            y, dx = jax.jit(partial(pulled, partial(layer, **settings)))(x, np.ones((1, 3, 1), np.float32))
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(np.ravel(dx), [2, 1, 0])


def test_a_nan_wins_its_windows_and_takes_their_deltas():
    x = np.float32([1.0, np.nan, 3.0, 0.0, 2.0]).reshape(1, 5, 1)
    for layer, expected, deltas in (
        (jc.max_pool, [np.nan, np.nan, 3, 2], [0, 2, 1, 0, 1]),
        (jc.min_pool, [np.nan, np.nan, 0, 0], [0, 2, 0, 2, 0]),
    ):
        with use_algorithm("window_slices"):
            pool = partial(layer, window=(2,), stride=1)
            y, dx = jax.jit(partial(pulled, pool))(x, np.ones((1, 4, 1), np.float32))
        np.testing.assert_array_equal(np.ravel(y), expected)
        np.testing.assert_array_equal(np.ravel(dx), deltas)


# NumPy cannot evaluate lax's forward mode, so these cases are compiled; outside nightly runs along one axis only.
@pytest.mark.parametrize(
    ("algorithm", "in_axes"),
    [
        ("table", 0),
        ("table", -1),
        ("window_slices", 0),
        ("window_slices", -1),
        ("lax", 0),
        *([("lax", -1)] if NIGHTLY else []),
    ],
)
@pytest.mark.parametrize("pool", [jc.max_pool, jc.min_pool, jc.avg_pool], ids=lambda pool: pool.__name__)
def test_vmap_in_each_operand(algorithm, in_axes, pool):
    """Many inputs, many tangents of one input, and many cotangents of one input equal a loop."""
    layer = lambda x: pool(x, (2, 3), stride=(2, 1))
    xs = np.stack([TIED, TIED[::-1], 2 - TIED], in_axes)
    tangents = np.stack([TIED, 1 - TIED], in_axes)
    cotangents = np.stack([np.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3) % n for n in (5, 7, 11)], in_axes)

    def run(x, *batches):
        _, pull = jax.vjp(layer, x)
        push = lambda t: jax.jvp(layer, (x,), (t,))[1]
        fns = layer, push, lambda dy: pull(dy)[0]
        one_by_one = lambda fn, batch: [fn(one) for one in jnp.moveaxis(batch, in_axes, 0)]
        return [
            (jax.vmap(fn, in_axes=in_axes)(batch), jnp.stack(one_by_one(fn, batch)))
            for fn, batch in zip(fns, batches, strict=True)
        ]

    with use_algorithm(algorithm):
        # Our algorithm is compiled once for a maximum and once for a sum.
        own = (algorithm, in_axes) == ("table", -1) and (NIGHTLY or pool is not jc.min_pool)
        compute = jax.jit if algorithm == "lax" or own else evaluated
        for actual, expected in compute(run)(TIED, xs, tangents, cotangents.astype(np.float32)):
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("pool", [jc.max_pool, jc.min_pool, jc.avg_pool], ids=lambda pool: pool.__name__)
def test_other_platforms_get_laxs_own_operations(platform, pool):
    def text(algorithm):
        with use_algorithm(algorithm):
            both = lambda x, dy: pulled(lambda x: pool(x, (2, 3), stride=(2, 1)), x, dy)
            exported = jax.export.export(jax.jit(both), platforms=(platform,))(TIED, jnp.ones((2, 4, 6, 3)))
        return exported.mlir_module()

    for operation in ("reduce_window", "select_and_scatter", "slice"):
        assert text("table").count(f"stablehlo.{operation}") == text("lax").count(f"stablehlo.{operation}")


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_dilated_maxima_have_no_loop_over_images_on_other_platforms(platform):
    """lax cannot differentiate dilated maxima: we use slices on every platform, and a loop over images on the CPU only."""
    both = lambda x, dy: pulled(lambda x: jc.max_pool(x, (3, 2), stride=2, dilation=2), x, dy)
    exported = jax.export.export(jax.jit(both), platforms=(platform,))(TIED, jnp.ones((2, 3, 3, 3)))
    assert "stablehlo.while" not in exported.mlir_module()
    assert "stablehlo.optimization_barrier" in exported.mlir_module()


def test_one_export_for_three_platforms_and_any_batch():
    (batch,) = jax.export.symbolic_shape("batch")
    both = lambda x: pulled(lambda x: jc.max_pool(x, (3, 3), stride=2), x, jnp.ones((x.shape[0], 4, 3, 3)))
    with use_algorithm("table"):
        exported = jax.export.export(jax.jit(both), platforms=("cpu", "cuda", "tpu"))(
            jax.ShapeDtypeStruct((batch, 9, 8, 3), jnp.float32)
        )
        jax.tree.map(np.testing.assert_array_equal, exported.call(TIED), evaluated(both)(TIED))


@pytest.mark.parametrize(
    ("operation", "window", "stride", "expected"),
    [
        ("max_pool", (2, 2), 2, "window_slices"),
        ("min_pool", (2, 2), 2, "window_slices"),
        ("sum_pool", (2, 2), 2, "window_slices"),
        ("max_pool", (40, 1), 1, "window_slices"),  # the number of slices is logarithmic in the number of taps
        ("sum_pool", (16, 16), 1, "window_slices"),
        ("max_pool_scatter", (2, 2), 2, "argmax_at_once"),  # each cell is in one window only
        ("max_pool_scatter", (6, 5), 6, "argmax_per_image" if OLD else "argmax_per_axis"),
        ("max_pool_scatter", (3, 3), 2, "argmax_per_axis" if OLD else "argmax_at_once"),
        ("max_pool_scatter", (2, 5), 2, "argmax_per_image" if OLD else "argmax_per_axis"),
        ("max_pool_scatter", (5, 5), 1, "argmax_per_image" if OLD else "argmax_per_axis"),
        ("max_pool_scatter", (8, 7), 1, "argmax_per_axis"),
        ("max_pool_scatter", (40, 2), 1, "argmax_per_axis"),
        ("sum_pool_grad", (3, 3), 2, "window_slices"),
        ("sum_pool_grad", (2, 2), 2, "lax"),  # windows without overlap
        ("sum_pool_grad", (48, 1), 1, "window_slices"),  # one window over a whole axis, as in adaptive pooling
    ],
)
def test_the_table(operation, window, stride, expected):
    axes = slide((48, 48), window, stride)
    assert algorithm_for(operation, ConvSpec(axes, 32), 32, 32, 32) == expected


def test_the_table_of_few_channels():
    algorithm = lambda operation, window, c: algorithm_for(operation, ConvSpec(slide((48, 48), window, 2), c), 32, c, c)
    assert [algorithm("max_pool_scatter", (2, 2), c) for c in (3, 6, 16)] == [
        *["argmax_per_axis" if OLD else "argmax_at_once"] * 2,
        "argmax_at_once",
    ]
    assert [algorithm("sum_pool_grad", (2, 2), c) for c in (6, 32)] == ["window_slices", "lax"]


def test_the_table_of_windows_that_overlap():
    """One or many images, with and without padding and dilation."""
    algorithm = lambda n, **settings: algorithm_for(
        "max_pool_scatter", ConvSpec(slide((48, 48), (3, 3), **settings), 8), n, 8, 8
    )
    assert [algorithm(n) for n in (1, 32)] == ["argmax_per_axis", "argmax_per_axis" if OLD else "argmax_at_once"]
    assert [algorithm(n, padding="same") for n in (1, 32)] == (
        ["argmax_per_axis", "argmax_per_image"] if OLD else ["argmax_at_once", "argmax_at_once"]
    )
    assert [algorithm(n, dilation=2) for n in (1, 32)] == [
        "argmax_per_axis",
        "argmax_per_image" if OLD else "argmax_at_once",
    ]


def test_a_few_windows_that_do_not_overlap_are_laxs():
    """For sums only. lax is never chosen for maxima, because it may lose NaNs."""
    algorithm = lambda operation, n, stride: algorithm_for(
        operation, ConvSpec(slide((48, 48), (2, 2), stride), 4), n, 4, 4
    )
    assert [algorithm("sum_pool", *one) for one in ((1, 2), (32, 2), (1, 1))] == [
        "lax",
        "window_slices",
        "window_slices",
    ]
    assert [algorithm("max_pool", *one) for one in ((1, 2), (32, 2), (1, 1))] == ["window_slices"] * 3
    whole = ConvSpec(slide((12, 48), (12, 1), (12, 1)), 4)  # a slice of adaptive pooling
    assert algorithm_for("sum_pool", whole, 1, 4, 4) == "window_slices"


# Incorrect variants: gradients that look plausible.


def to_the_last_of_equals(x, dy, axes):
    flip = lambda a: jnp.flip(a, range(1, a.ndim - 1))
    return flip(ALGORITHMS["argmax_per_image"]("max_pool_scatter", ConvSpec(axes, x.shape[-1]), flip(x), flip(dy)))


def to_all_equals(x, dy, axes):
    return jax.vjp(lambda x: jnp.max(im2col(x, axes).reshape(*dy.shape[:-1], -1, dy.shape[-1]), -2), x)[1](dy)[0]


def one_window_each(x, dy, axes):
    """If a cell is the maximum of two windows, it gets the gradient of the later one only."""
    winner, actual = argmax_taps(axes, x), jnp.zeros_like(x)
    for u in range(math.prod(axis.taps for axis in axes)):
        placed = scatter_adjacent_taps(axes, jnp.where(winner == u, dy, 0))
        actual = jnp.where(placed != 0, placed, actual)
    return actual


@pytest.mark.parametrize("twin", [to_the_last_of_equals, to_all_equals, one_window_each])
def test_broken_twins_are_caught(twin):
    def is_detected(case: Configuration):
        axes = slide(case.lengths, case.window, case.geometry["stride"], "VALID")
        x, dy = case.x(), case.integers((case.batch, *(a.out for a in axes), case.channels[0]), 4)
        expected = reference.max_pool_deltas(x, dy, case.window, stride=case.geometry["stride"])
        return not np.array_equal(evaluated(partial(twin, axes=axes))(x, dy), expected)

    assert caught(conv_configurations(max_rank=1), is_detected)


def test_laxs_two_modes_follow_two_cells():
    """The reason for our own forward mode on every platform: among equal cells lax's picks others than its gradient."""
    pool = lambda x: jc.max_pool(x, (3, 2), **OVERLAPPING)
    numbers = np.float32(np.arange(TIED.size).reshape(TIED.shape) % 11)
    dy = np.float32(np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3) % 7)
    with use_algorithm("lax"):
        pushed, dx = jax.jit(lambda x, t, dy: (jax.jvp(pool, (x,), (t,))[1], pulled(pool, x, dy)[1]))(TIED, numbers, dy)
    assert np.vdot(pushed, dy) != np.vdot(numbers, dx)
