"""The locally connected layer: a convolution's windows, with a kernel of its own at every position."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain
from jaxconv.layers.conv import kernel_shape
from jaxconv.layers.images import Layout
from jaxconv.layers.kernels import init_kernels, opened
from jaxconv.layers.params import Initializer, LayerParams, add_bias
from jaxconv.lowering.im2col import im2col
from jaxconv.lowering.multi_kernel import multi_kernel_matmul
from jaxconv.window import Padding, positive, slide


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
    """Slide a window whose weights are not shared. In two dimensions

        y[n,i,j,o] = b[i,j,o] + sum_{u,v,c} x[n, i*s + u*d - lo, j*s + v*d - lo, c] w[i,j,u,v,c,o]

    and likewise in any number of them. The windows are those of `conv` with the same configuration; the kernel's shape
    is [*out, *window, c/groups, o], so half of its axes but two are spatial ones of the output.

    Law: with the same kernel and bias at every position it *is* `conv`, and the gradient of `conv`'s kernel is the sum
    over positions of this layer's. With kernels that differ it is not equivariant under any shift.

    Args:
        params: `{"kernel": [*out, *window, c/groups, o], "bias": [*out, o]}`; the bias may be left out.
        x: [n, *spatial, c]; see `batched` and `layout`. Its dtype is the kernel's.
        stride: as for `conv`, and so are the arguments after it.
        padding: see `conv`.
        dilation: see `conv`.
        groups: see `conv`.
        batched: see `conv`.
        layout: see `conv`.
        precision: as for `jax.numpy.einsum`.
        preferred_element_type: the dtype to accumulate in and return, likewise.

    Returns:
        [n, *out, o], of the kernel's dtype unless `preferred_element_type` says otherwise.

    Raises:
        ValueError: shapes or sizes that do not fit together, among them a kernel for other output positions.
        TypeError: x and the parameters differ in dtype.

    >>> import jax.numpy as jnp
    >>> params = {"kernel": jnp.array([[0.3, 0.5], [-1.0, 1.0]]).reshape(2, 2, 1, 1)}
    >>> locally_connected(params, jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)).ravel()
    Array([1.3, 1. ], dtype=float32)

    Source: LeCun, Generalization and network design strategies (1989), section 5: networks with local connections and
    with weight sharing, compared.
    """
    where = "locally_connected"
    given = opened(
        where, "*out", params, x,
        stride=stride, padding=padding, dilation=dilation, groups=groups, batched=batched, layout=layout,
        precision=precision, preferred_element_type=preferred_element_type,
    )  # fmt: skip
    slots = tuple(axis.out for axis in given.spec.axes)
    if given.count != slots:
        expected = f"{slots}, the positions of the window over x"
        cure = "Give init_locally_connected the same geometry"
        raise ValueError(explain(where, "kernel's *out", given.count, expected, cure))
    y = multi_kernel_matmul(
        im2col(given.x, given.spec.axes),
        given.kernel,
        (True,) * len(slots),
        given.spec.groups,
        precision=given.spec.precision,
        preferred_element_type=given.spec.preferred,
    )
    return given.leave(add_bias(y, given.bias))


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
    """Parameters for `locally_connected`: a kernel of its own for every position, each drawn as `conv`'s would be.

    Args:
        key: a `jax.random` key.
        spatial: cells of the input along each spatial axis; unlike `conv`'s, these parameters know the image's size.
        window: taps along each spatial axis.
        channels_in: c.
        channels_out: o.
        stride: as for `locally_connected`, and so are the next three.
        padding: see there.
        dilation: see there.
        groups: see there; divides both numbers of channels.
        bias: False for a layer without one.
        kernel_init: one of `jax.nn.initializers`, called for one position's kernel [*window, c/groups, o] at a time.
        bias_init: likewise, for the whole bias [*out, o].
        dtype: of both. By default JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: sizes that are not positive or do not fit together; or
            an initializer returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> import jax.numpy as jnp
    >>> jax.tree.map(jnp.shape, init_locally_connected(jax.random.key(0), (3, 3), (2, 2), 1, 1))
    {'bias': (2, 2, 1), 'kernel': (2, 2, 2, 2, 1, 1)}
    """
    where = "init_locally_connected"
    shape = kernel_shape(where, window, channels_in, channels_out, groups)
    lengths = positive(where, "spatial", spatial, len(shape) - 2)
    out = tuple(axis.out for axis in slide(where, lengths, shape[:-2], stride, padding, dilation))
    return init_kernels(where, key, out, shape, bias=bias, kernel_init=kernel_init, bias_init=bias_init, dtype=dtype)
