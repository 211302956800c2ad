"""Tiled convolution: a few kernels that take turns, between one that is shared by all positions and one for each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.layers.conv import kernel_shape
from jaxconv.layers.images import Layout
from jaxconv.layers.kernels import init_kernels, opened
from jaxconv.layers.params import Initializer, LayerParams, add_bias
from jaxconv.layers.placement import tiled
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.im2col import im2col
from jaxconv.lowering.interleave import interleaved, merge_periods, split_periods
from jaxconv.lowering.multi_kernel import item, multi_kernel_conv, multi_kernel_matmul
from jaxconv.window import Padding, positive

# Up to so many kernels are convolutions of stride s*p, more of them one product. Measured roughly, on two busy cores
# (3x3, 32 pixels, 16 channels, JAX 0.12.0.1), convolutions take half of the product's time for 2x2 kernels; for 4x4,
# gradients included, twice as much: x's delta slides over y's cells s*p apart, and each is compiled by itself.
MOST_CONVOLUTIONS = 4


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
    """Slide a window whose kernels take turns, p of them along each axis: partly shared weights. In two dimensions

        y[n,i,j,o] = b[i%p,j%p,o] + sum_{u,v,c} x[n, i*s + u*d - lo, j*s + v*d - lo, c] w[i%p,j%p,u,v,c,o]

    and likewise in any number of them. The windows are those of `conv` with the same configuration; the kernel's shape
    is [*period, *window, c/groups, o], so that p is read from it. A period of 1 is `conv`, one as long as the output
    `locally_connected`. Each output costs one window, as in both of them; of more than four kernels, a last period that
    is cut short costs a whole one.

    Law: with padding "CIRCULAR", shifting x by s*p cells shifts y by p, whenever s*p divides the length; shifting it by
    less has no counterpart. Every other padding keeps the law away from the border. Where p does not divide the length
    of y, the last period is cut short, and no law holds across that seam.

    Args:
        params: `{"kernel": [*period, *window, c/groups, o], "bias": [*period, o]}`; the bias may be left out. Unlike
            `locally_connected`'s they do not depend on the image's size. Kernels beyond the output's length are idle.
        x: [n, *spatial, c]; see `batched` and `layout`. Its dtype is the kernel's.
        stride: as for `conv`, and so are the arguments after it.
        padding: see `conv`.
        dilation: see `conv`.
        groups: see `conv`.
        batched: see `conv`.
        layout: see `conv`.
        precision: see `conv`.
        preferred_element_type: see `conv`.

    Returns:
        [n, *out, o], of the kernel's dtype unless `preferred_element_type` says otherwise.

    Raises:
        ValueError: shapes or sizes that do not fit together, among them a kernel wider than the padded input.
        TypeError: x and the parameters differ in dtype.

    >>> params = {"kernel": jnp.array([[1.0, 1.0], [-1.0, 1.0]]).reshape(2, 2, 1, 1)}     # sums and differences in turn
    >>> tiled_conv(params, jnp.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1)).ravel()
    Array([ 3.,  2., 12.], dtype=float32)

    Source: Ngiam et al., Tiled convolutional neural networks, NIPS 2010, where the period is k.
    """
    given = opened(
        "tiled_conv", "*period", params, x,
        stride=stride, padding=padding, dilation=dilation, groups=groups, batched=batched, layout=layout,
        precision=precision, preferred_element_type=preferred_element_type,
    )  # fmt: skip
    spec = given.spec
    positions = [[its for its in each if its] for each in tiled([axis.out for axis in spec.axes], given.count)]
    if math.prod(map(len, positions)) > MOST_CONVOLUTIONS:
        return given.leave(_by_product(given.x, given.kernel, given.bias, spec))
    finish = lambda y, index: add_bias(y, None if given.bias is None else item(given.bias, index))
    return given.leave(multi_kernel_conv(given.x, given.kernel, spec, positions, finish, interleaved))


def _by_product(x: Array, kernel: Array, bias: Array | None, spec: ConvSpec) -> Array:
    """The cells under each window, cut into periods, times all kernels at once."""
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
    for number, axis in enumerate(spec.axes, start=1):  # one by one, as arrays that are split over devices need it
        y = merge_periods(y, number, axis.out)
    return y


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
    """Parameters for `tiled_conv`: as many kernels as there are in a period, each drawn as `conv`'s would be.

    Args:
        key: a `jax.random` key.
        period: p, positions until the same kernel comes again; one integer, or one for each spatial axis.
        window: taps along each spatial axis; its length is the number of spatial axes.
        channels_in: c.
        channels_out: o.
        groups: as for `conv`; divides both numbers of channels.
        bias: False for a layer without one.
        kernel_init: one of `jax.nn.initializers`, called for one kernel [*window, c/groups, o] at a time.
        bias_init: likewise, for the whole bias [*period, o].
        dtype: of both. By default JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: a size that is not positive, groups that do not divide the channels, or a window without a length;
            or an initializer returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> jax.tree.map(jnp.shape, init_tiled_conv(jax.random.key(0), 2, (5, 3), 1, 6))
    {'bias': (2, 2, 6), 'kernel': (2, 2, 5, 3, 1, 6)}
    """
    where = "init_tiled_conv"
    shape = kernel_shape(where, window, channels_in, channels_out, groups)
    count = positive(where, "period", period, len(shape) - 2)
    return init_kernels(where, key, count, shape, bias=bias, kernel_init=kernel_init, bias_init=bias_init, dtype=dtype)
