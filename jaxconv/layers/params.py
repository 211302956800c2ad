"""The parameters of a layer: a plain dict of a kernel and, where there is one, a bias."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NotRequired, TypedDict

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.errors import explain
from jaxconv.sizes import check_weights


class LayerParams(TypedDict):
    """A kernel and an optional bias. Nothing else is in it, so optax, orbax and `jax.tree` take it as it is."""

    kernel: Array
    bias: NotRequired[Array]


Initializer = Callable[..., Array]  # (key, shape, dtype) -> Array: one of jax.nn.initializers


def unpack(where: str, params: LayerParams) -> tuple[Array, Array | None]:
    """The kernel and the bias (or None) of a layer's parameters, checked to be alike in dtype."""
    if not isinstance(params, Mapping) or "kernel" not in params or not params.keys() <= {"kernel", "bias"}:
        found = sorted(params) if isinstance(params, Mapping) else type(params).__name__
        cure = "Leave the bias out for a layer without one"
        raise ValueError(explain(where, "params", found, 'a dict of "kernel" and, if wanted, "bias"', cure))
    kernel = jnp.asarray(params["kernel"])
    if "bias" not in params:
        return kernel, None
    bias = jnp.asarray(params["bias"])
    same_dtype(where, "bias", bias, kernel)
    return kernel, bias


def same_dtype(where: str, argument: str, value: Array, kernel: Array) -> None:
    """Refuse a mix of dtypes: which of them the result should have is not ours to guess."""
    if value.dtype != kernel.dtype:
        cure = f"Cast one of them, {argument}.astype(kernel.dtype) for example"
        raise TypeError(explain(where, argument, value.dtype, f"{kernel.dtype}, as the kernel is", cure))


def check_bias(where: str, bias: Array | None, shape: tuple[int, ...], names: str) -> None:
    """Refuse a bias that is not of `shape`."""
    if bias is not None and bias.shape != shape:
        raise ValueError(explain(where, "bias", bias.shape, f"{shape} {names}"))


def add_bias(y: Array, bias: Array | None) -> Array:
    """`y + bias` along the last axes of `y`, in `y`'s dtype."""
    if bias is None:
        return y
    return y + jnp.expand_dims(bias.astype(y.dtype), tuple(range(y.ndim - bias.ndim)))


def default_dtype(dtype: DTypeLike | None) -> DTypeLike:
    """`dtype`, or if it is None the one that `jax.random.normal` has by default: float32, under x64 float64."""
    return jnp.result_type(float) if dtype is None else dtype


def drawn(where: str, argument: str, init: Initializer, key: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """What an initializer returns, refused unless it has the shape and the dtype that it was asked for."""
    array = jnp.asarray(init(key, shape, dtype))
    found, wanted = f"the array that {argument} returns", jnp.result_type(dtype)
    cure = f"It is called as {argument}(key, shape, dtype)"
    if array.shape != shape:
        raise ValueError(explain(where, found, array.shape, str(shape), cure))
    if array.dtype != wanted:
        raise TypeError(explain(where, found, array.dtype, str(wanted), cure))
    return array


def init_layer(
    where: str,
    key: Array,
    kernel_shape: Sequence[int],
    bias_shape: Sequence[int] | None,
    *,
    kernel_init: Initializer,
    bias_init: Initializer,
    dtype: DTypeLike | None,
) -> LayerParams:
    """A kernel and, unless its shape is None, a bias, drawn from independent halves of `key`."""
    check_weights(where, "the kernel", kernel_shape, "Use smaller sizes")
    kernel_key, bias_key = jax.random.split(key)
    dtype = default_dtype(dtype)
    params: LayerParams = {"kernel": drawn(where, "kernel_init", kernel_init, kernel_key, tuple(kernel_shape), dtype)}
    if bias_shape is not None:
        params["bias"] = drawn(where, "bias_init", bias_init, bias_key, tuple(bias_shape), dtype)
    return params
