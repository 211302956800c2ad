"""The locally connected layer: a convolution's windows, with a kernel of its own at every position."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain
from jaxconv.layers.conv import check_channels, kernel_shape
from jaxconv.layers.images import Layout, enter
from jaxconv.layers.params import Initializer, LayerParams, add_bias, check_bias, init_layer, same_dtype, unpack
from jaxconv.lowering.patches import patches
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

    >>> params = {"kernel": jnp.array([[0.3, 0.5], [-1.0, 1.0]]).reshape(2, 2, 1, 1)}
    >>> locally_connected(params, jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)).ravel()
    Array([1.3, 1. ], dtype=float32)

    Source: LeCun, Generalization and network design strategies (1989), section 5: networks with local connections and
    with weight sharing, compared.
    """
    where = "locally_connected"
    kernel, bias = unpack(where, params)
    rank, odd = divmod(kernel.ndim - 2, 2)
    if rank < 1 or odd:
        expected = "[*out, *window, c/groups, o], an even number of axes, 4 or more"
        raise ValueError(explain(where, "kernel", f"{kernel.shape}, {kernel.ndim} axes", expected))
    out, window = kernel.shape[:rank], kernel.shape[rank:-2]
    x, leave = enter(where, x, rank, batched=batched, layout=layout)
    same_dtype(where, "x", x, kernel)
    (groups,) = positive(where, "groups", groups, 1)
    check_channels(where, x.shape[-1], kernel.shape, groups)
    check_bias(where, bias, (*out, kernel.shape[-1]), "[*out, o]")
    axes = slide(where, x.shape[1:-1], window, stride, padding, dilation)
    slots = tuple(axis.out for axis in axes)
    if out != slots:
        expected = f"{slots}, the positions of the window over x"
        raise ValueError(
            explain(where, "kernel's *out", out, expected, "Give init_locally_connected the same geometry")
        )
    cells = patches(x, axes)
    cells = cells.reshape(*cells.shape[:-1], groups, -1)
    weights = kernel.reshape(*kernel.shape[:-1], groups, -1)
    # One matrix product for each position and group; its sum runs over the window and the group's channels.
    positions, taps = tuple(range(1, rank + 1)), tuple(range(rank + 1, 2 * rank + 1))
    n, g, c, o = 0, 2 * rank + 1, 2 * rank + 2, 2 * rank + 3
    y = jnp.einsum(
        cells,
        (n, *positions, *taps, g, c),
        weights,
        (*positions, *taps, c, g, o),
        (n, *positions, g, o),
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    return leave(add_bias(y.reshape(x.shape[0], *slots, kernel.shape[-1]), bias))


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
    dtype: DTypeLike = jnp.float32,
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
        dtype: of both.

    Raises:
        ValueError: sizes that are not positive or do not fit together.

    >>> jax.tree.map(jnp.shape, init_locally_connected(jax.random.key(0), (3, 3), (2, 2), 1, 1))
    {'bias': (2, 2, 1), 'kernel': (2, 2, 2, 2, 1, 1)}
    """
    where = "init_locally_connected"
    shape = kernel_shape(where, window, channels_in, channels_out, groups)
    lengths = positive(where, "spatial", spatial, len(shape) - 2)
    out = tuple(axis.out for axis in slide(where, lengths, shape[:-2], stride, padding, dilation))

    def one_kernel_per_position(key: Array, full_shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        keys = jax.random.split(key, out)
        draw = lambda key: kernel_init(key, shape, dtype)
        for _ in out:
            draw = jax.vmap(draw)
        return draw(keys).reshape(full_shape)

    return init_layer(
        key,
        (*out, *shape),
        (*out, shape[-1]) if bias else None,
        kernel_init=one_kernel_per_position,
        bias_init=bias_init,
        dtype=dtype,
    )
