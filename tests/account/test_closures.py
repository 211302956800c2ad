"""The closed-over arrays of a function without parameters are its parameters, under every flag of JAX."""

import functools
from contextlib import nullcontext
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv as jc
from jaxconv.account.closures import closed_over

KERNEL = np.ones((3, 3, 2, 4), np.float32)
MADE = np.linspace(-1, 1, 8, dtype=np.float32)[None, :, None, None]
X = jax.ShapeDtypeStruct((1, 8, 6, 2), "float32")
KERNELS = {"numpy": KERNEL, "jax": jnp.asarray(KERNEL), "numpy, converted": KERNEL.astype(float)}
FLAGS = {
    "none": nullcontext,
    "disable_jit": jax.disable_jit,
    "debug_nans": lambda: jax.debug_nans(True),
    "debug_infs": lambda: jax.debug_infs(True),
    "x64": lambda: jax.enable_x64(True),
    "transfer_guard": lambda: jax.transfer_guard("disallow"),
    "matmul precision": lambda: jax.default_matmul_precision("highest"),
}


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_closed_over_parameters_are_parameters_and_what_is_made_while_tracing_is_not(kernel, flag):
    def fn(x):
        params = {"kernel": jnp.asarray(KERNELS[kernel], jnp.float32)}
        x = jc.conv(params, x, padding="same")
        x = x * jnp.array(MADE * 2)  # an array that the trace makes
        return jc.conv(params, x[..., :2])

    with FLAGS[flag]():
        for _ in range(2):  # the second call uses the cached traces of the first
            found = jc.summary(fn, X)
            assert [(layer.kind, layer.parameters, layer.tied) for layer in found.layers] == [
                ("conv", 72, 0),
                ("conv", 0, 72),
            ]
            assert (found.parameters, found.constants) == (72, 8)


@pytest.mark.parametrize("whole", [False, True], ids=["inside", "around"])
def test_what_a_jitted_function_makes_is_no_parameter(whole):
    """JAX caches the function's trace, and the array in it."""
    scaled = jax.jit(lambda x: x * jnp.array(MADE * 2))
    fn = lambda x: scaled(jc.conv({"kernel": KERNEL}, x, padding="same"))
    for _ in range(2):
        found = jc.summary(jax.jit(fn) if whole else fn, X)
        assert (found.parameters, found.constants) == (72, 8)


def test_a_parameter_that_holds_a_nan_is_one_all_the_same():
    """Also if JAX converts the array, so that only its numbers identify it."""
    kernel = np.where(KERNEL.cumsum().reshape(KERNEL.shape) == 5, np.nan, KERNEL).astype(float)
    found = jc.summary(lambda x: jc.conv({"kernel": jnp.asarray(kernel, jnp.float32)}, x), X)
    assert np.isnan(kernel).sum() == 1
    assert (found.parameters, found.constants) == (72, 0)


def test_beside_parameters_closed_over_arrays_are_constants():
    fixed = jnp.asarray(KERNEL)
    fn = lambda params, x: jc.dense(params, jc.conv({"kernel": fixed}, x))
    params = {"kernel": jax.ShapeDtypeStruct((4, 5), "float32"), "bias": jax.ShapeDtypeStruct((5,), "float32")}
    found = jc.summary(fn, params, X)
    assert [(layer.kind, layer.parameters) for layer in found.layers] == [("fixed conv", 0), ("dense", 25)]
    assert (found.constants, found.layers[0].multiply_adds) == (72, 72 * 24)
    assert "72 floating-point numbers are constants" in str(found)


@dataclass
class Model:
    """An object whose parameters are its attributes."""

    layers: list[dict[str, np.ndarray]]

    def __call__(self, x):
        """Scale x."""
        return x * self.layers[0]["weights"]


def by_default(weights):
    def fn(x, *, scale=weights):
        return x * scale

    return fn


def recursive(weights):
    def fn(x):
        return fn(x[1:]) * weights if len(x) > 3 else x

    return fn


WAYS = {
    "closure": lambda weights: lambda x: x * weights,
    "default": by_default,
    "partial": lambda weights: functools.partial(jnp.multiply, weights),
    "jit": lambda weights: jax.jit(lambda x: x * weights),
    "vmap": lambda weights: jax.vmap(lambda x: x * weights[0]),
    "checkpoint": lambda weights: jax.checkpoint(lambda x: x * weights),
    "object": lambda weights: Model([{"weights": weights}]),
    "method": lambda weights: Model([{"weights": weights}]).__call__,
    "recursion": recursive,
}


@pytest.mark.parametrize("way", WAYS)
def test_arrays_that_a_function_refers_to_are_found(way):
    weights = np.arange(3.0)
    assert [one is weights for one in closed_over(WAYS[way](weights))] == [True]


def test_globals_of_the_users_functions_are_found_and_libraries_are_not_searched():
    found = closed_over(lambda x: [KERNEL for _ in x])
    assert [one is KERNEL for one in found] == [True]
    assert closed_over(jnp.convolve) == closed_over(jc.conv) == []


def test_a_variable_without_a_value_yet_holds_nothing():
    def fn(x):
        return x * later

    assert closed_over(fn) == []
    later = KERNEL
    assert [one is later for one in closed_over(fn)] == [True]
