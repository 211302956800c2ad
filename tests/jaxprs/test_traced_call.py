"""A call as a jaxpr: arrays are inputs, everything else is passed on, and results come back as they were."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.traced_call import TracedCall

X = np.arange(3.0, dtype=np.float32)


def test_arrays_are_inputs_and_other_arguments_are_not():
    settings = object()
    call = TracedCall(lambda x, times, settings, *, key, name=None: (x["x"] * times, settings, name, jax.random.normal(key)),
                      ({"x": X}, 2, settings), {"key": jax.random.key(0), "name": "a"})  # fmt: skip
    assert len(call.arrays) == len(call.jaxpr.invars) == 2
    scaled, found, name, drawn = call.evaluated(call.jaxpr)
    np.testing.assert_array_equal(scaled, 2 * X)
    assert found is settings
    assert name == "a"
    assert drawn == jax.random.normal(jax.random.key(0))


def test_a_number_of_python_keeps_its_weak_type():
    call = TracedCall(lambda x, times: x * times, (X.astype(jnp.bfloat16), 2.0))
    assert call.evaluated(call.jaxpr).dtype == jnp.bfloat16


def test_shapes_do_in_place_of_arrays():
    call = TracedCall(lambda x: x + 1, (jax.ShapeDtypeStruct((3,), np.float32),))
    assert [variable.aval.shape for variable in call.jaxpr.outvars] == [(3,)]


def test_another_jaxpr_computes_the_result():
    call = TracedCall(lambda x: {"y": x + 1, "none": None}, (X,))
    other = jax.make_jaxpr(lambda x: [x * 5])(X)
    np.testing.assert_array_equal(call.evaluated(other)["y"], 5 * X)
