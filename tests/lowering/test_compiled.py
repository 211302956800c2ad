"""`compiled` adds no equation to a jaxpr, and its constants are no transfers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.lowering.compiled import compiled


@partial(compiled, static_argnames="by")
def scaled(x, by):
    return x * by


def test_a_jaxpr_has_its_equations_and_no_call():
    names = [equation.primitive.name for equation in jax.make_jaxpr(lambda x: scaled(x, by=2.0) + x)(jnp.ones(3)).eqns]
    assert names == ["mul", "add"]


def test_the_constant_is_no_transfer():
    """lax's own operation would transfer it."""
    x = jnp.arange(3.0)
    with jax.transfer_guard("disallow"):
        np.testing.assert_array_equal(scaled(x, by=2.0), [0, 2, 4])
        with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
            jax.lax.mul(x, 2.0)
