"""Tiled convolution: several kernels that repeat with a period, between one shared kernel and one per position."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import public
from jaxconv.layers.conv import kernel_shape
from jaxconv.layers.images import Layout
from jaxconv.layers.kernels import init_kernels, unpack_layer
from jaxconv.layers.params import Initializer, LayerParams, add_bias
from jaxconv.layers.placement import tiled
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.im2col import im2col
from jaxconv.lowering.interleave import interleaved, merge_periods, split_periods
from jaxconv.lowering.multi_kernel import item, multi_kernel_conv, multi_kernel_matmul
from jaxconv.window import Padding, positive

# Up to this many kernels are computed by convolutions of stride s*p, more kernels by one product. Rough measurement on
# two busy cores (3x3, 32 pixels, 16 channels, JAX 0.12.0.1): for 2x2 kernels the convolutions take half of the time of
# the product. For 4x4 kernels, gradients included, they take twice as long: the input gradient slides over cells of y
# that are s*p apart, and each convolution is compiled separately.
MOST_CONVOLUTIONS = 4


@public
def tiled_conv(
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
    """Slides a window with kernels that repeat with period p along each axis (partly shared weights). In two dimensions

        y[n,i,j,o] = b[i%p,j%p,o] + sum_{u,v,c} x[n, i*s + u*d - lo, j*s + v*d - lo, c] w[i%p,j%p,u,v,c,o]

    and likewise in any number of dimensions. The windows are those of `conv` with the same settings. The kernel's shape
    [*period, *window, c/groups, o] determines p. A period of 1 is `conv`; a period of the output's length is
    `locally_connected`. Each output costs one window, as in both of them. With more than four kernels, an incomplete
    last period costs as much as a complete one.

    Law: with padding "CIRCULAR", shifting x by s*p cells shifts y by p, if s*p divides the length. Smaller shifts
    correspond to no shift of y. With every other padding the law holds away from the border. If p does not divide the
    length of y, the last period is incomplete, and no law holds across the border between it and the first.

    Args:
        params: `{"kernel": [*period, *window, c/groups, o], "bias": [*period, o]}`; the bias is optional. Unlike those
            of `locally_connected`, they do not depend on the image's size. Kernels beyond the output's length are
            unused.
        x: [n, *spatial, c], with the dtype of the kernel; see `batched` and `layout`.
        stride: see `conv`.
        padding: see `conv`.
        dilation: see `conv`.
        groups: see `conv`.
        batched: see `conv`.
        layout: see `conv`.
        precision: see `conv`.
        preferred_element_type: see `conv`.

    Returns:
        [n, *out, o], with the dtype of the kernel, or `preferred_element_type` if given.

    Raises:
        ValueError: shapes or sizes do not match, for example a kernel that is wider than the padded input.
        TypeError: x and the parameters have different dtypes.

    >>> params = {"kernel": jnp.array([[1.0, 1.0], [-1.0, 1.0]]).reshape(2, 2, 1, 1)}     # sum, difference, sum, ...
    >>> tiled_conv(params, jnp.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1)).ravel()
    Array([ 3.,  2., 12.], dtype=float32)

    Source: Ngiam et al., Tiled convolutional neural networks, NIPS 2010, where the period is k.
    """
    layer = unpack_layer(
        "*period", params, x,
        stride=stride, padding=padding, dilation=dilation, groups=groups, batched=batched, layout=layout,
        precision=precision, preferred_element_type=preferred_element_type,
    )  # fmt: skip
    spec = layer.spec
    positions = [
        [indices for indices in each if indices] for each in tiled([axis.out for axis in spec.axes], layer.count)
    ]
    if math.prod(map(len, positions)) > MOST_CONVOLUTIONS:
        return layer.from_nhwc(_by_product(layer.x, layer.kernel, layer.bias, spec))
    finish = lambda y, index: add_bias(y, None if layer.bias is None else item(layer.bias, index))
    return layer.from_nhwc(multi_kernel_conv(layer.x, layer.kernel, spec, positions, finish, interleaved))


def _by_product(x: Array, kernel: Array, bias: Array | None, spec: ConvSpec) -> Array:
    """Computes all kernels by one matrix product of the im2col array, split into periods."""
    rank, cells = len(spec.axes), im2col(x, spec.axes)
    for number in reversed(range(rank)):
        cells = split_periods(cells, number + 1, kernel.shape[number])
    y = multi_kernel_matmul(
        cells,
        kernel,
        (False, True) * rank,
        spec.groups,
        precision=spec.precision,
        preferred_element_type=spec.preferred,
    )
    if bias is not None:
        bias = jnp.expand_dims(bias, tuple(range(1, 2 * rank - 1, 2)))  # [p, 1, q, o] on y's [..., p, j, q, o]
    y = add_bias(y, bias)
    for number, axis in enumerate(spec.axes, start=1):  # one axis at a time, as arrays split over devices require
        y = merge_periods(y, number, axis.out)
    return y


@public
def init_tiled_conv(
    key: Array,
    period: int | Sequence[int],
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
    """Returns parameters for `tiled_conv`: one kernel per position of a period, each drawn as for `conv`.

    Args:
        key: a `jax.random` key.
        period: p, number of positions after which the kernels repeat; one integer, or one per spatial axis.
        window: number of taps along each spatial axis; its length is the number of spatial axes.
        channels_in: c.
        channels_out: o.
        groups: as for `conv`; divides both numbers of channels.
        bias: False for a layer without bias.
        kernel_init: one of `jax.nn.initializers`, called once per kernel [*window, c/groups, o].
        bias_init: one of `jax.nn.initializers`, called once for the whole bias [*period, o].
        dtype: dtype of both. The default is JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: a size is not positive, `groups` does not divide the channels, `window` is empty, or an initializer
            returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> jax.tree.map(jnp.shape, init_tiled_conv(jax.random.key(0), 2, (5, 3), 1, 6))
    {'bias': (2, 2, 6), 'kernel': (2, 2, 5, 3, 1, 6)}
    """
    shape = kernel_shape(window, channels_in, channels_out, groups)
    count = positive("period", period, len(shape) - 2)
    return init_kernels(key, count, shape, bias=bias, kernel_init=kernel_init, bias_init=bias_init, dtype=dtype)
