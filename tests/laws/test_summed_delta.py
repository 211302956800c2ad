"""The summed-delta rule: `jax.grad` of every layer equals the deltas added by hand, bit for bit on small integers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.broken_twins import caught

import jaxconv as jc
from jaxconv import reference
from jaxconv.lowering import forced
from jaxconv.reference.adaptive import windows
from jaxconv.testing.strategies import conv_configurations, pool_configurations


def outputs_and_gradients(layer, params, x, dy):
    """The output of `layer(params, x)`, and `jax.grad` of its product with dy by params and x."""

    @jax.jit
    def both(params, x, dy):
        loss = lambda params, x: jnp.sum(layer(params, x) * dy)
        return layer(params, x), jax.grad(loss, argnums=(0, 1))(params, x)

    y, gradients = both(params, x, dy)
    return y, *gradients


def check(found, expected):
    """Equal shapes and equal numbers, with no tolerance."""
    y, gradients, dx = found
    forward, deltas = expected
    np.testing.assert_array_equal(y, forward)
    np.testing.assert_array_equal(gradients["kernel"], deltas.kernel)
    np.testing.assert_array_equal(gradients["bias"], deltas.bias)
    np.testing.assert_array_equal(dx, deltas.x)


@given(case=conv_configurations())
def test_conv(case):
    params, x, dy, geometry = case.params(), case.x(), case.dy(), case.geometry
    check(
        outputs_and_gradients(partial(jc.conv, **geometry), params, x, dy),
        (reference.conv(**params, x=x, **geometry), reference.conv_deltas(params["kernel"], x, dy, **geometry)),
    )


@given(case=conv_configurations())
def test_locally_connected(case):
    params, x, dy, geometry = case.local_params(), case.x(), case.dy(), case.geometry
    deltas = reference.locally_connected_deltas(params["kernel"], x, dy, **geometry)
    check(
        outputs_and_gradients(partial(jc.locally_connected, **geometry), params, x, dy),
        (reference.locally_connected(**params, x=x, **geometry), deltas),
    )


@given(case=conv_configurations(max_rank=2), periods=st.tuples(*[st.integers(1, 3)] * 2))
def test_tiled_conv(case, periods):
    """Each of the kernels collects the deltas of its own overlays, in whichever way the layer is computed."""
    params, x, dy, geometry = case.local_params(periods[: len(case.window)]), case.x(), case.dy(), case.geometry
    deltas = reference.tiled_conv_deltas(params["kernel"], x, dy, **geometry)
    check(
        outputs_and_gradients(partial(jc.tiled_conv, **geometry), params, x, dy),
        (reference.tiled_conv(**params, x=x, **geometry), deltas),
    )


@given(case=conv_configurations(max_rank=2), cuts=st.tuples(*[st.integers(1, 3)] * 2))
def test_regional_conv(case, cuts):
    regions = [(cut, n - cut) if cut < n else (n,) for cut, n in zip(cuts, case.out, strict=False)]
    params, x, dy = case.local_params(tuple(map(len, regions))), case.x(), case.dy()
    geometry = case.geometry | {"regions": regions}
    check(
        outputs_and_gradients(partial(jc.regional_conv, **geometry), params, x, dy),
        (
            reference.regional_conv(**params, x=x, **geometry),
            reference.regional_conv_deltas(params["kernel"], x, dy, **geometry),
        ),
    )


def test_conv_in_four_dimensions():
    """The rank is the kernel's; nothing stops at three."""
    generator = np.random.default_rng(4)
    integers = lambda *shape: generator.integers(-4, 5, shape).astype(np.float32)
    params, x = {"kernel": integers(2, 1, 3, 2, 2, 3), "bias": integers(3)}, integers(2, 3, 2, 4, 3, 2)
    geometry = {"stride": (1, 2, 2, 1), "padding": ("same", "valid", "circular", (1, 0))}
    y = reference.conv(**params, x=x, **geometry)
    dy = integers(*y.shape)
    found = outputs_and_gradients(partial(jc.conv, **geometry), params, x, dy)
    check(found, (y, reference.conv_deltas(params["kernel"], x, dy, **geometry)))


def test_depthwise():
    """groups = channels: each channel has a kernel, or several, of its own."""
    generator = np.random.default_rng(5)
    integers = lambda *shape: generator.integers(-4, 5, shape).astype(np.float32)
    params, x, dy = {"kernel": integers(3, 2, 1, 8), "bias": integers(8)}, integers(2, 5, 6, 4), integers(2, 5, 6, 8)
    found = outputs_and_gradients(partial(jc.conv, groups=4, padding="same"), params, x, dy)
    deltas = reference.conv_deltas(params["kernel"], x, dy, groups=4, padding="same")
    check(found, (reference.conv(**params, x=x, groups=4, padding="same"), deltas))


@given(case=conv_configurations(max_rank=1))
def test_dense(case):
    kernel, bias = case.integers((3, 2), 1), case.integers((2,), 2)
    x, dy = case.integers((case.batch, 3), 3), case.integers((case.batch, 2), 4)
    check(
        outputs_and_gradients(jc.dense, {"kernel": kernel, "bias": bias}, x, dy),
        (reference.dense(kernel, bias, x), reference.dense_deltas(kernel, x, dy)),
    )


EXTREMES = {
    "max": (jc.max_pool, reference.max_pool, reference.max_pool_deltas),
    "min": (jc.min_pool, reference.min_pool, reference.min_pool_deltas),
}


@pytest.mark.parametrize(("layer", "by_hand", "deltas"), EXTREMES.values(), ids=EXTREMES)
@given(case=pool_configurations())
def test_max_and_min_pool(layer, by_hand, deltas, case):
    """Integers from -4 to 4 tie often: the delta goes to the first of the largest, or least, as the reference has it."""
    x, dy = case.x(), case.dy()
    pool = lambda _, x: layer(x, case.window, **case.geometry)
    y, _, dx = outputs_and_gradients(pool, {}, x, dy)
    np.testing.assert_array_equal(y, by_hand(x, case.window, **case.geometry))
    np.testing.assert_array_equal(dx, deltas(x, dy, case.window, **case.geometry))


@pytest.mark.parametrize("divisor", ["inside", "window", 4])
@given(case=pool_configurations())
def test_avg_pool(divisor, case):
    """With a divisor of 4 exactly; with others to float32's rounding, since thirds are not exact."""
    x, dy = case.x(), case.dy()
    pool = lambda _, x: jc.avg_pool(x, case.window, **case.geometry, divisor=divisor)
    y, _, dx = outputs_and_gradients(pool, {}, x, dy)
    same = np.testing.assert_array_equal if divisor == 4 else partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-5)
    same(y, reference.avg_pool(x, case.window, **case.geometry, divisor=divisor))
    same(dx, reference.avg_pool_deltas(x, dy, case.window, **case.geometry, divisor=divisor))


@pytest.mark.parametrize("norm", [1, 2.5])
@given(case=pool_configurations())
def test_lp_pool(norm, case):
    """Many cells are 0, and some windows; p = 1 exactly, others to the rounding of their powers and roots."""
    x, dy = case.x(), case.dy()
    pool = lambda _, x: jc.lp_pool(x, case.window, norm=norm, **case.geometry)
    y, _, dx = outputs_and_gradients(pool, {}, x, dy)
    same = np.testing.assert_array_equal if norm == 1 else partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    same(y, reference.lp_pool(x, case.window, norm, **case.geometry))
    same(dx, reference.lp_pool_deltas(x, dy, case.window, norm, **case.geometry))


@given(case=pool_configurations())
def test_blur_pool(case):
    """Its weights are halves of halves, so that nothing is rounded."""
    x, geometry = case.x(), {"stride": case.geometry["stride"]}
    if not case.geometry["ceil_mode"] and max(case.geometry["dilation"]) == 1:
        geometry |= {"padding": case.geometry["padding"]}
    expected = reference.blur_pool(x, case.window, **geometry)
    dy = case.integers(expected.shape, 9)
    y, _, dx = outputs_and_gradients(lambda _, x: jc.blur_pool(x, case.window, **geometry), {}, x, dy)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(dx, reference.blur_pool_deltas(x, dy, case.window, **geometry))


@pytest.mark.parametrize("way", ["table", "lax"])
@pytest.mark.parametrize(
    ("lengths", "counts"), [((7,), (3,)), ((6, 5), (4, 5)), ((4, 3), (6, 7)), ((3, 4, 5), (2, 2, 5))]
)
def test_adaptive_pools(way, lengths, counts):
    """Whole numbers from -4 to 4, of which many tie."""
    generator = np.random.default_rng(7)
    x, dy = (generator.integers(-4, 5, (2, *shape, 3)).astype(np.float32) for shape in (lengths, counts))
    with forced(way):
        y, _, dx = outputs_and_gradients(lambda _, x: jc.adaptive_max_pool(x, counts), {}, x, dy)
        mean, _, dmean = outputs_and_gradients(lambda _, x: jc.adaptive_avg_pool(x, counts), {}, x, dy)
    np.testing.assert_array_equal(y, reference.adaptive_max_pool(x, counts))
    np.testing.assert_array_equal(dx, reference.adaptive_max_pool_deltas(x, dy))
    np.testing.assert_allclose(mean, reference.adaptive_avg_pool(x, counts), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(dmean, reference.adaptive_avg_pool_deltas(x, dy), rtol=1e-6, atol=1e-5)


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
    y, _, dx = outputs_and_gradients(lambda _, x: layer(x), {}, x, np.float32([[1, 2, 3], [-4, 5, -6]]))
    np.testing.assert_array_equal(y, expected(x))
    np.testing.assert_array_equal(dx.sum(axis=(1, 2)), [[1, 2, 3], [-4, 5, -6]])


# The broken twins: rules that look right and are not. Each must be caught by the cases that the tests above draw.


def averaged(kernel, x, dy, **geometry):
    """The mean over overlays where the sum should be."""
    deltas = reference.conv_deltas(kernel, x, dy, **geometry)
    overlays = np.prod(dy.shape[1:-1])
    return deltas._replace(kernel=deltas.kernel / overlays)


def without_the_last_overlay(kernel, x, dy, **geometry):
    """One overlay forgotten."""
    dy = dy.copy()
    dy.reshape(dy.shape[0], -1, dy.shape[-1])[:, -1] = 0
    return reference.conv_deltas(kernel, x, dy, **geometry)


def flipped(kernel, x, dy, **geometry):
    """The kernel's delta of true convolution, which flips, instead of cross-correlation."""
    deltas = reference.conv_deltas(kernel, x, dy, **geometry)
    return deltas._replace(kernel=np.flip(deltas.kernel, axis=tuple(range(kernel.ndim - 2))))


@pytest.mark.parametrize("rule", [averaged, without_the_last_overlay, flipped])
def test_broken_twins_are_caught(rule):
    def gives_away(case):
        params, x, dy, geometry = case.params(), case.x(), case.dy(), case.geometry
        found = outputs_and_gradients(partial(jc.conv, **geometry), params, x, dy)
        try:
            check(found, (found[0], rule(params["kernel"], x, dy, **geometry)))
        except AssertionError:
            return True
        return False

    assert caught(conv_configurations(max_rank=1), gives_away)


def test_the_mean_is_too_small_by_the_number_of_overlays():
    """Of the seed's two wrong explanations the second: sharing by averaging the deltas after the update."""
    x, dy = np.float32([1, 2, 3, 5]).reshape(1, 4, 1), np.float32([1, -2, 4]).reshape(1, 3, 1)
    params = {"kernel": np.float32([2, -1]).reshape(2, 1, 1), "bias": np.float32([0])}
    _, gradients, _ = outputs_and_gradients(jc.conv, params, x, dy)
    each = reference.kernel_deltas_per_overlay(params["kernel"], x, dy)
    np.testing.assert_array_equal(gradients["kernel"], each.mean(axis=0) * 3)
    np.testing.assert_array_equal(gradients["kernel"].ravel(), [1 - 4 + 12, 2 - 6 + 20])


SIGNAL, BACK = np.float32([3, -1, 0, 2, -4, 1, 1]).reshape(1, 7, 1), np.float32([2, -3, 1]).reshape(1, 3, 1)


def box(x, dy):
    """A blur that weighs all taps alike."""
    return reference.avg_pool_deltas(x, dy, (3,), stride=2)


def without_signs(x, dy):
    """A norm that forgets which way from zero a cell is."""
    return np.abs(reference.lp_pool_deltas(x, np.abs(dy), (3,), 2, stride=2)) * np.sign(dy).sum()


def even_shares(x, dy):
    """An adaptive average that divides by n/m, whatever a window's size."""
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
    _, _, dx = outputs_and_gradients(lambda _, x: layer(x), {}, SIGNAL, BACK)
    np.testing.assert_allclose(dx, rule(SIGNAL, BACK), rtol=1e-6)
    assert not np.allclose(dx, twin(SIGNAL, BACK), rtol=0.1)
