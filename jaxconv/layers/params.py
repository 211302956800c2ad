"""The parameters of a layer: a plain dict of a kernel and, where there is one, a bias."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.checks import flag, function, shown, takes
from jaxconv.errors import explain
from jaxconv.layers.operands import array, random_key, real_dtype
from jaxconv.sizes import check_weights


class LayerParams(TypedDict):
    """A kernel and an optional bias. Nothing else is in it, so optax, orbax and `jax.tree` take it as it is."""

    kernel: Array
    bias: NotRequired[Array]


Initializer = Callable[..., Array]  # (key, shape, dtype) -> Array: one of jax.nn.initializers


# Names by which parameters of something else are known, and what to do with those.
ELSEWHERE = {
    "depthwise": "They are separable_conv's: pass them to it",
    "scale": "They are a normalisation's: pass them to layer_norm or its like",
    "mean": "They are the state of batch_norm: pass them to it",
    "weight": "Convert them from PyTorch or Equinox by from_library",
    "w": "Convert them from Haiku by from_library",
}


UNSHARED = "kernels that differ by position to their layer: locally_connected, tiled_conv or regional_conv"


def unpack(where: str, params: LayerParams, argument: str = "params") -> tuple[Array, Array | None]:
    """The kernel and the bias (or None) of a layer's parameters, checked to be alike in dtype."""
    found = named(where, argument, params, required=("kernel",), optional=("bias",))
    kernel = array(where, "kernel", found["kernel"], booleans=False)
    if "bias" not in found:
        return kernel, None
    bias = array(where, "bias", found["bias"], booleans=False)
    same_dtype(where, "bias", bias, kernel)
    return kernel, bias


def named(
    where: str, argument: str, value: object, *, required: Sequence[str] = (), optional: Sequence[str] = ()
) -> Mapping[str, Any]:
    """A dict that has all the names it must have, and no others than it may.

    Raises:
        TypeError: it is no dict.
        ValueError: a name is missing, or there is another one.
    """
    need, may = (" and ".join(f'"{name}"' for name in names) for names in (required, optional))
    expected = (
        f"a dict of {need}" + (f" and, if wanted, {may}" if may else "")
        if need
        else f"a dict of {may}, or of one of them"
    )
    cure = "Pass what the init function returns"
    if not isinstance(value, Mapping):
        raise TypeError(explain(where, argument, shown(value), expected, cure))
    names = {*required, *optional}
    cure = cure if required else "Pass {} for neither"
    if not set(required) <= value.keys() <= names:
        inner = [name for name, each in value.items() if isinstance(each, Mapping) and {*required} <= each.keys()]
        if inner and required:
            cure = f"Pass the parameters of one layer: {argument}[{inner[0]!r}]"
        cure = next((hint for name, hint in ELSEWHERE.items() if name in value.keys() - names), cure)
        raise ValueError(explain(where, argument, f"a dict of {sorted(map(str, value))}", expected, cure))
    for name in optional:
        if name in value and value[name] is None:
            raise TypeError(explain(where, name, None, "an array", f"Leave it out of {argument} for a layer without"))
    return value


def same_dtype(where: str, argument: str, value: Array, kernel: Array) -> None:
    """Refuse a mix of dtypes: which of them the result should have is not ours to guess."""
    if value.dtype != kernel.dtype:
        cure = f"Cast one of them, {argument}.astype(kernel.dtype) for example"
        raise TypeError(explain(where, argument, value.dtype, f"{kernel.dtype}, as the kernel is", cure))


def check_bias(where: str, bias: Array | None, shape: tuple[int, ...], names: str) -> None:
    """Refuse a bias that is not of `shape`."""
    if bias is not None and bias.shape != shape:
        cure = "Draw kernel and bias together, by the init function"
        raise ValueError(explain(where, "bias", bias.shape, f"{shape} {names}", cure))


def spatial_axes(where: str, kernel: Array, x: Array, argument: str, *, batched: bool) -> int:
    """How many of its axes a shared kernel [*window, c/groups, o] slides along; x tells whether it is another layer's.

    Raises:
        ValueError: it has none, or is one of several kernels [*count, *window, c/groups, o].
    """
    rank, inputs = kernel.ndim - 2, x.ndim - 1 - batched
    found = f"{kernel.shape}, {kernel.ndim} axes"
    if rank < 1:
        cure = "For a kernel without spatial axes use dense"
        raise ValueError(explain(where, "kernel", found, "[*window, c/groups, o], 3 axes or more", cure))
    if inputs > 1 and rank == 2 * inputs:  # of 1 against 2 axes, x may be an image without its batch axis
        expected = f"[*window, c/groups, o], {inputs + 2} axes for {argument} {x.shape}"
        raise ValueError(explain(where, "kernel", found, expected, f"Pass {UNSHARED}"))
    return rank


def add_bias(y: Array, bias: Array | None) -> Array:
    """`y + bias` along the last axes of `y`, in `y`'s dtype."""
    if bias is None:
        return y
    return y + jnp.expand_dims(bias.astype(y.dtype), tuple(range(y.ndim - bias.ndim)))


def drawn(where: str, argument: str, init: Initializer, key: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """What an initializer returns, refused unless it has the shape and the dtype that it was asked for."""
    makers = "Pass one of jax.nn.initializers, those with settings called: he_normal()"
    function(where, argument, init, cure=makers)
    takes(
        where, argument, init, (key, shape, dtype), f"one that is called as {argument}(key, shape, dtype)", cure=makers
    )
    given = init(key, shape, dtype)
    if callable(given):
        raise TypeError(explain(where, argument, "a maker of initializers", "an initializer", makers))
    found, wanted = f"the array that {argument} returns", jnp.result_type(dtype)
    cure = f"It is called as {argument}(key, shape, dtype)"
    each = array(where, f"what {argument} returns", given, cure=cure)
    if each.shape != shape:
        raise ValueError(explain(where, found, each.shape, str(shape), cure))
    if each.dtype != wanted:
        raise TypeError(explain(where, found, each.dtype, str(wanted), cure))
    return each


def init_layer(
    where: str,
    key: Array,
    kernel_shape: Sequence[int],
    bias_shape: Sequence[int],
    *,
    bias: bool,
    kernel_init: Initializer,
    bias_init: Initializer,
    dtype: DTypeLike | None,
) -> LayerParams:
    """A kernel and, if wanted, a bias, drawn from independent halves of `key`."""
    check_weights(where, "the kernel", kernel_shape, "Use smaller sizes")
    bias, dtype = flag(where, "bias", bias), real_dtype(where, dtype)
    kernel_key, bias_key = jax.random.split(random_key(where, key))
    params: LayerParams = {"kernel": drawn(where, "kernel_init", kernel_init, kernel_key, tuple(kernel_shape), dtype)}
    if bias:
        params["bias"] = drawn(where, "bias_init", bias_init, bias_key, tuple(bias_shape), dtype)
    return params
