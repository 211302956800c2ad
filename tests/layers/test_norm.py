"""Normalisation within an example: layouts, dtypes, parameters and errors. tests/laws covers the values."""

import math
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.by_numpy import computed

import jaxconv as jc

X = np.random.default_rng(0).normal(size=(3, 6, 5, 4)).astype(np.float32)
PARAMS = {"scale": np.float32([2.0, -1.0, 0.5, 3.0]), "bias": np.arange(4.0, dtype=np.float32)}
STATE = {"mean": np.arange(4.0, dtype=np.float32), "var": np.float32([1.0, 4.0, 0.25, 2.0])}


def batch_norm(params, x, **settings):
    """Batch norm in training mode; test_batch_norm.py covers evaluation and the state."""
    return jc.batch_norm(params, STATE, x, training=True, **settings)[0]


NORMS = {
    "layer_norm": jc.layer_norm,
    "rms_norm": jc.rms_norm,
    "group_norm": partial(jc.group_norm, groups=2),
    "instance_norm": jc.instance_norm,
    "batch_norm": batch_norm,
}
every_norm = pytest.mark.parametrize("norm", [computed(norm) for norm in NORMS.values()], ids=NORMS)
close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)


@every_norm
def test_layouts(norm):
    first = norm(PARAMS, np.moveaxis(X, -1, 1), layout="channels_first")
    close(np.moveaxis(first, 1, -1), norm(PARAMS, X))


@every_norm
def test_one_example_is_a_batch_of_one(norm):
    close(norm(PARAMS, X[1], batched=False), norm(PARAMS, X[1:2])[0])
    first = norm(PARAMS, np.moveaxis(X[1], -1, 0), batched=False, layout="channels_first")
    close(np.moveaxis(first, 0, -1), norm(PARAMS, X[1:2])[0])


@every_norm
@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16])
def test_half_precision_is_rounded_once(norm, dtype):
    """The result equals the rounded float32 result; sums of 30 cells in bfloat16 would have larger errors."""
    x = (X + 3).astype(dtype)
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), PARAMS)
    y = norm(params, x)
    assert y.dtype == dtype
    wide = norm(jax.tree.map(np.float32, params), x.astype(np.float32))
    np.testing.assert_array_equal(y.astype(np.float32), wide.astype(dtype).astype(np.float32))


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_nothing_is_differentiated_by_the_pivot(norm):
    """The results do not depend on the pivot; its derivative would compare each cell with the minimum and maximum."""
    loss = lambda x: jnp.sum(norm(PARAMS, x)[..., 0] ** 3)
    shapes = re.findall(r"bool\[([\d,]+)\]", str(jax.make_jaxpr(jax.grad(loss))(X)))
    assert X.size not in [math.prod(map(int, shape.split(","))) for shape in shapes]


@every_norm
def test_scale_and_bias_may_be_left_out(norm):
    plain = np.asarray(norm({}, X))
    close(norm(PARAMS, X), plain * np.asarray(PARAMS["scale"]) + np.asarray(PARAMS["bias"]))
    close(norm({"scale": PARAMS["scale"]}, X), plain * np.asarray(PARAMS["scale"]))
    close(norm({"bias": PARAMS["bias"]}, X), plain + np.asarray(PARAMS["bias"]))


@pytest.mark.parametrize("name", [name for name in NORMS if name != "instance_norm"])
def test_vectors_have_no_spatial_axes(name):
    norm, vectors = computed(NORMS[name]), X[:, 0, 0]
    y = norm(PARAMS, vectors)
    assert y.shape == vectors.shape
    close(norm(PARAMS, vectors, layout="channels_first"), y)


def test_init():
    actual = jc.init_norm(3, dtype=jnp.bfloat16)
    assert jax.tree.map(lambda leaf: (leaf.tolist(), leaf.dtype.name), actual) == {
        "scale": ([1, 1, 1], "bfloat16"),
        "bias": ([0, 0, 0], "bfloat16"),
    }
    assert jc.init_norm(3, bias=False).keys() == {"scale"}
    assert jc.init_norm(3, scale=False, bias=False) == {}
    with pytest.raises(ValueError, match="init_norm: channels is 0, but should be 1 or more"):
        jc.init_norm(0)


def test_a_summary_counts_scale_and_bias():
    def net(params, x):
        x = jc.conv(params["conv"], x, padding="same")
        return jc.group_norm(params["norm"], x, groups=2)

    params = {"conv": jc.init_conv(jax.random.key(0), (3, 3), 4, 6), "norm": jc.init_norm(6)}
    actual = jc.summary(net, params, X)
    assert actual.parameters == 3 * 3 * 4 * 6 + 6 + 6 + 6
    assert not actual.uncounted


def test_a_summary_counts_running_averages_as_what_they_are_passed_as():
    """Arguments count as parameters; values that the function closes over count as constants."""

    def net(params, state, x):
        x = jc.conv(params["conv"], x, padding="same")
        return jc.batch_norm(params["norm"], state, x, training=False)[0]

    norm, state = jc.init_batch_norm(6)
    params = {"conv": jc.init_conv(jax.random.key(0), (3, 3), 4, 6, bias=False), "norm": norm}
    assert jc.summary(net, params, state, X).parameters == 3 * 3 * 4 * 6 + 2 * 6 + 2 * 6
    assert jc.summary(lambda params, x: net(params, state, x), params, X).parameters == 3 * 3 * 4 * 6 + 2 * 6


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize(
    ("params", "x", "settings", "error", "message"),
    [
        ({"gain": np.ones(4, np.float32)}, X, {}, ValueError, r"""params is a dict of \['gain'\], but should be a dict of "scale" and "bias", or of one of them. Pass {} for neither"""),
        (np.ones(4, np.float32), X, {}, TypeError, r"params is an array of shape .*, but should be a dict"),
        ({"scale": np.ones(5, np.float32)}, X, {}, ValueError, r"scale is \(5,\), but should be \(4,\) \[c\], for x's 4 channels"),
        ({"bias": np.ones((1, 4), np.float32)}, X, {}, ValueError, r"bias is \(1, 4\), but should be \(4,\) \[c\]"),
        ({"bias": np.ones(4, jnp.bfloat16)}, X, {}, TypeError, r"bias is bfloat16, but should be float32, as x is"),
        ({}, X.astype(np.int32), {}, TypeError, r"x is int32, but should be real floating-point numbers\. Cast it"),
        ({}, X.astype(np.complex64), {}, TypeError, r"x is complex64, but should be real"),
        ({}, X, {"epsilon": 0}, ValueError, "epsilon is 0, but should be positive and finite"),
        ({}, X, {"layout": "nchw"}, ValueError, """layout is 'nchw', but should be "channels_last" or"""),
        ({}, np.ones(4, np.float32), {}, ValueError, r"x is \(4,\), 1 axes, but should be \[n, "),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(name, params, x, settings, error, message):
    with pytest.raises(error, match=f"{name}: {message}"):
        NORMS[name](params, x, **settings)


def test_an_instance_has_positions():
    with pytest.raises(ValueError, match=r"instance_norm: x is \(3, 4\), 2 axes, but should be \[n, w, c\]"):
        jc.instance_norm({}, X[:, 0, 0])


@pytest.mark.parametrize(
    ("groups", "message"),
    [(3, "groups is 3, but should be a divisor of x's 4 channels"), (0, "groups is 0, but should")],
)
def test_groups_divide_the_channels(groups, message):
    with pytest.raises(ValueError, match=f"group_norm: {message}"):
        jc.group_norm({}, X, groups=groups)
