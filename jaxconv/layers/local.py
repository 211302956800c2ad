"""The locally connected layer: the windows of a convolution, with a separate kernel at every position."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain, public
from jaxconv.layers.conv import kernel_shape
from jaxconv.layers.images import Layout
from jaxconv.layers.kernels import init_kernels, unpack_layer
from jaxconv.layers.params import Initializer, LayerParams, add_bias
from jaxconv.lowering.im2col import im2col
from jaxconv.lowering.multi_kernel import multi_kernel_matmul
from jaxconv.window import Padding, positive, slide


@public
def locally_connected(
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
    """Slides a window over the input with a separate kernel at each position. In two dimensions

        y[n,i,j,o] = b[i,j,o] + sum_{u,v,c} x[n, i*s + u*d - lo, j*s + v*d - lo, c] w[i,j,u,v,c,o]

    and likewise in any number of dimensions. The windows are those of `conv` with the same settings. The kernel's shape
    is [*out, *window, c/groups, o].

    Law: with the same kernel and bias at every position the layer equals `conv`. The gradient of `conv`'s kernel is the
    sum over positions of this layer's kernel gradient. With different kernels it is not equivariant under any shift.

    Args:
        params: `{"kernel": [*out, *window, c/groups, o], "bias": [*out, o]}`; the bias is optional.
        x: [n, *spatial, c], with the dtype of the kernel; see `batched` and `layout`.
        stride: see `conv`.
        padding: see `conv`.
        dilation: see `conv`.
        groups: see `conv`.
        batched: see `conv`.
        layout: see `conv`.
        precision: as for `jax.numpy.einsum`.
        preferred_element_type: dtype of the accumulation and the result, as for `jax.numpy.einsum`.

    Returns:
        [n, *out, o], with the dtype of the kernel, or `preferred_element_type` if given.

    Raises:
        ValueError: shapes or sizes do not match, for example a kernel for other output positions.
        TypeError: x and the parameters have different dtypes.

    >>> import jax.numpy as jnp
    >>> params = {"kernel": jnp.array([[0.3, 0.5], [-1.0, 1.0]]).reshape(2, 2, 1, 1)}
    >>> locally_connected(params, jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)).ravel()
    Array([1.3, 1. ], dtype=float32)

    Source: LeCun, Generalization and network design strategies (1989), section 5, which compares networks with local
    connections and with weight sharing.
    """
    layer = unpack_layer(
        "*out", params, x,
        stride=stride, padding=padding, dilation=dilation, groups=groups, batched=batched, layout=layout,
        precision=precision, preferred_element_type=preferred_element_type,
    )  # fmt: skip
    positions = tuple(axis.out for axis in layer.spec.axes)
    if layer.count != positions:
        expected = f"{positions}, the positions of the window over x"
        cure = "Pass the same geometry to init_locally_connected"
        raise ValueError(explain("kernel's *out", layer.count, expected, cure))
    y = multi_kernel_matmul(
        im2col(layer.x, layer.spec.axes),
        layer.kernel,
        (True,) * len(positions),
        layer.spec.groups,
        precision=layer.spec.precision,
        preferred_element_type=layer.spec.preferred,
    )
    return layer.from_nhwc(add_bias(y, layer.bias))


@public
def init_locally_connected(
    key: Array,
    spatial: Sequence[int],
    window: Sequence[int],
    channels_in: int,
    channels_out: int,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = True,
    kernel_init: Initializer = jax.nn.initializers.lecun_normal(),
    bias_init: Initializer = jax.nn.initializers.zeros,
    dtype: DTypeLike | None = None,
) -> LayerParams:
    """Returns parameters for `locally_connected`: a separate kernel per position, each drawn as for `conv`.

    Args:
        key: a `jax.random` key.
        spatial: number of input cells along each spatial axis. Unlike those of `conv`, these parameters depend on it.
        window: number of taps along each spatial axis.
        channels_in: c.
        channels_out: o.
        stride: as for `locally_connected`.
        padding: as for `locally_connected`.
        dilation: as for `locally_connected`.
        groups: as for `locally_connected`; divides both numbers of channels.
        bias: False for a layer without bias.
        kernel_init: one of `jax.nn.initializers`, called once per position for a kernel [*window, c/groups, o].
        bias_init: one of `jax.nn.initializers`, called once for the whole bias [*out, o].
        dtype: dtype of both. The default is JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: sizes are not positive or do not match, or an initializer returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> import jax.numpy as jnp
    >>> jax.tree.map(jnp.shape, init_locally_connected(jax.random.key(0), (3, 3), (2, 2), 1, 1))
    {'bias': (2, 2, 1), 'kernel': (2, 2, 2, 2, 1, 1)}
    """
    shape = kernel_shape(window, channels_in, channels_out, groups)
    lengths = positive("spatial", spatial, len(shape) - 2)
    out = tuple(axis.out for axis in slide(lengths, shape[:-2], stride, padding, dilation))
    return init_kernels(key, out, shape, bias=bias, kernel_init=kernel_init, bias_init=bias_init, dtype=dtype)
