"""The dense layer: every output is connected to every input, each connection with a weight of its own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain
from jaxconv.layers.operands import array, checked_precision, result_dtype
from jaxconv.layers.params import Initializer, LayerParams, add_bias, check_bias, init_layer, same_dtype, unpack
from jaxconv.sizes import size


def dense(
    params: LayerParams,
    x: Shaped[ArrayLike, "*batch i"],
    *,
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Shaped[Array, "*batch o"]:
    """Multiply by a matrix:  y[..., o] = b[o] + sum_i x[..., i] w[i, o].

    Law: linear in x without the bias. It knows no position: permuting the inputs and the kernel's rows alike changes
    nothing, and shifting the inputs alone has no counterpart in the output.

    Args:
        params: `{"kernel": [i, o], "bias": [o]}`; the bias may be left out.
        x: [..., i]; every axis before the last is a batch axis. Its dtype is the kernel's.
        precision: as for `jax.numpy.matmul`.
        preferred_element_type: the dtype to accumulate in and return, likewise.

    Returns:
        [..., o], of the kernel's dtype unless `preferred_element_type` says otherwise.

    Raises:
        ValueError: shapes that do not fit together.
        TypeError: x and the parameters differ in dtype.

    >>> dense({"kernel": jnp.array([[1.0], [10.0]]), "bias": jnp.array([0.5])}, jnp.array([2.0, 3.0]))
    Array([32.5], dtype=float32)
    """
    kernel, bias = unpack("dense", params)
    if kernel.ndim != 2:
        cure = "For a kernel with spatial axes use conv" if kernel.ndim > 2 else "Draw it by init_dense"
        raise ValueError(explain("dense", "kernel", kernel.shape, "[i, o], 2 axes", cure))
    x = array("dense", "x", x, "an array [..., i]")
    same_dtype("dense", "x", x, kernel)
    if x.ndim < 1 or x.shape[-1] != kernel.shape[0]:
        flat = "Flatten the features of each example first: x.reshape(n, -1)"
        cure = flat if x.ndim > 2 else "Draw a kernel for that many features"
        raise ValueError(
            explain("dense", "x", x.shape, f"[..., i] with i = {kernel.shape[0]}, the kernel's rows", cure)
        )
    check_bias("dense", bias, kernel.shape[-1:], "[o]")
    precision = checked_precision("dense", precision)
    preferred = result_dtype("dense", preferred_element_type, x.dtype, narrower=True)
    y = jnp.matmul(x, kernel, precision=precision, preferred_element_type=preferred)
    return add_bias(y, bias)


def init_dense(
    key: Array,
    features_in: int,
    features_out: int,
    *,
    bias: bool = True,
    kernel_init: Initializer = jax.nn.initializers.lecun_normal(),
    bias_init: Initializer = jax.nn.initializers.zeros,
    dtype: DTypeLike | None = None,
) -> LayerParams:
    """Parameters for `dense`: a kernel [features_in, features_out] and a bias [features_out].

    Args:
        key: a `jax.random` key.
        features_in: i.
        features_out: o.
        bias: False for a layer without one.
        kernel_init: one of `jax.nn.initializers`. The default keeps the variance of its input: 1 / i.
        bias_init: likewise.
        dtype: of both. By default JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: a size that is not positive; or
            an initializer returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> jax.tree.map(jnp.shape, init_dense(jax.random.key(0), 400, 120))
    {'bias': (120,), 'kernel': (400, 120)}
    """
    cure = "It is the length of {}'s last axis"
    features_in = size("init_dense", "features_in", features_in, cure=cure.format("the input"))
    features_out = size("init_dense", "features_out", features_out, cure=cure.format("the output"))
    return init_layer(
        "init_dense",
        key,
        (features_in, features_out),
        (features_out,),
        bias=bias,
        kernel_init=kernel_init,
        bias_init=bias_init,
        dtype=dtype,
    )
