"""Functions shared by the layers with several kernels, whose parameters are [*count, *window, c/groups, o]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array

from jaxconv.errors import explain, public_name
from jaxconv.layers.conv import check_channels, checked_groups
from jaxconv.layers.images import Layout, read, to_nhwc
from jaxconv.layers.operands import checked_precision, result_dtype
from jaxconv.layers.params import Initializer, LayerParams, check_bias, drawn, init_layer, same_dtype, unpack
from jaxconv.lowering.conv_spec import ConvSpec, lax_precision
from jaxconv.lowering.explicit_sharding import gathered
from jaxconv.window import Padding, slide


@dataclass(frozen=True)
class UnpackedLayer:
    """The checked operands of a layer: x as [n, *spatial, c], and `from_nhwc`, which restores the layout for y."""

    kernel: Array
    bias: Array | None
    x: Array
    from_nhwc: Callable[[Array], Array]
    count: tuple[int, ...]
    spec: ConvSpec  # the convolution with one of the kernels at every position


def unpack_layer(
    count: str,
    params: LayerParams,
    x: ArrayLike,
    *,
    stride: int | Sequence[int],
    padding: Padding,
    dilation: int | Sequence[int],
    groups: int,
    batched: bool,
    layout: Layout,
    precision: lax.PrecisionLike,
    preferred_element_type: DTypeLike | None,
) -> UnpackedLayer:
    """Checks the operands of a layer whose kernel is [*count, *window, c/groups, o], and computes its windows.

    Args:
        count: name of the kernel's first axes, for example "*out", for error messages.
        params: parameters of the layer.
        x: input of the layer; the remaining arguments are its settings.
        stride: see `conv`.
        padding: see `conv`.
        dilation: see `conv`.
        groups: see `conv`.
        batched: see `conv`.
        layout: see `conv`.
        precision: see `conv`.
        preferred_element_type: see `conv`.

    Raises:
        ValueError: shapes or sizes do not match. The number of kernels is not checked here.
        TypeError: x and the parameters have different dtypes.
    """
    kernel, bias = unpack(params)
    x, batched = read(x, batched)
    rank, odd = divmod(kernel.ndim - 2, 2)
    if (shared := x.ndim - batched == kernel.ndim - 1 > 1) or rank < 1 or odd:
        expected = f"[{count}, *window, c/groups, o], an even number of axes, 4 or more"
        cure = "Pass a kernel shared by all positions to conv" if shared else f"Draw it by init_{public_name()}"
        raise ValueError(explain("kernel", f"{kernel.shape}, {kernel.ndim} axes", expected, cure))
    x, from_nhwc = to_nhwc(x, rank, batched=batched, layout=layout)
    same_dtype("x", x, kernel)
    groups = checked_groups(groups)
    check_channels(x.shape[-1], kernel.shape, groups)
    check_bias(bias, (*kernel.shape[:rank], kernel.shape[-1]), f"[{count}, o]")
    axes = slide(x.shape[1:-1], kernel.shape[rank:-2], stride, padding, dilation)
    precision = checked_precision(precision)
    spec = ConvSpec(axes, groups, lax_precision(precision), result_dtype(preferred_element_type, x.dtype))
    x, back = gathered(x)
    return UnpackedLayer(kernel, bias, x, lambda y: from_nhwc(back(y)), kernel.shape[:rank], spec)


def init_kernels(
    key: Array,
    count: Sequence[int],
    shape: Sequence[int],
    *,
    bias: bool,
    kernel_init: Initializer,
    bias_init: Initializer,
    dtype: DTypeLike | None,
) -> LayerParams:
    """Draws a kernel of `shape` for each index of `count`, independently, and a bias for each kernel if `bias`."""

    def independent_kernels(key: Array, full_shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        keys = jax.random.split(key, tuple(count))
        draw: Callable[..., Any] = lambda key: drawn("kernel_init", kernel_init, key, tuple(shape), dtype)
        for _ in count:
            draw = jax.vmap(draw)
        return draw(keys).reshape(full_shape)

    return init_layer(
        key,
        (*count, *shape),
        (*count, shape[-1]),
        bias=bias,
        kernel_init=independent_kernels,
        bias_init=bias_init,
        dtype=dtype,
    )
