"""Our primitives execute like JAX's own: one compiled call each, with every debugging flag."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxconv.lowering import convolution, pooling
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec
from jaxconv.window import Axis, Pad

AXES = tuple(Axis(length, 3, 2, 1, Pad(1, 1)) for length in (5, 6))
FORM = ConvSpec(AXES, groups=1)
draw = np.random.default_rng(0).integers
ROLES = {"x": draw(-4, 5, (2, 5, 6, 3)), "kernel": draw(-4, 5, (3, 3, 3, 4)), "y": draw(-4, 5, (2, 3, 3, 4))}
CELLS, POSITIONS = draw(-4, 5, (2, 5, 6, 3)), draw(-4, 5, (2, 3, 3, 3))
# primitive -> a function that binds it, and its operands.
CALLS = {
    **{
        f"jaxconv_{operation}": (
            lambda one, other, operation=operation: convolution.bind(operation, FORM, one, other, jnp.float32),
            [ROLES[role] for role in roles[:2]],
        )
        for operation, roles in CONV_OPERANDS.items()
    },
    **{
        f"jaxconv_{name}": (lambda *operands, name=name: pooling.bind(name, *operands, axes=AXES), operands)
        for name, operands in {
            "sum_pool": [CELLS],
            "sum_pool_grad": [POSITIONS],
            "max_pool": [CELLS],
            "min_pool": [CELLS],
            "max_pool_gather": [CELLS, CELLS],
            "max_pool_scatter": [CELLS, POSITIONS],
        }.items()
    },
}
every_primitive = pytest.mark.parametrize(
    ("name", "call", "operands"), [(name, *row) for name, row in CALLS.items()], ids=CALLS
)
floats = lambda operands: [jnp.asarray(operand, jnp.float32) for operand in operands]


def test_every_primitive_is_called():
    assert {*CALLS} == {p.name for p in (*convolution.PRIMITIVES.values(), *pooling.PRIMITIVES.values())}


@every_primitive
def test_disable_jit_changes_nothing(name, call, operands):
    operands = floats(operands)
    expected = jax.jit(call)(*operands)
    with jax.disable_jit():
        np.testing.assert_array_equal(call(*operands), expected)
        np.testing.assert_array_equal(jax.jit(call)(*operands), expected)


@pytest.mark.parametrize("value", ["nan", "inf"])
@every_primitive
def test_the_first_primitive_with_a_nan_is_named(name, call, operands, value):
    """Like `lax.conv_general_dilated` in the same situation; a separate flag detects infinities."""
    *others, last = floats(operands)
    sign = -1 if name == "jaxconv_min_pool" else 1
    last = jnp.where(jnp.arange(last.size).reshape(last.shape) < 2, sign * jnp.float32(value), last)
    lhs = jnp.full((1, 1, 3), jnp.float32(value))
    laxs = lambda: lax.conv_general_dilated(lhs, jnp.ones((1, 1, 3)), (1,), "VALID")
    flags = {"nan": jax.debug_nans, "inf": jax.debug_infs}
    with flags[value](True):
        with pytest.raises(FloatingPointError, match=rf"invalid value \({value}\) encountered in conv_general_dilated"):
            laxs()
        for function in (call, jax.jit(call)):
            with pytest.raises(FloatingPointError, match=rf"invalid value \({value}\) encountered in {name}\b"):
                function(*others, last)


@pytest.mark.parametrize("flag", [jax.debug_nans, jax.debug_infs])
@every_primitive
def test_no_value_of_a_primitives_own_is_taken_for_a_fault(name, call, operands, flag):
    """A maximum pads with minus infinity inside one compiled call, as lax's does."""
    operands = floats(operands)
    expected = call(*operands)
    with flag(True):
        np.testing.assert_array_equal(call(*operands), expected)


def test_integers_have_no_nan():
    whole = jnp.asarray(CELLS, jnp.int32)
    with jax.debug_nans(True), jax.debug_infs(True):
        np.testing.assert_array_equal(pooling.max_pool(whole, AXES), pooling.max_pool(*floats([whole]), AXES))
