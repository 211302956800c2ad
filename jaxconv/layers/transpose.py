"""Transposed convolution, defined as the adjoint of `conv`."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import bracketed, explain, public, spatial_names
from jaxconv.layers.conv import checked_groups, conv, kernel_shape
from jaxconv.layers.images import Layout, read, to_nhwc
from jaxconv.layers.operands import checked_precision
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
from jaxconv.lowering.explicit_sharding import gathered, shards
from jaxconv.sizes import UPSAMPLED
from jaxconv.window import Padding, lengths_before, positive, slide


@public
def conv_transpose(
    params: LayerParams,
    y: Shaped[ArrayLike, "n *out o"],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    output_shape: Sequence[int] | None = None,
    batched: bool = True,
    layout: Layout = "channels_last",
    precision: lax.PrecisionLike = None,
) -> Shaped[Array, "n *spatial c"]:
    """Applies the adjoint of `conv` with the same kernel and settings. In two dimensions

        x[n,i,j,c] = b[c] + sum_{p,q,u,v,o} y[n,p,q,o] w[u,v,c,o]

    over the positions and taps that read cell (i, j): p*s + u*d - lo == i and q*s + v*d - lo == j, or a copy of that
    cell beyond the border. Each cell of y adds the whole kernel, times the cell, to x; neighbouring cells do so s cells
    apart. The kernel has the layout of `conv`, [*window, c/groups, o]: it is not flipped, and its channels are not
    swapped, although here o is the number of input channels and c that of output channels.

    Law: `<conv(x), y> = <x, conv_transpose(y)>` for all x and y, without biases. With padding "CIRCULAR", shifting y by
    one shifts x by s. With every other padding this holds away from the border.

    Args:
        params: `{"kernel": [*window, c/groups, o], "bias": [c]}`; the bias is optional.
        y: [n, *out, o], floats, with the dtype of the kernel; see `batched` and `layout`.
        stride: as for `conv`: number of cells of x between neighbouring cells of y.
        padding: as for `conv`: the padding of x.
        dilation: as for `conv`.
        groups: as for `conv`.
        output_shape: the lengths of the spatial axes of x. Required if `conv` gives the lengths of y for several
            lengths of x, as for most strides; otherwise the length is unique.
        batched: as for `conv`.
        layout: as for `conv`.
        precision: as for `conv`.

    Returns:
        [n, *spatial, c], with the dtype of the kernel.

    Raises:
        ValueError: shapes or sizes do not match; or `output_shape` is required and missing.
        TypeError: y and the parameters have different dtypes, or are not floating-point.

    >>> params = {"kernel": jnp.array([1.0, 2.0, 3.0]).reshape(3, 1, 1)}
    >>> conv_transpose(params, jnp.array([1.0, 10.0]).reshape(1, 2, 1), stride=2, output_shape=(5,)).ravel()
    Array([ 1.,  2., 13., 20., 30.], dtype=float32)

    Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016, chapter 4.
    """
    kernel, bias = unpack(params)
    y, batched = read(y, batched, "y")
    rank = spatial_axes(kernel, y, "y", batched=batched)
    otherwise = f"; or pass {UNSHARED}" * (rank == 2)
    y, from_nhwc = to_nhwc(y, rank, batched=batched, layout=layout, argument="y", otherwise=otherwise)
    same_dtype("y", y, kernel)
    if not jnp.issubdtype(y.dtype, jnp.inexact):
        cure = "Cast both first: y.astype(jnp.float32)"
        raise TypeError(explain("y", y.dtype, "floating-point numbers", cure))
    groups = checked_groups(groups)
    *window, channels, channels_in = kernel.shape
    if y.shape[-1] != channels_in:
        expected = f"{channels_in}: kernel {kernel.shape} is [*window, c/groups, o], and y has o channels"
        cure = "Draw the kernel by init_conv_transpose with channels_in = y's number of channels"
        raise ValueError(explain("y's number of channels", y.shape[-1], expected, cure))
    if channels_in % groups:
        expected = f"a divisor of the kernel's {channels_in} channels of y"
        raise ValueError(explain("groups", groups, expected, "Draw the kernel with the same groups"))
    check_bias(bias, (channels * groups,), "[c], one for each output channel")
    possible = lengths_before(y.shape[1:-1], window, stride, padding, dilation)
    scaled = tuple(n * s for n, s in zip(y.shape[1:-1], positive("stride", stride, rank), strict=True))
    lengths = _chosen(output_shape, possible, scaled)
    UPSAMPLED.check("the result", lengths, y.shape[1:-1], "Use a smaller stride or dilation")
    axes = slide(lengths, window, stride, padding, dilation)
    y, back = gathered(
        y, [a.pad.boundary == "ZERO" and a.length % m == 0 for a, m in zip(axes, shards(y)[1:-1], strict=True)]
    )
    precision = checked_precision(precision)
    shape = (y.shape[0], *lengths, channels * groups)
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "precision": precision}
    forward = lambda x: conv({"kernel": kernel}, x, **settings)
    (x,) = jax.linear_transpose(forward, jax.typeof(y).update(shape=shape))(y)
    return from_nhwc(back(add_bias(x, bias)))


def _chosen(output_shape: Sequence[int] | None, possible: Sequence[range], scaled: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the requested or the only possible lengths; `scaled` is y's lengths times the stride, for messages."""
    names = spatial_names(len(possible))
    ranges = " and ".join(
        f"{lengths[0]} to {lengths[-1]} along axis {name}" if len(lengths) > 1 else f"{lengths[0]} along axis {name}"
        for name, lengths in zip(names, possible, strict=True)
    )
    argument = "output_shape"
    if output_shape is None:
        if all(len(lengths) == 1 for lengths in possible):
            return tuple(lengths[0] for lengths in possible)
        expected = f"given, because several input lengths give y's lengths under conv: {ranges}"
        usual = all(length in lengths for length, lengths in zip(scaled, possible, strict=True))
        cure = f"Pass output_shape={scaled if usual else tuple(lengths[0] for lengths in possible)}"
        cure += "" if usual else f', or padding="SAME" and output_shape={scaled} for y\'s lengths times the stride'
        raise ValueError(explain(argument, None, expected, cure))
    requested = positive(argument, output_shape, len(possible))
    if any(length not in lengths for length, lengths in zip(requested, possible, strict=True)):
        expected = f"input lengths that give y's lengths under conv: {ranges} ({bracketed(names)})"
        cure = "Pass one of these, or another padding"
        raise ValueError(explain(argument, requested, expected, cure))
    return requested


@public
def init_conv_transpose(
    key: Array,
    window: Sequence[int],
    channels_in: int,
    channels_out: int,
    *,
    groups: int = 1,
    bias: bool = True,
    kernel_init: Initializer = jax.nn.initializers.lecun_normal(in_axis=-1, out_axis=-2),
    bias_init: Initializer = jax.nn.initializers.zeros,
    dtype: DTypeLike | None = None,
) -> LayerParams:
    """Returns parameters for `conv_transpose`: kernel [*window, channels_out/groups, channels_in], bias [channels_out].

    Args:
        key: a `jax.random` key.
        window: number of taps along each spatial axis; its length is the number of spatial axes.
        channels_in: o, number of channels of y.
        channels_out: c, number of channels of the result.
        groups: as for `conv`; divides both numbers of channels.
        bias: False for a layer without bias.
        kernel_init: one of `jax.nn.initializers`. The default takes the kernel's taps times all channels of y as the
            fan-in. With a stride of s along each axis, only one tap in s contributes to a cell.
        bias_init: one of `jax.nn.initializers`.
        dtype: dtype of both. The default is JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: a size is not positive, `groups` does not divide the channels, `window` is empty, or an initializer
            returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> jax.tree.map(jnp.shape, init_conv_transpose(jax.random.key(0), (5, 3), 8, 2))
    {'bias': (2,), 'kernel': (5, 3, 2, 8)}
    """
    shape = kernel_shape(window, channels_in, channels_out, groups, transposed=True)
    return init_layer(key, shape, (channels_out,), bias=bias, kernel_init=kernel_init, bias_init=bias_init, dtype=dtype)
