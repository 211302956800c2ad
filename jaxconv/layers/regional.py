"""Convolution by regions: a kernel for each of a few rectangles of the output, for images that are aligned."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain
from jaxconv.layers.conv import kernel_shape
from jaxconv.layers.images import Layout
from jaxconv.layers.kernels import init_kernels, opened
from jaxconv.layers.params import Initializer, LayerParams, add_bias
from jaxconv.layers.placement import Regions, checked_regions, regional
from jaxconv.lowering.multi_kernel import item, multi_kernel_conv
from jaxconv.window import Padding


def regional_conv(
    params: LayerParams,
    x: Shaped[ArrayLike, "n *spatial c"],
    *,
    regions: Regions,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    batched: bool = True,
    layout: Layout = "channels_last",
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Shaped[Array, "n *out o"]:
    """Slide a window that has a kernel for each region of the output: weights are shared within a region only.

        y[n,i,j,o] = b[r,q,o] + sum_{u,v,c} x[n, i*s + u*d - lo, j*s + v*d - lo, c] w[r,q,u,v,c,o]

    where output row i lies in region r and column j in region q, and likewise in any number of dimensions. The windows
    are those of `conv` with the same configuration; near the border of a region they see cells beyond it. One region is
    `conv`, regions of one position each are `locally_connected`. For faces that are aligned, say, where eyes are above
    and the mouth is below, and a feature that is worth finding in one place is not in another.

    Law: within each region it is `conv` with that region's kernel, so that what moves by s cells, away from the
    borders, moves y by one as long as it stays in the region. No shift of the whole image has a counterpart.

    Args:
        params: `{"kernel": [*count, *window, c/groups, o], "bias": [*count, o]}`, with the count of regions along each
            axis; the bias may be left out.
        x: [n, *spatial, c]; see `batched` and `layout`. Its dtype is the kernel's.
        regions: for each spatial axis the lengths of the regions along it, in positions of the output, of which they
            are all: `((20, 12), (32,))` for the upper 20 rows and the lower 12, all columns alike.
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
        ValueError: shapes or sizes that do not fit together, among them regions that do not add up to the output.
        TypeError: x and the parameters differ in dtype.

    >>> params = {"kernel": jnp.array([[1.0, 1.0], [-1.0, 1.0]]).reshape(2, 2, 1, 1)}     # sums, then differences
    >>> x = jnp.array([1.0, 2.0, 4.0, 8.0, 16.0]).reshape(1, 5, 1)
    >>> regional_conv(params, x, regions=((1, 3),)).ravel()
    Array([3., 2., 4., 8.], dtype=float32)

    Source: Huang, Lee and Learned-Miller, Learning hierarchical representations for face verification with
    convolutional deep belief networks, CVPR 2012, where the regions overlap.
    """
    where = "regional_conv"
    given = opened(
        where, "*regions", params, x,
        stride=stride, padding=padding, dilation=dilation, groups=groups, batched=batched, layout=layout,
        precision=precision, preferred_element_type=preferred_element_type,
    )  # fmt: skip
    positions = regional(where, [axis.out for axis in given.spec.axes], regions)
    found = tuple(map(len, positions))
    if given.count != found:
        expected = f"{found}, as many as there are lengths in regions"
        raise ValueError(explain(where, "kernel's *regions", given.count, expected, "Give init_regional_conv the same"))
    finish = lambda y, index: add_bias(y, None if given.bias is None else item(given.bias, index))
    return given.leave(multi_kernel_conv(given.x, given.kernel, given.spec, positions, finish, jnp.concatenate))


def init_regional_conv(
    key: Array,
    regions: Regions,
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
    """Parameters for `regional_conv`: a kernel for each region, each drawn as `conv`'s would be.

    Args:
        key: a `jax.random` key.
        regions: as for `regional_conv`; only their number counts here.
        window: taps along each spatial axis; its length is the number of spatial axes.
        channels_in: c.
        channels_out: o.
        groups: as for `conv`; divides both numbers of channels.
        bias: False for a layer without one.
        kernel_init: one of `jax.nn.initializers`, called for one kernel [*window, c/groups, o] at a time.
        bias_init: likewise, for the whole bias [*count, o].
        dtype: of both. By default JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: sizes that are not positive, regions along another number of axes, or groups that do not divide; or
            an initializer returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> jax.tree.map(jnp.shape, init_regional_conv(jax.random.key(0), ((20, 12), (32,)), (5, 3), 1, 6))
    {'bias': (2, 1, 6), 'kernel': (2, 1, 5, 3, 1, 6)}
    """
    where = "init_regional_conv"
    shape = kernel_shape(where, window, channels_in, channels_out, groups)
    count = tuple(map(len, checked_regions(where, regions, len(shape) - 2)))
    return init_kernels(where, key, count, shape, bias=bias, kernel_init=kernel_init, bias_init=bias_init, dtype=dtype)
