"""The dense layer: every output depends on every input, with a separate weight for each pair."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain, public
from jaxconv.layers.operands import array, checked_precision, result_dtype
from jaxconv.layers.params import Initializer, LayerParams, add_bias, check_bias, init_layer, same_dtype, unpack
from jaxconv.sizes import size


@public
def dense(
    params: LayerParams,
    x: Shaped[ArrayLike, "*batch i"],
    *,
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Shaped[Array, "*batch o"]:
    """Multiplies by a matrix:  y[..., o] = b[o] + sum_i x[..., i] w[i, o].

    Law: linear in x without the bias. Permuting the inputs and the kernel's rows alike does not change y. Shifting the
    inputs alone corresponds to no shift of the output.

    Args:
        params: `{"kernel": [i, o], "bias": [o]}`; the bias is optional.
        x: [..., i], with the dtype of the kernel. Every axis before the last is a batch axis.
        precision: as for `jax.numpy.matmul`.
        preferred_element_type: dtype of the accumulation and the result, as for `jax.numpy.matmul`.

    Returns:
        [..., o], with the dtype of the kernel, or `preferred_element_type` if given.

    Raises:
        ValueError: shapes do not match.
        TypeError: x and the parameters have different dtypes.

    >>> dense({"kernel": jnp.array([[1.0], [10.0]]), "bias": jnp.array([0.5])}, jnp.array([2.0, 3.0]))
    Array([32.5], dtype=float32)
    """
    kernel, bias = unpack(params)
    if kernel.ndim != 2:
        cure = "For a kernel with spatial axes use conv" if kernel.ndim > 2 else "Draw it by init_dense"
        raise ValueError(explain("kernel", kernel.shape, "[i, o], 2 axes", cure))
    x = array("x", x, "an array [..., i]")
    same_dtype("x", x, kernel)
    if x.ndim < 1 or x.shape[-1] != kernel.shape[0]:
        flat = "Flatten the features of each example first: x.reshape(n, -1)"
        cure = flat if x.ndim > 2 else "Draw a kernel for that many features"
        raise ValueError(explain("x", x.shape, f"[..., i] with i = {kernel.shape[0]}, the kernel's rows", cure))
    check_bias(bias, kernel.shape[-1:], "[o]")
    precision = checked_precision(precision)
    preferred = result_dtype(preferred_element_type, x.dtype, narrower=True)
    y = jnp.matmul(x, kernel, precision=precision, preferred_element_type=preferred)
    return add_bias(y, bias)


@public
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
    """Returns parameters for `dense`: a kernel [features_in, features_out] and a bias [features_out].

    Args:
        key: a `jax.random` key.
        features_in: i.
        features_out: o.
        bias: False for a layer without bias.
        kernel_init: one of `jax.nn.initializers`. The default, of variance 1 / i, preserves the variance of the input.
        bias_init: one of `jax.nn.initializers`.
        dtype: dtype of both. The default is JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: a size is not positive, or an initializer returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> jax.tree.map(jnp.shape, init_dense(jax.random.key(0), 400, 120))
    {'bias': (120,), 'kernel': (400, 120)}
    """
    cure = "It is the length of {}'s last axis"
    features_in = size("features_in", features_in, cure=cure.format("the input"))
    features_out = size("features_out", features_out, cure=cure.format("the output"))
    return init_layer(
        key,
        (features_in, features_out),
        (features_out,),
        bias=bias,
        kernel_init=kernel_init,
        bias_init=bias_init,
        dtype=dtype,
    )
