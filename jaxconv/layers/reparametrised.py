"""Spectral and weight normalisation: functions of a layer's parameters, applied before the layer."""

from __future__ import annotations

from functools import partial
from typing import NotRequired, TypedDict, cast

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.checks import flag, integer, positive_number
from jaxconv.errors import explain, public
from jaxconv.layers.operands import array, random_key
from jaxconv.layers.params import LayerParams, named, same_dtype, unpack
from jaxconv.lowering.arrays import at_least_float32
from jaxconv.lowering.compiled import compiled
from jaxconv.sizes import size

FIRST_STEPS = 15  # of power iteration for a new state, as in PyTorch


class SpectralNormState(TypedDict):
    """Estimates of the first singular vectors of a kernel's matrix, both of length 1.

    u is [o]. v has the kernel's shape without the axis of its output channels: [*window, c/groups] for `conv`.
    """

    u: Array
    v: Array


class WeightNormParams(TypedDict):
    """A kernel, of which only the directions matter; the length of each output channel's part, [o]; optional bias."""

    kernel: Array
    scale: Array
    bias: NotRequired[Array]


@public
def spectral_norm(
    params: LayerParams,
    state: SpectralNormState,
    *,
    training: bool,
    steps: int = 1,
    axis: int = -1,
    epsilon: float = 1e-12,
) -> tuple[LayerParams, SpectralNormState]:
    """Divides a kernel by an estimate of the largest singular value of its matrix:

        y["kernel"] = W / sigma,   sigma = u^T M v,

    where M is the kernel as a matrix with one row for each output channel. In training, each of `steps` steps of power
    iteration first improves the vectors of the state, without a derivative:

        u = M v / max(|M v|, epsilon),   v = M^T u / max(|M^T u|, epsilon).

    Apply it to the parameters before each call: `conv(spectral_norm(params, state, training=False)[0], x)`. The bias is
    unchanged. A kernel of zeros stays zero. M is not the matrix of the convolution: the norm of a convolution may
    exceed that of M by a factor of up to the square root of the number of taps.

    Law: sigma is at most the largest singular value, and after enough steps equal to it, if that value is separate from
    the next; the matrix of the result then has the largest singular value 1. The result does not depend on a positive
    factor of W, so the gradient by W is orthogonal to W. The layer depends on no position: certificates are those of
    the layer that gets the result.

    Args:
        params: `{"kernel": ..., "bias": [o]}` of any layer, real floats; the bias is optional.
        state: `{"u": [o], "v": ...}`, from `init_spectral_norm` or the call before, v with the kernel's shape without
            the axis of its output channels; float32 if the kernel is half precision.
        training: True to improve the state; False to use it as it is.
        steps: number of steps of power iteration in training.
        axis: axis of the output channels: -1 for the kernels of `conv` and `dense`, -2 for those of `conv_transpose`.
        epsilon: lower bound of the lengths by which vectors are divided.

    Returns:
        params: as given, with the kernel divided.
        state: the state, improved in training.

    Raises:
        ValueError: shapes do not match, or a setting is out of range.
        TypeError: the kernel is not of real floats, or the state has another dtype.

    >>> params = {"kernel": jnp.array([[4.0, 0.0], [0.0, 2.0]])}
    >>> state = {"u": jnp.array([1.0, 0.0]), "v": jnp.array([0.8, 0.6])}
    >>> params, state = spectral_norm(params, state, training=True, steps=20)
    >>> params["kernel"].round(4).tolist()
    [[1.0, 0.0], [0.0, 0.5]]

    Source: Miyato et al., Spectral normalization for generative adversarial networks, ICLR 2018, algorithm 1.
    """
    training = flag("training", training)
    steps = size("steps", steps, cure="Write 1 for one step of power iteration; to use the state alone, training=False")
    epsilon = positive_number("epsilon", epsilon, cure="Leave it out for 1e-12")
    kernel, _ = unpack(params)
    matrix, axis = _as_matrix(kernel, axis)
    entries = named("state", state, required=("u", "v"))
    rest = tuple(kernel.shape[number] for number in _others(kernel, axis))
    u = _vector("u", entries["u"], matrix.shape[:1], matrix)
    v = _vector("v", entries["v"], rest, matrix).reshape(matrix.shape[1])
    if training:
        u, v = _iterated(lax.stop_gradient(matrix), u, v, steps, float(epsilon))
    u, v = lax.stop_gradient((u, v))
    divided = _divided_by_sigma(kernel, matrix, u, v)
    return cast(LayerParams, {**params, "kernel": divided}), {"u": u, "v": v.reshape(rest)}


@public
def init_spectral_norm(key: Array, params: LayerParams, *, axis: int = -1) -> SpectralNormState:
    """Returns a state for `spectral_norm`: random vectors after 15 steps of power iteration, as in PyTorch.

    Args:
        key: a `jax.random` key.
        params: the parameters that will be normalised.
        axis: as for `spectral_norm`.

    Returns:
        `{"u": [o], "v": ...}`, v with the kernel's shape without this axis; float32 if the kernel is half precision.

    Raises:
        ValueError: the kernel does not have this axis.
        TypeError: the kernel is not of real floats.

    >>> params = {"kernel": jnp.ones((3, 2, 4, 6))}
    >>> jax.tree.map(jnp.shape, init_spectral_norm(jax.random.key(0), params))
    {'u': (6,), 'v': (3, 2, 4)}
    """
    kernel, _ = unpack(params)
    matrix, axis = _as_matrix(kernel, axis)
    key_u, key_v = jax.random.split(random_key(key))
    u = jax.random.normal(key_u, matrix.shape[:1], matrix.dtype)
    v = jax.random.normal(key_v, matrix.shape[1:], matrix.dtype)
    u, v = _iterated(matrix, u, v, FIRST_STEPS, 1e-12)
    return {"u": u, "v": v.reshape([kernel.shape[number] for number in _others(kernel, axis)])}


@public
def weight_norm(params: WeightNormParams, *, axis: int = -1) -> LayerParams:
    """Separates the length of each output channel's weights from their direction:

        y["kernel"][..., o] = scale[o] * kernel[..., o] / |kernel[..., o]|,

    where |.| is the Euclidean norm over all other axes. Apply it to the parameters before each call:
    `conv(weight_norm(params), x)`. The bias is unchanged. Where an output channel's weights are all 0, they stay 0, and
    so do their derivatives. Half-precision kernels are normalised in float32.

    Law: the result does not depend on a positive factor of each output channel's kernel, so that kernel's gradient is
    orthogonal to it; and it is linear in the scale. The layer depends on no position: certificates are those of the
    layer that gets the result.

    Args:
        params: `{"kernel": ..., "scale": [o], "bias": [o]}`, real floats; the bias is optional.
        axis: as for `spectral_norm`.

    Returns:
        `{"kernel": ..., "bias": [o]}`, the parameters of the layer, with the dtype of the kernel.

    Raises:
        ValueError: shapes do not match, or the kernel does not have this axis.
        TypeError: dtypes differ, or are not real floats.

    >>> weight_norm({"kernel": jnp.array([[3.0], [4.0]]), "scale": jnp.array([10.0])})["kernel"].ravel()
    Array([6., 8.], dtype=float32)

    Source: Salimans and Kingma, Weight normalization: A simple reparameterization to accelerate training of deep neural
    networks, NeurIPS 2016.
    """
    entries = named("params", params, required=("kernel", "scale"), optional=("bias",))
    kernel, scale = (array(name, entries[name], booleans=False) for name in ("kernel", "scale"))
    matrix, axis = _as_matrix(kernel, axis)
    same_dtype("scale", scale, kernel)
    if scale.shape != matrix.shape[:1]:
        cure = "Create it with init_weight_norm"
        raise ValueError(
            explain("scale", scale.shape, f"{matrix.shape[:1]}, the length of the kernel's axis {axis}", cure)
        )
    rest = {name: entries[name] for name in ("bias",) if name in entries}
    return cast(LayerParams, {"kernel": _rescaled(kernel, scale, axis), **rest})


@public
def init_weight_norm(params: LayerParams, *, axis: int = -1) -> WeightNormParams:
    """Returns parameters for `weight_norm` whose result is `params`, up to rounding: adds the scale |kernel[..., o]|.

    Args:
        params: the parameters of a layer.
        axis: as for `spectral_norm`.

    Returns:
        `{"kernel": ..., "scale": [o], "bias": [o]}`, kernel and bias as given.

    Raises:
        ValueError: the kernel does not have this axis.
        TypeError: the kernel is not of real floats.

    >>> init_weight_norm({"kernel": jnp.array([[3.0], [4.0]])})["scale"]
    Array([5.], dtype=float32)
    """
    kernel, _ = unpack(params)
    _, axis = _as_matrix(kernel, axis)
    scale = jnp.squeeze(_lengths(kernel, axis), _others(kernel, axis)).astype(kernel.dtype)
    return cast(WeightNormParams, {**params, "scale": scale})


def _as_matrix(kernel: Array, axis: int) -> tuple[Array, int]:
    """The kernel as [o, k] in at least 32 bits, its other axes in row-major order; and the axis, from 0."""
    if not jnp.issubdtype(kernel.dtype, jnp.floating):
        raise TypeError(explain("kernel", kernel.dtype, "real floats", "Cast it: kernel.astype(jnp.float32)"))
    if kernel.ndim < 2:
        cure = "A vector has one singular value, its length: divide it by that"
        raise ValueError(explain("kernel", kernel.shape, "an array of 2 axes or more", cure))
    cure = "Write -1 for the kernels of conv and dense, -2 for those of conv_transpose"
    axis = integer("axis", axis, least=-kernel.ndim, most=kernel.ndim - 1, cure=cure) % kernel.ndim
    matrix = jnp.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
    return matrix.astype(at_least_float32(kernel.dtype)), axis


def _vector(name: str, value: object, shape: tuple[int, ...], matrix: Array) -> Array:
    """Checks one vector of the state."""
    argument, cure = f'state["{name}"]', "Create it with init_spectral_norm for this kernel"
    vector = array(argument, value)
    if vector.shape != shape:
        part = "the kernel's output channels" if name == "u" else "the kernel's other axes"
        raise ValueError(explain(argument, vector.shape, f"{shape}, {part}", cure))
    if vector.dtype != matrix.dtype:
        raise TypeError(
            explain(argument, vector.dtype, f"{matrix.dtype}, the dtype of the state for this kernel", cure)
        )
    return vector


@partial(compiled, static_argnames=("steps", "epsilon"))
def _iterated(matrix: Array, u: Array, v: Array, steps: int, epsilon: float) -> tuple[Array, Array]:
    """u [o] and v [k] after `steps` steps of power iteration."""
    product = partial(jnp.matmul, precision=lax.Precision.HIGHEST)

    def unit(vector: Array, before: Array) -> Array:
        """A vector of length 1. Zeros, which no later step would change, leave the vector as it was before."""
        length = jnp.sqrt(jnp.sum(jnp.square(vector)))
        return jnp.where(length == 0, before, vector / jnp.maximum(length, epsilon))

    def step(_: int, vectors: tuple[Array, Array]) -> tuple[Array, Array]:
        u, v = vectors
        u = unit(product(matrix, v), u)
        return u, unit(product(u, matrix), v)

    return lax.fori_loop(0, steps, step, (u, v))


@compiled
def _divided_by_sigma(kernel: Array, matrix: Array, u: Array, v: Array) -> Array:
    """The kernel divided by u^T M v; unchanged if that is 0."""
    product = partial(jnp.matmul, precision=lax.Precision.HIGHEST)
    sigma = product(u, product(matrix, v))
    return (kernel.astype(matrix.dtype) / jnp.where(sigma == 0, 1, sigma)).astype(kernel.dtype)


def _others(kernel: Array, axis: int) -> tuple[int, ...]:
    return tuple(number for number in range(kernel.ndim) if number != axis)


@partial(compiled, static_argnames="axis")
def _lengths(kernel: Array, axis: int) -> Array:
    """The Euclidean norm over all axes but one, which are kept with length 1. The derivative at 0 is 0."""
    wide = kernel.astype(at_least_float32(kernel.dtype))
    square = jnp.sum(jnp.square(wide), axis=_others(kernel, axis), keepdims=True)
    return jnp.where(square == 0, 0, jnp.sqrt(jnp.where(square == 0, 1, square)))


@partial(compiled, static_argnames="axis")
def _rescaled(kernel: Array, scale: Array, axis: int) -> Array:
    """Each part of the kernel with the length that `scale` states."""
    lengths = _lengths(kernel, axis)
    scale = jnp.expand_dims(scale.astype(lengths.dtype), _others(kernel, axis))
    factor = jnp.where(lengths == 0, 0, scale / jnp.where(lengths == 0, 1, lengths))
    return (kernel.astype(lengths.dtype) * factor).astype(kernel.dtype)
