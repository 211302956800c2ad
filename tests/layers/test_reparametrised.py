"""Spectral and weight normalisation: singular values, states, derivatives, axes, dtypes, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv import reference

GENERATOR = np.random.default_rng(0)
KERNEL = GENERATOR.normal(size=(3, 2, 4, 6)).astype(np.float32)
PARAMS = {"kernel": KERNEL, "bias": GENERATOR.normal(size=6).astype(np.float32)}
DY = GENERATOR.normal(size=KERNEL.shape).astype(np.float32)
AXES = [-1, -2, 0, 3]
close = lambda actual, expected: np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def matrix_of(kernel, axis=-1):
    """One row for each output channel."""
    return np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)


def state_of(axis=-1, seed=1):
    """Random unit vectors."""
    u, v = (np.random.default_rng(seed).normal(size=n) for n in matrix_of(KERNEL, axis).shape)
    v = (v / np.linalg.norm(v)).reshape(np.moveaxis(KERNEL, axis, 0).shape[1:])
    return {"u": np.float32(u / np.linalg.norm(u)), "v": np.float32(v)}


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("steps", [1, 3])
def test_training_divides_by_the_reference_of_the_improved_state(axis, steps):
    state = state_of(axis)
    params, new = by_numpy.spectral_norm(PARAMS, state, training=True, steps=steps, axis=axis)
    u, v = reference.power_iteration(matrix_of(KERNEL, axis).astype(np.float64), state["v"].ravel(), steps)
    close(new["u"], u)
    close(new["v"].ravel(), v)
    assert new["v"].shape == state["v"].shape
    close(params["kernel"], reference.spectral_norm(KERNEL, u, v, axis=axis))
    np.testing.assert_array_equal(params["bias"], PARAMS["bias"])


def test_evaluation_uses_the_state_as_it_is():
    state = state_of()
    params, new = by_numpy.spectral_norm(PARAMS, state, training=False)
    jax.tree.map(np.testing.assert_array_equal, new, state)
    close(params["kernel"], reference.spectral_norm(KERNEL, state["u"], state["v"].ravel()))


@pytest.mark.parametrize("axis", AXES)
def test_after_enough_steps_the_largest_singular_value_is_one(axis):
    """By an independent decomposition, `numpy.linalg.svd`."""
    params, state = by_numpy.spectral_norm(PARAMS, state_of(axis), training=True, steps=200, axis=axis)
    u, values, _ = np.linalg.svd(matrix_of(KERNEL.astype(np.float64), axis), full_matrices=False)
    np.testing.assert_allclose(np.linalg.svd(matrix_of(params["kernel"], axis))[1][0], 1, rtol=1e-5)
    np.testing.assert_allclose(abs(u[:, 0] @ state["u"]), 1, rtol=1e-5)
    np.testing.assert_allclose(params["kernel"] * values[0], KERNEL, rtol=1e-4, atol=1e-5)


def test_the_estimate_never_exceeds_the_largest_singular_value():
    largest = np.linalg.svd(matrix_of(KERNEL))[1][0]
    state, estimates = state_of(), []
    for _ in range(6):
        params, state = by_numpy.spectral_norm(PARAMS, state, training=True)
        estimates.append(float(KERNEL.flat[0] / np.asarray(params["kernel"]).flat[0]))
    assert estimates == sorted(estimates)
    assert estimates[0] < 0.99 * largest
    assert estimates[-1] <= largest * (1 + 1e-6)


@pytest.mark.parametrize("axis", AXES)
def test_deltas_of_spectral_norm(axis):
    """The vectors are constants, in training as well."""
    state = state_of(axis)
    settings = {"axis": axis, "training": True, "steps": 2}
    layer = lambda kernel: jc.spectral_norm({"kernel": kernel}, state, **settings)[0]["kernel"]
    _, dkernel = by_numpy.pulled(layer, KERNEL, DY)
    u, v = reference.power_iteration(matrix_of(KERNEL, axis).astype(np.float64), state["v"].ravel(), 2)
    close(dkernel, reference.spectral_norm_deltas(KERNEL, u, v, DY, axis=axis))
    assert abs(np.vdot(dkernel, KERNEL)) < 1e-4 * np.linalg.norm(dkernel) * np.linalg.norm(KERNEL)
    without = DY / (u @ matrix_of(KERNEL, axis) @ v)  # the broken twin: sigma as a constant
    assert not np.allclose(dkernel, without, rtol=0.1)


def test_the_state_has_no_derivative():
    state = state_of()
    loss = lambda kernel, state: sum(
        leaf.sum() for leaf in jax.tree.leaves(jc.spectral_norm({"kernel": kernel}, state, training=True)[1])
    )
    found = evaluated(jax.grad(loss, argnums=(0, 1)))(KERNEL, state)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(found))


def test_positive_factors_change_nothing_and_the_layer_is_that_of_its_result():
    state = state_of()
    params, _ = by_numpy.spectral_norm(PARAMS, state, training=True)
    again, _ = by_numpy.spectral_norm({"kernel": 4 * KERNEL}, state, training=True)
    np.testing.assert_array_equal(again["kernel"], params["kernel"])
    scaled = {"kernel": KERNEL, "scale": np.float32([1, 2, 3, 4, 5, 6])}
    first, again = (by_numpy.weight_norm(scaled | {"kernel": k * KERNEL})["kernel"] for k in (1, 4))
    np.testing.assert_array_equal(again, first)


def test_zeros_stay_zero_and_do_not_destroy_the_state():
    params, state = by_numpy.spectral_norm({"kernel": np.zeros_like(KERNEL)}, state_of(), training=True)
    assert not params["kernel"].any()
    jax.tree.map(np.testing.assert_array_equal, state, state_of())
    zero = {"kernel": KERNEL * np.float32([1, 1, 0, 1, 1, 1]), "scale": np.ones(6, np.float32)}
    layer = lambda kernel: jc.weight_norm(zero | {"kernel": kernel})["kernel"]
    y, dkernel = by_numpy.pulled(layer, zero["kernel"], DY)
    assert not y[..., 2].any()
    assert not dkernel[..., 2].any()
    assert np.isfinite(dkernel).all()


@pytest.mark.parametrize("axis", AXES)
def test_weight_norm_and_its_deltas(axis):
    params = by_numpy.init_weight_norm(PARAMS, axis=axis)
    close(by_numpy.weight_norm(params, axis=axis)["kernel"], KERNEL)
    np.testing.assert_array_equal(by_numpy.weight_norm(params, axis=axis)["bias"], PARAMS["bias"])
    scale = GENERATOR.normal(size=KERNEL.shape[axis]).astype(np.float32)
    layer = lambda both: jc.weight_norm({"kernel": both[0], "scale": both[1]}, axis=axis)["kernel"]
    y, (dkernel, dscale) = by_numpy.pulled(layer, (KERNEL, scale), DY)
    close(y, reference.weight_norm(KERNEL, scale, axis=axis))
    expected = reference.weight_norm_deltas(KERNEL.astype(np.float64), scale, DY, axis=axis)
    close(dkernel, expected[0])
    close(dscale, expected[1])
    twin = DY * (y / KERNEL)  # the broken twin: the length as a constant
    assert not np.allclose(dkernel, twin, rtol=0.1)


def test_lengths_are_the_scales():
    params = {"kernel": KERNEL, "scale": np.float32([1, -2, 3, 4, 0, 6])}
    lengths = np.linalg.norm(matrix_of(by_numpy.weight_norm(params)["kernel"]), axis=1)
    np.testing.assert_allclose(lengths, [1, 2, 3, 4, 0, 6], rtol=1e-6)


def test_a_new_state_is_near_the_first_singular_vectors():
    state = jax.jit(jc.init_spectral_norm)(jax.random.key(0), PARAMS)
    largest = np.linalg.svd(matrix_of(KERNEL))[1][0]
    assert 0.9 * largest < state["u"] @ matrix_of(KERNEL) @ state["v"].ravel() <= largest * (1 + 1e-6)
    np.testing.assert_allclose([np.linalg.norm(state["u"]), np.linalg.norm(state["v"])], 1, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16])
def test_half_precision_is_normalised_in_single(dtype):
    params = {"kernel": KERNEL.astype(dtype), "scale": np.full(6, 2, dtype)}
    assert by_numpy.weight_norm(params)["kernel"].dtype == dtype
    half, state = by_numpy.spectral_norm({"kernel": KERNEL.astype(dtype)}, state_of(), training=True)
    assert (half["kernel"].dtype, state["u"].dtype, state["v"].dtype) == (dtype, np.float32, np.float32)
    tiny = {"kernel": np.full((4, 1), 2.0**-13, np.float16), "scale": np.float16([1])}
    assert by_numpy.weight_norm(tiny)["kernel"].ravel().tolist() == [0.5] * 4  # squares would be 0 in float16


@pytest.mark.parametrize(
    ("params", "state", "settings", "error", "message"),
    [
        (
            {"kernel": KERNEL[0, 0, 0]},
            state_of(),
            {},
            ValueError,
            r"kernel is \(6,\), but should be an array of 2 axes",
        ),
        (PARAMS, state_of(0), {}, ValueError, r'state\["u"\] is \(3,\), but should be \(6,\), the kernel.s output'),
        (PARAMS, {"u": state_of()["u"]}, {}, ValueError, r"state is a dict of \['u'\]"),
        (PARAMS, state_of() | {"v": np.ones((3, 2, 4), np.int32)}, {}, TypeError, r'state\["v"\] is int32, .* float32'),
        (PARAMS, state_of(), {"axis": 4}, ValueError, "axis is 4, but should be at most 3. Write -1"),
        (PARAMS, state_of(), {"steps": 0}, ValueError, "steps is 0, but should be 1 or more"),
        (PARAMS, state_of(), {"epsilon": 0}, ValueError, "epsilon is 0, but should be positive"),
        (PARAMS, state_of(), {"training": 1}, TypeError, "training is 1, but should be True or False"),
        ({"kernel": KERNEL.astype(int)}, state_of(), {}, TypeError, "kernel is int32, but should be real floats"),
    ],
)
def test_errors_of_spectral_norm(params, state, settings, error, message):
    with pytest.raises(error, match=f"spectral_norm: {message}"):
        by_numpy.spectral_norm(params, state, **{"training": True, **settings})


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"kernel": KERNEL, "scale": np.ones(4, np.float32)}, ValueError, r"scale is \(4,\), but should be \(6,\)"),
        ({"kernel": KERNEL, "scale": np.ones(6, np.float16)}, TypeError, "scale is float16, but should be float32"),
        (PARAMS, ValueError, r"params is a dict of \['bias', 'kernel'\], .* Pass what the init function returns"),
        (PARAMS | {"scale": 1, "u": 2}, ValueError, r"params is a dict of \['bias', 'kernel', 'scale', 'u'\]"),
    ],
)
def test_errors_of_weight_norm(params, error, message):
    with pytest.raises(error, match=f"weight_norm: {message}"):
        by_numpy.weight_norm(params)
