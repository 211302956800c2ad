"""Test `coarsest`, the epsilon of the coarsest float of a jaxpr, which determines the tolerance of a result."""

import jax
import jax.numpy as jnp
import pytest

from jaxconv.jaxprs.traverse import coarsest


@pytest.mark.parametrize(
    ("dtypes", "epsilon"),
    [
        (["int32"], 0.0),
        (["float32"], 2.0**-23),
        (["float32", "bfloat16"], 2.0**-7),
        (["bfloat16", "float16"], 2.0**-7),
        (["float32", "float16", "int32"], 2.0**-10),
        (["complex64", "float32"], 2.0**-23),
        (["float32", "float8_e5m2"], 0.25),
    ],
)
def test_the_coarsest_float_is_that_of_any_value(dtypes, epsilon):
    """It includes the inputs and all results, in the jaxpr and in calls, in either order."""
    for names in (dtypes, dtypes[::-1]):
        convert = jax.jit(lambda x, names=names: [x := real_as(x, name) for name in names][-1])
        jaxpr = jax.make_jaxpr(convert)(jax.ShapeDtypeStruct((3,), names[0]))
        assert coarsest(jaxpr) == epsilon


def real_as(x, name):
    """x, or the real part of a complex x, as a dtype of this name."""
    return (x.real if jnp.iscomplexobj(x) else x).astype(name)
