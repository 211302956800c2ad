"""Convolution with a shared kernel: the same weights at every position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain, public
from jaxconv.layers.images import Layout, read, to_nhwc
from jaxconv.layers.operands import checked_precision, result_dtype
from jaxconv.layers.params import (
    UNSHARED,
    Initializer,
    LayerParams,
    add_bias,
    check_bias,
    init_layer,
    same_dtype,
    spatial_axes,
    unpack,
)
from jaxconv.lowering.boundary import copy_boundary
from jaxconv.lowering.conv_spec import ConvSpec, lax_precision
from jaxconv.lowering.convolution import convolve
from jaxconv.lowering.explicit_sharding import gathered, keeps_zero_padding
from jaxconv.sizes import size
from jaxconv.window import Padding, slide, window_sizes


@public
def conv(
    params: LayerParams,
    x: Shaped[ArrayLike, "n *spatial c"],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    batched: bool = True,
    layout: Layout = "channels_last",
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Shaped[Array, "n *out o"]:
    """Slides one kernel over the input (cross-correlation: the kernel is not flipped). In two dimensions

        y[n,i,j,o] = b[o] + sum_{u,v,c} x[n, i*s + u*d - lo, j*s + v*d - lo, c] w[u,v,c,o]

    and likewise in any number of dimensions. The kernel's shape [*window, c/groups, o] determines that number. The
    output has length `floor((lo + length + hi - d*(window - 1) - 1) / s) + 1` along each axis. Weights are shared
    across positions, never across channels: each input channel has a separate slice of the kernel, and each output
    channel a separate kernel.

    Law: with padding "CIRCULAR", shifting x by s cells shifts y by one, `conv(roll(x, s)) == roll(conv(x), 1)`, if s
    divides the length. Otherwise y has `ceil(length / s)` positions, the step from the last position back to the first
    is shorter than s, and the law fails. With every other padding the law holds only away from the border: at outputs
    that read no padding before and after the shift.

    Args:
        params: `{"kernel": [*window, c/groups, o], "bias": [o]}`; the bias is optional.
        x: [n, *spatial, c], with the dtype of the kernel; see `batched` and `layout`.
        stride: s, number of cells between neighbouring outputs; one integer, or one per spatial axis.
        padding: "VALID" (none), "SAME", "SAME_LOWER", "CAUSAL" (zeros); "CIRCULAR", "REFLECT", "SYMMETRIC", "EDGE"
            (copies; output j is centred on cell j*s); in any letter case. Or for each spatial axis one of these names,
            a pair (lo, hi) of zeros, or a `Pad(lo, hi, boundary)`: `("EDGE", "CIRCULAR")` for latitude and longitude.
        dilation: d, number of cells between neighbouring taps; one integer, or one per spatial axis.
        groups: number of groups into which the channels of x and y are split; the outputs of a group depend on its
            inputs only. `groups=c` is a depthwise convolution.
        batched: False for one example without the axis n.
        layout: "channels_first" for x and y as [n, c, *spatial]. The layout of the kernel does not change.
        precision: as for `jax.lax.conv_general_dilated`.
        preferred_element_type: dtype of the accumulation and the result, as for `jax.lax.conv_general_dilated`.

    Returns:
        [n, *out, o], with the dtype of the kernel, or `preferred_element_type` if given.

    Raises:
        ValueError: shapes or sizes do not match, for example a kernel that is wider than the padded input.
        TypeError: x and the parameters have different dtypes.

    >>> import jax.numpy as jnp
    >>> params = {"kernel": jnp.array([0.3, 0.5]).reshape(2, 1, 1)}
    >>> conv(params, jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)).ravel()
    Array([1.3, 2.1], dtype=float32)

    Source: LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86 (1998), II.A.
    """
    kernel, bias, x, from_nhwc, spec = enter_conv(
        params,
        x,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        batched=batched,
        layout=layout,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    x, back = gathered(x, keeps_zero_padding(x, spec.axes))
    return from_nhwc(back(add_bias(convolved(kernel, x, spec), bias)))


class EnteredConv(NamedTuple):
    """The checked operands of a convolution: x as [n, *spatial, c], and `from_nhwc`, which restores the layout."""

    kernel: Array
    bias: Array | None
    x: Array
    from_nhwc: Callable[[Array], Array]
    spec: ConvSpec


def enter_conv(
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
) -> EnteredConv:
    """Checks the operands and settings of `conv`.

    Raises:
        ValueError: as for `conv`.
        TypeError: as for `conv`.
    """
    kernel, bias = unpack(params)
    x, batched = read(x, batched)
    rank = spatial_axes(kernel, x, "x", batched=batched)
    x, from_nhwc = to_nhwc(x, rank, batched=batched, layout=layout, otherwise=f"; or pass {UNSHARED}" * (rank == 2))
    same_dtype("x", x, kernel)
    groups = checked_groups(groups)
    check_channels(x.shape[-1], kernel.shape, groups)
    check_bias(bias, kernel.shape[-1:], "[o]")
    axes = slide(x.shape[1:-1], kernel.shape[:-2], stride, padding, dilation)
    precision, wider = checked_precision(precision), result_dtype(preferred_element_type, x.dtype)
    return EnteredConv(kernel, bias, x, from_nhwc, ConvSpec(axes, groups, lax_precision(precision), wider))


def convolved(kernel: Array, x: Array, spec: ConvSpec) -> Array:
    """The convolution of x [n, *spatial, c], with the boundary of each axis, without bias."""
    x, axes = copy_boundary(x, spec.axes)
    return convolve(x, kernel, replace(spec, axes=axes))


def checked_groups(groups: object) -> int:
    """Returns `groups` as a positive integer."""
    return size("groups", groups, cure="Write 1 for a convolution that is not grouped")


def check_channels(channels: int, kernel_shape: tuple[int, ...], groups: int) -> None:
    """Refuses numbers of channels that do not match the kernel [..., c/groups, o] and the groups."""
    *_, channels_in, channels_out = kernel_shape
    if channels_out % groups:
        expected = f"a divisor of the kernel's {channels_out} output channels"
        raise ValueError(explain("groups", groups, expected, "Draw the kernel with the same groups"))
    if channels != channels_in * groups:
        takes = f"{channels_in} for each of {groups} groups" if groups > 1 else f"{channels_in}"
        expected = f"{channels_in * groups}: kernel {kernel_shape} [..., c/groups, o] takes {takes}"
        cure = "Draw a kernel for that many channels, or check the layout of x"
        times = channels // channels_in if channels_in and channels % channels_in == 0 else 0
        if times and channels_out % times == 0:
            cure = f"For a grouped convolution pass groups={times}"
            if groups > 1:
                cure = f"The kernel has the shape for groups={times}: pass that, or draw a kernel for groups={groups}"
        raise ValueError(explain("x's number of channels", channels, expected, cure))


@public
def init_conv(
    key: Array,
    window: Sequence[int],
    channels_in: int,
    channels_out: int,
    *,
    groups: int = 1,
    bias: bool = True,
    kernel_init: Initializer = jax.nn.initializers.lecun_normal(),
    bias_init: Initializer = jax.nn.initializers.zeros,
    dtype: DTypeLike | None = None,
) -> LayerParams:
    """Returns parameters for `conv`: a kernel [*window, channels_in/groups, channels_out] and a bias [channels_out].

    Args:
        key: a `jax.random` key.
        window: number of taps along each spatial axis; its length is the number of spatial axes.
        channels_in: c.
        channels_out: o.
        groups: as for `conv`; divides both numbers of channels.
        bias: False for a layer without bias.
        kernel_init: one of `jax.nn.initializers`. The default, of variance 1 / (taps * c / groups), preserves the
            variance of the input.
        bias_init: one of `jax.nn.initializers`.
        dtype: dtype of both. The default is JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: a size is not positive, `groups` does not divide the channels, `window` is empty, or an initializer
            returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> import jax.numpy as jnp
    >>> jax.tree.map(jnp.shape, init_conv(jax.random.key(0), (5, 3), 1, 6))
    {'bias': (6,), 'kernel': (5, 3, 1, 6)}
    """
    shape = kernel_shape(window, channels_in, channels_out, groups)
    return init_layer(key, shape, shape[-1:], bias=bias, kernel_init=kernel_init, bias_init=bias_init, dtype=dtype)


def kernel_shape(
    window: Sequence[int], channels_in: int, channels_out: int, groups: int, *, transposed: bool = False
) -> tuple[int, ...]:
    """Returns [*window, channels_in/groups, channels_out], checked. `transposed` swaps the two numbers of channels."""
    window = window_sizes(window)
    channels_in, channels_out = checked_channels(channels_in, channels_out)
    groups = checked_groups(groups)
    if channels_in % groups or channels_out % groups:
        expected = f"a divisor of both channels_in = {channels_in} and channels_out = {channels_out}"
        raise ValueError(explain("groups", groups, expected, "Write 1 for a convolution that is not grouped"))
    if transposed:
        channels_in, channels_out = channels_out, channels_in
    return (*window, channels_in // groups, channels_out)


def checked_channels(channels_in: object, channels_out: object) -> tuple[int, int]:
    """Checks the numbers of input and output channels."""
    cure = "It is the length of {}'s channel axis"
    return (
        size("channels_in", channels_in, cure=cure.format("the input")),
        size("channels_out", channels_out, cure=cure.format("the output")),
    )
