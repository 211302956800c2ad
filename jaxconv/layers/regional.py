"""Convolution by regions: one kernel for each of several rectangles of the output, for aligned images."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain, public
from jaxconv.layers.conv import kernel_shape
from jaxconv.layers.images import Layout
from jaxconv.layers.kernels import init_kernels, unpack_layer
from jaxconv.layers.params import Initializer, LayerParams, add_bias
from jaxconv.layers.placement import Regions, checked_regions, regional
from jaxconv.lowering.multi_kernel import item, multi_kernel_conv
from jaxconv.window import Padding


@public
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
    """Slides a window with a separate kernel for each region of the output. In two dimensions

        y[n,i,j,o] = b[r,q,o] + sum_{u,v,c} x[n, i*s + u*d - lo, j*s + v*d - lo, c] w[r,q,u,v,c,o]

    where output row i lies in region r and column j in region q, and likewise in any number of dimensions. Weights are
    shared within a region only. The windows are those of `conv` with the same settings; near the border of a region
    they read cells beyond it. A single region is `conv`; regions of one position each are `locally_connected`. The
    layer suits aligned images such as faces, where a feature matters in some places only.

    Law: within a region the layer equals `conv` with the kernel of that region. Content that moves by s cells, away
    from the borders and inside the region, moves y by one. No shift of the whole image corresponds to a shift of y.

    Args:
        params: `{"kernel": [*count, *window, c/groups, o], "bias": [*count, o]}`, with the number of regions along each
            axis; the bias is optional.
        x: [n, *spatial, c], with the dtype of the kernel; see `batched` and `layout`.
        regions: for each spatial axis, the lengths of its regions in output positions. They sum to the length of the
            output: `((20, 12), (32,))` for the upper 20 rows and the lower 12, with all columns alike.
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
        ValueError: shapes or sizes do not match, for example regions that do not sum to the output.
        TypeError: x and the parameters have different dtypes.

    >>> params = {"kernel": jnp.array([[1.0, 1.0], [-1.0, 1.0]]).reshape(2, 2, 1, 1)}     # sums, then differences
    >>> x = jnp.array([1.0, 2.0, 4.0, 8.0, 16.0]).reshape(1, 5, 1)
    >>> regional_conv(params, x, regions=((1, 3),)).ravel()
    Array([3., 2., 4., 8.], dtype=float32)

    Source: Huang, Lee and Learned-Miller, Learning hierarchical representations for face verification with
    convolutional deep belief networks, CVPR 2012, where the regions overlap.
    """
    layer = unpack_layer(
        "*regions", params, x,
        stride=stride, padding=padding, dilation=dilation, groups=groups, batched=batched, layout=layout,
        precision=precision, preferred_element_type=preferred_element_type,
    )  # fmt: skip
    positions = regional([axis.out for axis in layer.spec.axes], regions)
    expected_count = tuple(map(len, positions))
    if layer.count != expected_count:
        expected = f"{expected_count}, the numbers of regions"
        raise ValueError(
            explain("kernel's *regions", layer.count, expected, "Pass the same regions to init_regional_conv")
        )
    finish = lambda y, index: add_bias(y, None if layer.bias is None else item(layer.bias, index))
    return layer.from_nhwc(multi_kernel_conv(layer.x, layer.kernel, layer.spec, positions, finish, jnp.concatenate))


@public
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
    """Returns parameters for `regional_conv`: a kernel for each region, each drawn as for `conv`.

    Args:
        key: a `jax.random` key.
        regions: as for `regional_conv`; only the number of regions matters here.
        window: number of taps along each spatial axis; its length is the number of spatial axes.
        channels_in: c.
        channels_out: o.
        groups: as for `conv`; divides both numbers of channels.
        bias: False for a layer without bias.
        kernel_init: one of `jax.nn.initializers`, called once per region for a kernel [*window, c/groups, o].
        bias_init: one of `jax.nn.initializers`, called once for the whole bias [*count, o].
        dtype: dtype of both. The default is JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: sizes are not positive, `regions` has another number of axes, `groups` does not divide the channels,
            or an initializer returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> jax.tree.map(jnp.shape, init_regional_conv(jax.random.key(0), ((20, 12), (32,)), (5, 3), 1, 6))
    {'bias': (2, 1, 6), 'kernel': (2, 1, 5, 3, 1, 6)}
    """
    shape = kernel_shape(window, channels_in, channels_out, groups)
    count = tuple(map(len, checked_regions(regions, len(shape) - 2)))
    return init_kernels(key, count, shape, bias=bias, kernel_init=kernel_init, bias_init=bias_init, dtype=dtype)
