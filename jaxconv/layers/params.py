"""The parameters of a layer: a dict with a kernel and an optional bias."""

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
    """A kernel and an optional bias. It is a plain dict, so optax, orbax and `jax.tree` accept it unchanged."""

    kernel: Array
    bias: NotRequired[Array]


Initializer = Callable[..., Array]  # (key, shape, dtype) -> Array: one of jax.nn.initializers


# Names of parameters that belong to another layer or library, and the fix to suggest.
ELSEWHERE = {
    "depthwise": "These are parameters of separable_conv: pass them to it",
    "scale": "These are parameters of a normalisation: pass them to layer_norm or a similar layer",
    "mean": "This is the state of batch_norm: pass it to batch_norm",
    "weight": "Convert them from PyTorch or Equinox by from_library",
    "w": "Convert them from Haiku by from_library",
}


UNSHARED = "kernels that differ by position to their layer: locally_connected, tiled_conv or regional_conv"


def unpack(params: LayerParams, argument: str = "params") -> tuple[Array, Array | None]:
    """Returns the kernel and the bias (or None) of a layer's parameters, and checks that their dtypes are equal."""
    entries = named(argument, params, required=("kernel",), optional=("bias",))
    kernel = array("kernel", entries["kernel"], booleans=False)
    if "bias" not in entries:
        return kernel, None
    bias = array("bias", entries["bias"], booleans=False)
    same_dtype("bias", bias, kernel)
    return kernel, bias


def named(
    argument: str, value: object, *, required: Sequence[str] = (), optional: Sequence[str] = ()
) -> Mapping[str, Any]:
    """Returns a dict that has all required names and, apart from the optional ones, no others.

    Raises:
        TypeError: the value is not a dict, or an optional entry is None.
        ValueError: a name is missing or unknown.
    """
    need, may = (" and ".join(f'"{name}"' for name in names) for names in (required, optional))
    expected = (
        f"a dict of {need}" + (f" and, if wanted, {may}" if may else "")
        if need
        else f"a dict of {may}, or of one of them"
    )
    cure = "Pass what the init function returns"
    if not isinstance(value, Mapping):
        raise TypeError(explain(argument, shown(value), expected, cure))
    names = {*required, *optional}
    cure = cure if required else "Pass {} for neither"
    if not set(required) <= value.keys() <= names:
        inner = [name for name, each in value.items() if isinstance(each, Mapping) and {*required} <= each.keys()]
        if inner and required:
            cure = f"Pass the parameters of one layer: {argument}[{inner[0]!r}]"
        cure = next((hint for name, hint in ELSEWHERE.items() if name in value.keys() - names), cure)
        raise ValueError(explain(argument, f"a dict of {sorted(map(str, value))}", expected, cure))
    for name in optional:
        if name in value and value[name] is None:
            raise TypeError(explain(name, None, "an array", f"Leave it out of {argument} for a layer without {name}"))
    return value


def same_dtype(argument: str, value: Array, kernel: Array) -> None:
    """Refuses different dtypes, because the dtype of the result would be ambiguous."""
    if value.dtype != kernel.dtype:
        cure = f"Cast one of them, {argument}.astype(kernel.dtype) for example"
        raise TypeError(explain(argument, value.dtype, f"{kernel.dtype}, as the kernel is", cure))


def check_bias(bias: Array | None, shape: tuple[int, ...], names: str) -> None:
    """Refuses a bias of another shape than `shape`."""
    if bias is not None and bias.shape != shape:
        cure = "Draw kernel and bias together, by the init function"
        raise ValueError(explain("bias", bias.shape, f"{shape} {names}", cure))


def spatial_axes(kernel: Array, x: Array, argument: str, *, batched: bool) -> int:
    """Returns the number of spatial axes of a shared kernel [*window, c/groups, o].

    The number of axes of x shows whether the kernel belongs to another layer.

    Raises:
        ValueError: the kernel has no spatial axis, or is one of several kernels [*count, *window, c/groups, o].
    """
    rank, inputs = kernel.ndim - 2, x.ndim - 1 - batched
    actual = f"{kernel.shape}, {kernel.ndim} axes"
    if rank < 1:
        cure = "For a kernel without spatial axes use dense"
        raise ValueError(explain("kernel", actual, "[*window, c/groups, o], 3 axes or more", cure))
    if inputs > 1 and rank == 2 * inputs:  # for 1 against 2 axes, x may be an image without its batch axis
        expected = f"[*window, c/groups, o], {inputs + 2} axes for {argument} {x.shape}"
        raise ValueError(explain("kernel", actual, expected, f"Pass {UNSHARED}"))
    return rank


def add_bias(y: Array, bias: Array | None) -> Array:
    """Returns `y + bias` along the last axes of `y`, in the dtype of `y`."""
    if bias is None:
        return y
    return y + jnp.expand_dims(bias.astype(y.dtype), tuple(range(y.ndim - bias.ndim)))


def drawn(argument: str, init: Initializer, key: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Returns the array of an initializer. Refuses an array of another shape or dtype than requested."""
    init_cure = "Pass one of jax.nn.initializers, those with settings called: he_normal()"
    function(argument, init, cure=init_cure)
    takes(argument, init, (key, shape, dtype), f"one that is called as {argument}(key, shape, dtype)", cure=init_cure)
    drawn_array = init(key, shape, dtype)
    if callable(drawn_array):
        raise TypeError(explain(argument, "a function that returns initializers", "an initializer", init_cure))
    argument_name, expected_dtype = f"the array that {argument} returns", jnp.result_type(dtype)
    cure = f"It is called as {argument}(key, shape, dtype)"
    result = array(f"what {argument} returns", drawn_array, cure=cure)
    if result.shape != shape:
        raise ValueError(explain(argument_name, result.shape, str(shape), cure))
    if result.dtype != expected_dtype:
        raise TypeError(explain(argument_name, result.dtype, str(expected_dtype), cure))
    return result


def init_layer(
    key: Array,
    kernel_shape: Sequence[int],
    bias_shape: Sequence[int],
    *,
    bias: bool,
    kernel_init: Initializer,
    bias_init: Initializer,
    dtype: DTypeLike | None,
) -> LayerParams:
    """Draws a kernel and, if `bias`, a bias, from independent halves of `key`."""
    check_weights("the kernel", kernel_shape, "Use smaller sizes")
    bias, dtype = flag("bias", bias), real_dtype(dtype)
    kernel_key, bias_key = jax.random.split(random_key(key))
    params: LayerParams = {"kernel": drawn("kernel_init", kernel_init, kernel_key, tuple(kernel_shape), dtype)}
    if bias:
        params["bias"] = drawn("bias_init", bias_init, bias_key, tuple(bias_shape), dtype)
    return params
