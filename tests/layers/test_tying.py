"""Tying: certificates of layers tied inside a function, penalties and errors. tests/laws covers its laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy
from support.numpy_evaluation import evaluated
from support.whole_parameters import whole_like

import jaxconv as jc

SHARED = whole_like(jc.init_conv, (3, 3), 1, 2)
TILED = whole_like(jc.init_tiled_conv, (3, 2), (3, 3), 1, 2)
LOCAL = whole_like(jc.init_locally_connected, (7, 8), (3, 3), 1, 2)
IMAGE = jax.ShapeDtypeStruct((1, 12, 8, 1), "float32")


def circular(params, x):
    return jc.locally_connected(params, x, padding="circular")


@pytest.mark.parametrize(("params", "period"), [(SHARED, 1), (TILED, 3)], ids=["shared", "tiled"])
def test_what_is_tied_inside_a_function_is_certified_for_all_parameters(params, period):
    layer = lambda params, x: circular(jc.untie(params, (12, 8)), x)
    (axis,) = jc.certify(layer, params, IMAGE, axes={1: (1,)}, search=False).leaves[0].axes
    assert (axis.cyclic.verdict.value, axis.cyclic.shift, axis.cyclic.moves) == ("PROVED", period, ((1, period),))


@pytest.mark.parametrize(("params", "period"), [(SHARED, 1), (TILED, 3)], ids=["shared", "tiled"])
def test_parameters_that_happen_to_be_tied_are_certified_as_they_are(params, period):
    untied = by_numpy.untie(params, (12, 8))
    layer = lambda x: circular(untied, x)
    (axis,) = jc.certify(layer, IMAGE, axes=(1,), search=False, values=True).leaves[0].axes
    assert (axis.cyclic.verdict.value, axis.cyclic.shift, axis.cyclic.moves) == ("PROVED", period, ((1, period),))


def test_one_weight_that_differs_is_refuted():
    """A single different weight breaks the law."""
    untied = by_numpy.untie({"kernel": np.ones((3, 1, 1), np.float32)}, (6,))
    untied["kernel"] = untied["kernel"].copy()
    untied["kernel"][4] = 2
    layer = lambda x: circular(untied, x)
    (axis,) = jc.certify(layer, jax.ShapeDtypeStruct((1, 6, 1), "float32"), axes=(1,), values=True).leaves[0].axes
    assert axis.cyclic.verdict.value == "REFUTED"


def test_the_distance_is_a_penalty():
    """Gradient descent reduces it, and its derivative at a distance of 0 is 0, not NaN."""
    distance = lambda params: jc.tie(params).distance
    gradient = evaluated(jax.grad(distance))(LOCAL)
    nearer = jax.tree.map(lambda leaf, slope: leaf - 0.1 * slope, LOCAL, gradient)
    assert evaluated(distance)(nearer) < evaluated(distance)(LOCAL)
    at_rest = evaluated(jax.grad(distance))(by_numpy.untie(SHARED, (5, 6)))
    assert all(np.array_equal(leaf, np.zeros_like(leaf)) for leaf in jax.tree.leaves(at_rest))


def test_layers_without_a_bias_and_zeros():
    kernel = {"kernel": LOCAL["kernel"]}
    assert (
        set(by_numpy.tie(kernel).params)
        == set(by_numpy.tie_gradient(kernel))
        == set(by_numpy.tie(kernel).distances)
        == {"kernel"}
    )
    assert set(by_numpy.untie({"kernel": SHARED["kernel"]}, (2, 3))) == {"kernel"}
    assert by_numpy.tie(jax.tree.map(jnp.zeros_like, LOCAL)).distance == 0.0


def test_sums_are_taken_in_single_precision():
    """10,000 halves in bfloat16: a sum in that dtype would stop at 128."""
    kernel = np.tile(np.array([0.25, 0.75], jnp.bfloat16), 5000).reshape(10_000, 1, 1, 1)
    tied = by_numpy.tie({"kernel": kernel})
    assert (tied.params["kernel"].dtype, tied.params["kernel"].item()) == (jnp.bfloat16, 0.5)
    np.testing.assert_allclose(tied.distance, (0.0625 / 0.3125) ** 0.5, rtol=1e-5)
    assert by_numpy.tie_gradient({"kernel": kernel})["kernel"].item() == jnp.bfloat16(5000)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: jc.untie(SHARED, 5), ValueError, "untie: out is 5, but should be one length for each spatial axis"),
        (lambda: jc.untie(SHARED, (5, 0)), ValueError, "untie: out is 0, but should be 1 or more"),
        (lambda: jc.untie(SHARED, (5, 5, 5)), ValueError, r"untie: kernel is \(3, 3, 1, 2\), 4 axes, but should be \[\*window, c/groups, o\] or .* output of 3"),
        (lambda: jc.untie(SHARED, (5, 5), regions=((5,), (5,))), ValueError, r"untie: kernel is .*, 4 axes, but should be \[\*period or \*regions"),
        (lambda: jc.untie(TILED, (5, 5), regions=((2, 3), (2, 3))), ValueError, r"untie: kernel's \*regions is \(3, 2\), but should be \(2, 2\)"),
        (lambda: jc.untie(TILED | {"bias": np.zeros(2, np.float32)}, (5, 5)), ValueError, r"untie: bias is \(2,\), but should be \(3, 2, 2\) \[\*count, o\]"),
        (lambda: jc.tie({"kernel": np.ones((3, 3, 3, 1, 2), np.float32)}), ValueError, r"tie: kernel is .*, 5 axes, but should be \[\*out, \*window"),
        (lambda: jc.tie(LOCAL | {"bias": np.zeros(2, np.float32)}), ValueError, r"tie: bias is \(2,\), but should be \(5, 6, 2\) \[\*out, o\]"),
        (lambda: jc.tie(LOCAL, period=(6, 1)), ValueError, "tie: period along axis h is 6, but should be at most 5, the number of positions"),
        (lambda: jc.tie(LOCAL, period=2, regions=((5,), (6,))), ValueError, "tie: period is 2, but should be left out if regions"),
        (lambda: jc.tie(LOCAL, regions=((5,), (5,))), ValueError, r"tie: regions along axis w is \(5,\), 5 long, but should be lengths that sum to 6"),
        (lambda: jc.tie({"kernel": np.ones((3, 3, 1, 2), np.int32)}), TypeError, "tie: kernel is int32, but should be floating-point numbers"),
        (lambda: jc.tie_gradient(LOCAL, period=0), ValueError, "tie_gradient: period is 0, but should be 1 or more"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(call, error, message):
    with pytest.raises(error, match=message):
        call()
