"""The summed-delta rule: `jax.grad` of every layer equals the reference's summed deltas, exactly on small integers."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.broken_twins import caught
from support.geometries import compiled_examples, convolutions, examples, poolings
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY
from support.summed_deltas import Law, hold, outputs_and_gradients

import jaxconv as jc
from jaxconv import reference
from jaxconv.lowering import use_algorithm
from jaxconv.reference.adaptive import windows
from jaxconv.testing.strategies import conv_configurations, pool_configurations

equal = np.testing.assert_array_equal


def of_kernels(layer, forward, backward, params, case, **settings):
    """The law of a layer with a kernel and a bias, with the geometry of a case."""
    x, dy, geometry = case.x(), case.dy(), case.geometry | settings
    deltas = backward(params["kernel"], x, dy, **geometry)
    gradients = {"kernel": deltas.kernel, "bias": deltas.bias}
    return Law(partial(layer, **geometry), params, x, dy, forward(**params, x=x, **geometry), gradients, deltas.x)


def conv(case, _):
    return of_kernels(jc.conv, reference.conv, reference.conv_deltas, case.params(), case)


def locally_connected(case, _):
    by_hand = reference.locally_connected, reference.locally_connected_deltas
    return of_kernels(jc.locally_connected, *by_hand, case.local_params(), case)


def tiled_conv(case, periods):
    """Each kernel sums the deltas of its own overlays, with both algorithms of the layer."""
    params = case.local_params(periods[: len(case.window)])
    return of_kernels(jc.tiled_conv, reference.tiled_conv, reference.tiled_conv_deltas, params, case)


def regional_conv(case, cuts):
    regions = [(cut, n - cut) if cut < n else (n,) for cut, n in zip(cuts, case.out, strict=False)]
    by_hand = reference.regional_conv, reference.regional_conv_deltas
    return of_kernels(jc.regional_conv, *by_hand, case.local_params(tuple(map(len, regions))), case, regions=regions)


def partial_conv(case, seed):
    """Only valid cells contribute, rescaled by quotients that float32 rounds."""
    params, x, dy = case.params(), case.x(), case.dy()
    mask = np.random.default_rng(seed).integers(0, 2, x.shape).astype(np.float32)
    y, _ = reference.partial_conv(**params, x=x, mask=mask, **case.geometry)
    deltas = reference.partial_conv_deltas(params["kernel"], x, mask, dy, **case.geometry)
    layer = lambda params, x: jc.partial_conv(params, x, mask, **case.geometry)[0]
    gradients = {"kernel": deltas.kernel, "bias": deltas.bias}
    close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-4)
    return Law(layer, params, x, dy, y, gradients, deltas.x, close)


sizes = st.tuples(*[st.integers(1, 3)] * 2)


@examples(12)
@given(case=conv_configurations(max_rank=2), seed=st.integers(0, 2**16))
def test_holes_contribute_no_deltas(case, seed):
    hold(evaluated, partial_conv(case, seed))


@compiled_examples(2)
@given(case=convolutions(max_rank=2))
def test_compiled_partial_convolutions(case):
    hold(jax.jit, partial_conv(case, 1))


def without_the_scale(case):
    """Incorrect: the deltas of the kernel without the quotient of the two counts."""
    law, mask = partial_conv(case, 0), np.random.default_rng(0).integers(0, 2, case.x().shape).astype(np.float32)
    deltas = reference.conv_deltas(law.params["kernel"], law.x * mask, law.dy, **case.geometry)
    return law._replace(gradients=law.gradients | {"kernel": deltas.kernel})


def with_the_bias_of_holes(case):
    """Incorrect: the deltas of the bias summed over all positions."""
    law = partial_conv(case, 0)
    return law._replace(gradients=law.gradients | {"bias": law.dy.sum(axis=tuple(range(law.dy.ndim - 1)))})


@pytest.mark.parametrize("twin", [without_the_scale, with_the_bias_of_holes])
def test_broken_twins_of_partial_convolutions_are_caught(twin):
    def is_detected(case):
        try:
            hold(evaluated, twin(case))
        except AssertionError:
            return True
        return False

    assert caught(conv_configurations(max_rank=1), is_detected)


@pytest.mark.parametrize("law", [conv, locally_connected])
@examples(20)
@given(case=conv_configurations())
def test_one_kernel_and_one_at_each_position(law, case):
    hold(evaluated, law(case, ()))


@pytest.mark.parametrize("law", [tiled_conv, regional_conv])
@examples(12)
@given(case=conv_configurations(max_rank=2), sizes=sizes)
def test_several_kernels(law, case, sizes):
    hold(evaluated, law(case, sizes))


@compiled_examples(3)
@given(case=convolutions())
def test_compiled_convolutions(case):
    hold(jax.jit, conv(case, ()), locally_connected(case, ()))


@compiled_examples(2)
@given(case=convolutions(max_rank=2), sizes=st.tuples(*[st.integers(1, 2)] * 2))
def test_compiled_convolutions_of_several_kernels(case, sizes):
    hold(jax.jit, tiled_conv(case, sizes), regional_conv(case, sizes))


def test_conv_in_four_dimensions():
    """The kernel determines the rank, which may exceed three."""
    generator = np.random.default_rng(4)
    integers = lambda *shape: generator.integers(-4, 5, shape).astype(np.float32)
    params, x = {"kernel": integers(2, 1, 3, 2, 2, 3), "bias": integers(3)}, integers(2, 3, 2, 4, 3, 2)
    geometry = {"stride": (1, 2, 2, 1), "padding": ("same", "valid", "circular", (1, 0))}
    y = reference.conv(**params, x=x, **geometry)
    dy = integers(*y.shape)
    deltas = reference.conv_deltas(params["kernel"], x, dy, **geometry)
    gradients = {"kernel": deltas.kernel, "bias": deltas.bias}
    hold(jax.jit, Law(partial(jc.conv, **geometry), params, x, dy, y, gradients, deltas.x))


def test_depthwise():
    """groups = channels: each channel has one or more separate kernels."""
    generator = np.random.default_rng(5)
    integers = lambda *shape: generator.integers(-4, 5, shape).astype(np.float32)
    params, x, dy = {"kernel": integers(3, 2, 1, 8), "bias": integers(8)}, integers(2, 5, 6, 4), integers(2, 5, 6, 8)
    settings = {"groups": 4, "padding": "same"}
    deltas = reference.conv_deltas(params["kernel"], x, dy, **settings)
    y, gradients = reference.conv(**params, x=x, **settings), {"kernel": deltas.kernel, "bias": deltas.bias}
    hold(jax.jit, Law(partial(jc.conv, **settings), params, x, dy, y, gradients, deltas.x))


@pytest.mark.parametrize(("batch", "compute"), [(1, evaluated), (2, jax.jit)], ids=["evaluated", "compiled"])
def test_dense(batch, compute):
    generator = np.random.default_rng(batch)
    kernel, bias, x, dy = (
        generator.integers(-4, 5, shape).astype(np.float32) for shape in ((3, 2), (2,), (batch, 3), (batch, 2))
    )
    deltas = reference.dense_deltas(kernel, x, dy)
    gradients = {"kernel": deltas.kernel, "bias": deltas.bias}
    hold(
        compute,
        Law(jc.dense, {"kernel": kernel, "bias": bias}, x, dy, reference.dense(kernel, bias, x), gradients, deltas.x),
    )


def of_pools(layer, forward, backward, case, *more, same=equal, **settings):
    """The law of a pooling layer, with the geometry of a case."""
    x, dy, settings = case.x(), case.dy(), case.geometry | settings
    pool = lambda _, x: layer(x, case.window, **settings)
    by_hand = forward(x, case.window, *more, **case.geometry)
    dx = backward(x, dy, case.window, *more, **case.geometry)
    return Law(pool, {}, x, dy, by_hand, {}, dx, same)


def extreme(name, case):
    """Integers from -4 to 4 tie often. The delta goes to the first of the largest or smallest, as in the reference."""
    by_hand = getattr(reference, f"{name}_pool"), getattr(reference, f"{name}_pool_deltas")
    return of_pools(getattr(jc, f"{name}_pool"), *by_hand, case)


def average(divisor, case):
    """Exact for a divisor of 4; for other divisors up to the rounding of float32, because thirds are not exact."""
    same = equal if divisor == 4 else partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-5)
    by_hand = partial(reference.avg_pool, divisor=divisor), partial(reference.avg_pool_deltas, divisor=divisor)
    return of_pools(jc.avg_pool, *by_hand, case, same=same, divisor=divisor)


def norm(p, case):
    """Many cells and some windows are 0. Exact for p = 1; otherwise up to the rounding of powers and roots."""
    same = equal if p == 1 else partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    return of_pools(jc.lp_pool, reference.lp_pool, reference.lp_pool_deltas, case, p, same=same, norm=p)


def blur(case):
    """The weights are multiples of a power of 1/2, so nothing is rounded."""
    x, geometry = case.x(), {"stride": case.geometry["stride"]}
    if not case.geometry["ceil_mode"] and max(case.geometry["dilation"]) == 1:
        geometry |= {"padding": case.geometry["padding"]}
    y = reference.blur_pool(x, case.window, **geometry)
    dy = case.integers(y.shape, 9)
    dx = reference.blur_pool_deltas(x, dy, case.window, **geometry)
    return Law(lambda _, x: jc.blur_pool(x, case.window, **geometry), {}, x, dy, y, {}, dx)


def with_indices(case):
    """The values of the pool that also returns indices."""
    by_hand = reference.max_pool, reference.max_pool_deltas
    return of_pools(lambda x, *window, **geometry: jc.max_pool_with_indices(x, *window, **geometry)[0], *by_hand, case)


def unpooled(case):
    """Unpooling at the indices of a pool; overlapping windows name some cells more than once."""
    x, y = case.x(), case.dy()
    indices = reference.max_pool_indices(x, case.window, **case.geometry)
    by_hand = reference.max_unpool(y, indices, case.lengths)
    dy = reference.max_unpool_deltas(indices, x)
    return Law(lambda _, y: jc.max_unpool(y, indices, case.lengths), {}, y, x, by_hand, {}, dy)


max_pool, min_pool = partial(extreme, "max"), partial(extreme, "min")
POOLS = {
    "max": st.just(max_pool),
    "min": st.just(min_pool),
    "average": st.builds(partial, st.just(average), st.sampled_from(("inside", "window", 4))),
    "norm": st.builds(partial, st.just(norm), st.sampled_from((1, 2.5))),
    "blur": st.just(blur),
    "max with indices": st.just(with_indices),
    "unpooling": st.just(unpooled),
}


@pytest.mark.parametrize("laws", POOLS.values(), ids=POOLS)
@examples(12)
@given(data=st.data(), case=pool_configurations())
def test_pools(laws, data, case):
    hold(evaluated, data.draw(laws)(case))


@compiled_examples(3)
@given(case=poolings())
def test_compiled_pools(case):
    """One pool of each kind, all in one program."""
    laws = max_pool, min_pool, partial(average, "inside"), partial(norm, 2.5), blur, with_indices, unpooled
    hold(jax.jit, *(law(case) for law in laws))


@pytest.mark.parametrize("algorithm", ["table", "lax"])
@pytest.mark.parametrize(
    ("lengths", "counts", "compiled"),
    [((7,), (3,), NIGHTLY), ((6, 5), (4, 5), True), ((4, 3), (6, 7), False), ((3, 4, 5), (2, 2, 5), False)],
)
def test_adaptive_pools(algorithm, lengths, counts, compiled):
    """Integers from -4 to 4, with many ties."""
    generator = np.random.default_rng(7)
    x, dy = (generator.integers(-4, 5, (2, *shape, 3)).astype(np.float32) for shape in (lengths, counts))
    most, mean = reference.adaptive_max_pool(x, counts), reference.adaptive_avg_pool(x, counts)
    of_most, of_mean = reference.adaptive_max_pool_deltas(x, dy), reference.adaptive_avg_pool_deltas(x, dy)
    close = partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6)
    laws = (
        Law(lambda _, x: jc.adaptive_max_pool(x, counts), {}, x, dy, most, {}, of_most),
        Law(lambda _, x: jc.adaptive_avg_pool(x, counts), {}, x, dy, mean, {}, of_mean, close),
    )
    with use_algorithm(algorithm):
        hold(jax.jit if compiled else evaluated, *laws)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (jc.global_max_pool, lambda x: x.max(axis=(1, 2))),
        (jc.global_min_pool, lambda x: x.min(axis=(1, 2))),
        (jc.global_avg_pool, lambda x: x.mean(axis=(1, 2))),
    ],
)
def test_global_pools(layer, expected):
    x = np.random.default_rng(6).permutation(2 * 4 * 8 * 3).reshape(2, 4, 8, 3).astype(np.float32)
    run = jax.jit(partial(outputs_and_gradients, lambda _, x: layer(x)))
    y, _, dx = run({}, x, np.float32([[1, 2, 3], [-4, 5, -6]]))
    np.testing.assert_array_equal(y, expected(x))
    np.testing.assert_array_equal(dx.sum(axis=(1, 2)), [[1, 2, 3], [-4, 5, -6]])


# Incorrect rules that look plausible. The cases that the tests above draw must detect each of them.


def averaged(kernel, x, dy, **geometry):
    """The mean over overlays instead of the sum."""
    deltas = reference.conv_deltas(kernel, x, dy, **geometry)
    overlays = np.prod(dy.shape[1:-1])
    return deltas._replace(kernel=deltas.kernel / overlays)


def without_the_last_overlay(kernel, x, dy, **geometry):
    """Omits one overlay."""
    dy = dy.copy()
    dy.reshape(dy.shape[0], -1, dy.shape[-1])[:, -1] = 0
    return reference.conv_deltas(kernel, x, dy, **geometry)


def flipped(kernel, x, dy, **geometry):
    """The kernel gradient of a true convolution, which flips, instead of a cross-correlation."""
    deltas = reference.conv_deltas(kernel, x, dy, **geometry)
    return deltas._replace(kernel=np.flip(deltas.kernel, axis=tuple(range(kernel.ndim - 2))))


@pytest.mark.parametrize("rule", [averaged, without_the_last_overlay, flipped])
def test_broken_twins_are_caught(rule):
    def is_detected(case):
        try:
            hold(evaluated, of_kernels(jc.conv, reference.conv, rule, case.params(), case))
        except AssertionError:
            return True
        return False

    assert caught(conv_configurations(max_rank=1), is_detected)


def test_the_mean_is_too_small_by_the_number_of_overlays():
    """The second of the seed's two wrong explanations: sharing by averaging the deltas after the update."""
    x, dy = np.float32([1, 2, 3, 5]).reshape(1, 4, 1), np.float32([1, -2, 4]).reshape(1, 3, 1)
    params = {"kernel": np.float32([2, -1]).reshape(2, 1, 1), "bias": np.float32([0])}
    _, gradients, _ = evaluated(partial(outputs_and_gradients, jc.conv))(params, x, dy)
    each = reference.kernel_deltas_per_overlay(params["kernel"], x, dy)
    np.testing.assert_array_equal(gradients["kernel"], each.mean(axis=0) * 3)
    np.testing.assert_array_equal(gradients["kernel"].ravel(), [1 - 4 + 12, 2 - 6 + 20])


SIGNAL, BACK = np.float32([3, -1, 0, 2, -4, 1, 1]).reshape(1, 7, 1), np.float32([2, -3, 1]).reshape(1, 3, 1)


def box(x, dy):
    """A blur with equal weights for all taps."""
    return reference.avg_pool_deltas(x, dy, (3,), stride=2)


def without_signs(x, dy):
    """A norm that ignores the sign of a cell."""
    return np.abs(reference.lp_pool_deltas(x, np.abs(dy), (3,), 2, stride=2)) * np.sign(dy).sum()


def to_every_value(y, dx):
    """Unpooling whose derivative goes to all values with the same index, as in PyTorch, not to the one that is kept."""
    return np.take_along_axis(dx, NAMED, axis=1)


NAMED = np.int32([1, 4, 1]).reshape(1, 3, 1)


def even_shares(x, dy):
    """An adaptive average that divides every window by n/m."""
    dx = np.zeros(x.shape)
    for (j,), cells in windows(x.shape[1:-1], dy.shape[1:-1]):
        dx[cells] += dy[:, j : j + 1] * 3 / 7
    return dx


@pytest.mark.parametrize(
    ("layer", "rule", "twin"),
    [
        (lambda x: jc.blur_pool(x, (3,)), lambda x, dy: reference.blur_pool_deltas(x, dy, (3,)), box),
        (
            lambda x: jc.lp_pool(x, (3,), norm=2, stride=2),
            lambda x, dy: reference.lp_pool_deltas(x, dy, (3,), 2, stride=2),
            without_signs,
        ),
        (lambda x: jc.adaptive_avg_pool(x, (3,)), reference.adaptive_avg_pool_deltas, even_shares),
    ],
    ids=["blur", "norm", "adaptive"],
)
def test_broken_twins_of_pools_are_caught(layer, rule, twin):
    _, _, dx = evaluated(partial(outputs_and_gradients, lambda _, x: layer(x)))({}, SIGNAL, BACK)
    np.testing.assert_allclose(dx, rule(SIGNAL, BACK), rtol=1e-6)
    assert not np.allclose(dx, twin(SIGNAL, BACK), rtol=0.1)


def test_a_broken_twin_of_unpooling_is_caught():
    """A cell that two indices name."""
    layer = lambda _, y: jc.max_unpool(y, NAMED, (7,))
    _, _, dy = evaluated(partial(outputs_and_gradients, layer))({}, BACK, SIGNAL)
    np.testing.assert_array_equal(dy, reference.max_unpool_deltas(NAMED, SIGNAL))
    assert not np.array_equal(dy, to_every_value(BACK, SIGNAL))
