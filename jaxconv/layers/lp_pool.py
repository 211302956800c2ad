"""Lp pooling: the norm of every window, separately for each channel."""

from __future__ import annotations

from collections.abc import Sequence

from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxconv.errors import public
from jaxconv.layers.arithmetic import accumulator, check_real_floats, checked_norm, power, root
from jaxconv.layers.images import Layout
from jaxconv.layers.pool import enter_windows
from jaxconv.lowering import pooling
from jaxconv.lowering.boundary import copy_boundary
from jaxconv.window import Padding


@public
def lp_pool(
    x: Float[ArrayLike, "n *spatial c"],
    window: Sequence[int],
    *,
    norm: float,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Float[Array, "n *out c"]:
    """Returns the Lp norm of each window:  y[n,i,j,c] = (sum_{u,v} |x[n, i*s + u*d - lo, j*s + v*d - lo, c]|^p)^(1/p).

    p = 1 sums magnitudes, p = 2 is the Euclidean norm, and a large p approximates `max_pool(abs(x))`. Zero padding adds
    nothing, so no divisor is needed. (PyTorch does not take absolute values: for odd p its result is NaN if the sum of
    powers is negative. In ceil mode it also scales overhanging windows to full size.)

    The derivative is finite. It is 0 at a window of zeros, where 0 is the smallest subgradient of the norm. It is also
    0 at each cell that is 0, even for p < 1, where no derivative exists. |x|^p must be representable in the dtype:
    powers that underflow count as 0. Half-precision floats are summed in float32.

    Law: as for `max_pool`; and `lp_pool(a*x) == |a| * lp_pool(x)`, up to rounding.

    Args:
        x: [n, *spatial, c], real floats; see `batched` and `layout`.
        window: number of taps along each spatial axis, for example (2, 2) for images. Its length is the number of
            spatial axes.
        norm: p, a positive number.
        stride: s, number of cells between neighbouring windows. The default is the window, so windows do not overlap.
        padding: as for `conv`.
        dilation: as for `max_pool`.
        ceil_mode: as for `max_pool`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], with the dtype of x.

    Raises:
        ValueError: as for `max_pool`, or `norm` is not positive and finite.
        TypeError: x is not real floating-point, or `norm` is not a number.

    >>> import jax.numpy as jnp
    >>> lp_pool(jnp.array([3.0, -4.0, 0.0, 0.0, 5.0, 12.0]).reshape(1, 6, 1), (2,), norm=2).ravel()
    Array([ 5.,  0., 13.], dtype=float32)

    Source: Sermanet, Chintala and LeCun, Convolutional neural networks applied to house numbers digit classification,
    ICPR 2012.
    """
    norm = checked_norm(norm)
    stride = window if stride is None else stride
    x, from_nhwc, axes = enter_windows(
        x, window, stride, padding, dilation, ceil_mode=ceil_mode, batched=batched, layout=layout
    )
    check_real_floats(x)
    powers = power(x.astype(accumulator(x)), norm)
    return from_nhwc(root(pooling.sum_pool(*copy_boundary(powers, axes)), norm).astype(x.dtype))
