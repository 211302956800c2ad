"""Sum, max and min pooling of each channel as primitives, and the primitives that their derivatives need.

    sum_pool(x)[n,j,c]              = sum_u x[n, j*stride + u*dilation - lo, c]      with zeros beyond the border
    sum_pool_grad(y)[n,i,c]         = sum of y[n,j,c] over j*stride + u*dilation - lo == i
    max_pool(x)[n,j,c]              = max_u x[n, j*stride + u*dilation - lo, c]      over cells within the border
    min_pool(x)[n,j,c]              = min_u x[n, j*stride + u*dilation - lo, c]      over cells within the border
    max_pool_gather(x, t)[n,j,c]    = t[n,i,c] at the argmax i of window j of x, the first of equal cells
    max_pool_scatter(x, y)[n,i,c]   = sum of y[n,j,c] over the windows j of x whose argmax is i

`sum_pool` and `sum_pool_grad` are each other's transpose, and so are `max_pool_gather` and `max_pool_scatter`.
`max_pool_gather` is the derivative of `max_pool`, and at -x that of `min_pool`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad, batching
from jaxtyping import Array

from jaxconv.lowering.algorithms import ALGORITHMS
from jaxconv.lowering.conv_spec import ConvSpec, input_grad_padding
from jaxconv.lowering.primitive import define, is_explicit, varying_alike
from jaxconv.lowering.subsample import subsampled
from jaxconv.lowering.table import algorithm_for, computes, forced_pool_algorithm
from jaxconv.lowering.window_argmax import gather_argmax
from jaxconv.lowering.window_extrema import greatest, least
from jaxconv.window import Axis

Axes = Sequence[Axis]


def sum_pool(x: Array, axes: tuple[Axis, ...]) -> Array:
    """The sum of every window of x [n, *spatial, c], padded with zeros: [n, *out, c]."""
    return _pool("sum_pool", x, axes)


def max_pool(x: Array, axes: tuple[Axis, ...]) -> Array:
    """The maximum of every window of x [n, *spatial, c], over the cells within its border: [n, *out, c]."""
    return _pool("max_pool", x, axes)


def min_pool(x: Array, axes: tuple[Axis, ...]) -> Array:
    """The minimum of every window of x [n, *spatial, c], over the cells within its border: [n, *out, c]."""
    return _pool("min_pool", x, axes)


def gather_at_argmax(x: Array, t: Array, axes: tuple[Axis, ...]) -> Array:
    """t at the argmax of every window of x, both [n, *spatial, c]: [n, *out, c], with the dtype of t."""
    return bind("max_pool_gather", x, t, axes=axes, algorithm=forced_pool_algorithm())


def _pool(operation: str, x: Array, axes: tuple[Axis, ...]) -> Array:
    algorithm = forced_pool_algorithm()
    # Under "lax" the jaxpr has lax's own equation, but for dilated maxima and minima, which lax cannot differentiate.
    if algorithm == "lax" and (operation == "sum_pool" or all(axis.dilation == 1 for axis in axes)):
        return LAX[operation](axes, x)
    return bind(operation, x, axes=axes, algorithm=algorithm)


def bind(operation: str, *operands: Any, axes: tuple[Axis, ...], algorithm: str | None = None) -> Array:
    """One equation, with the parameters of lax's own window reduction under the same names."""
    if len(operands) == 2:
        operands = tuple(varying_alike(*operands))
    return PRIMITIVES[operation].bind(*operands, axes=axes, algorithm=algorithm, **lax_params(operation, axes))


def lax_params(operation: str, axes: Axes) -> dict[str, Any]:
    """The parameters of the lax window reduction; the transpose of a sum is a sum over windows of the dilated y."""
    with_ends = lambda values, end: (end, *values, end)
    of_axes = lambda attribute: with_ends((getattr(axis, attribute) for axis in axes), 1)
    transposed = operation == "sum_pool_grad"
    padding = map(input_grad_padding, axes) if transposed else ((axis.pad.lo, axis.pad.hi) for axis in axes)
    ones = (1,) * (len(axes) + 2)
    return {
        "window_dimensions": of_axes("taps"),
        "window_strides": ones if transposed else of_axes("stride"),
        "padding": with_ends(padding, (0, 0)),
        "base_dilation": of_axes("stride") if transposed else ones,
        "window_dilation": of_axes("dilation"),
    }


def _reduction(name: str, operator: Callable[..., Array], identity: Callable[[Array], Any]) -> Callable[..., Array]:
    """lax's reduction. Its identity is a NumPy constant, by which JAX recognises a sum or a maximum."""
    start = lambda x: np.array(identity(x), x.dtype)
    return lambda axes, x: lax.reduce_window(x, start(x), operator, **lax_params(name, axes))


def _is_nan(a: Array) -> Array:
    return ~lax.eq(a, a)


def _scatter_by_lax(axes: tuple[Axis, ...], x: Array, y: Array) -> Array:
    """lax's select-and-scatter, which compares by >=, so that NaNs lose: they become the largest numbers before.

    Infinities then count as equal to the largest finite number, which matters to windows that hold both.
    """
    if any(axis.dilation > 1 for axis in axes):  # lax has no dilated select-and-scatter
        return ALGORITHMS["argmax_per_axis"]("max_pool_scatter", _spec(axes, x), x, y).astype(y.dtype)
    x = jnp.where(lax.eq(x, x), lax.min(x, jnp.finfo(x.dtype).max), np.array(np.inf, x.dtype))
    return jax.vjp(partial(LAX["max_pool"], axes), x)[1](y)[0]


LAX: dict[str, Callable[..., Array]] = {
    "sum_pool": _reduction("sum_pool", lax.add, lambda x: 0),
    "sum_pool_grad": _reduction("sum_pool_grad", lax.add, lambda x: 0),
    "max_pool": _reduction("max_pool", lax.max, lambda x: least(x.dtype)),
    "min_pool": _reduction("min_pool", lax.min, lambda x: greatest(x.dtype)),
    "max_pool_gather": gather_argmax,  # among equal cells lax's own picks another one than its gradient does
    "max_pool_scatter": _scatter_by_lax,
}
# XLA's maxima on the CPU drop NaNs from some size on. It does not recognise these, so they are slower and keep NaNs.
LAX_WITH_NANS = LAX | {
    "max_pool": _reduction(
        "max_pool", lambda a, b: jnp.where((a >= b) | ~lax.eq(a, a), a, b), lambda x: least(x.dtype)
    ),
    "min_pool": _reduction(
        "min_pool", lambda a, b: jnp.where((a <= b) | ~lax.eq(a, a), a, b), lambda x: greatest(x.dtype)
    ),
}
# Number of leading operands of shape [n, *spatial, c], and the operations whose result has that shape.
_INPUTS = {"sum_pool": 1, "sum_pool_grad": 0, "max_pool": 1, "min_pool": 1, "max_pool_gather": 2, "max_pool_scatter": 1}
_RESULT_IS_INPUT = {"sum_pool_grad", "max_pool_scatter"}


def _computed(
    operation: str, *operands: Array, axes: tuple[Axis, ...], algorithm: str | None, platform: str | None, **_: Any
) -> Array:
    """The result on a platform: by the table on the CPU and by lax elsewhere, unless an algorithm is forced."""
    if algorithm is not None and not computes(algorithm, operation):
        algorithm = None
    on_cpu = algorithm is not None or platform == "cpu"
    if algorithm == "lax" or not on_cpu or any(operand.size == 0 for operand in operands):
        return LAX[operation](axes, *operands)
    if any(map(is_explicit, operands)):
        return (LAX_WITH_NANS if platform == "cpu" else LAX)[operation](axes, *operands)
    compute = partial(_by_algorithm, operation, algorithm)
    inputs, result_is_input = _INPUTS[operation], operation in _RESULT_IS_INPUT
    return subsampled(compute, operands, axes, inputs=inputs, result_is_input=result_is_input)


def _by_algorithm(operation: str, algorithm: str | None, axes: tuple[Axis, ...], *operands: Array) -> Array:
    """On the CPU: by the forced algorithm, or else by the table's."""
    spec = _spec(axes, operands[0])
    if algorithm is None:
        algorithm = algorithm_for(operation, spec, operands[0].shape[0], spec.groups, spec.groups)
    if algorithm == "lax":
        return LAX[operation](axes, *operands)
    return ALGORITHMS[algorithm](operation, spec, *operands).astype(operands[-1].dtype)


def _spec(axes: tuple[Axis, ...], x: Array) -> ConvSpec:
    """Pooling treats each channel as a group of its own, as a depthwise convolution does."""
    return ConvSpec(axes, groups=x.shape[-1])


# The names start with "jaxconv_" because the certifier's rules go by name.
PRIMITIVES = {operation: define(f"jaxconv_{operation}", partial(_computed, operation)) for operation in LAX}


def _rebind(operation: str, *operands: Any, axes: tuple[Axis, ...], algorithm: str | None, **_: Any) -> Array:
    """Another operation over the same windows, under the same forced algorithm."""
    return bind(operation, *operands, axes=axes, algorithm=algorithm)


def _transpose(operation: str, cotangent: Any, x: Array, linear: Any, **params: Any) -> tuple[None, Array | None]:
    """The transpose of an operation that is linear in its second operand only."""
    return None, None if isinstance(cotangent, ad.Zero) else _rebind(operation, x, cotangent, **params)


def _batched(operation: str, operands: Any, batched: Any, **params: Any) -> tuple[Array, int]:
    """Merges the axis of vmap into the batch of every operand."""
    count = next(a.shape[axis] for a, axis in zip(operands, batched, strict=True) if axis is not None)
    in_front = [
        jnp.broadcast_to(a, (count, *a.shape)) if axis is None else jnp.moveaxis(a, axis, 0)
        for a, axis in zip(operands, batched, strict=True)
    ]
    result = _rebind(operation, *(a.reshape(count * a.shape[1], *a.shape[2:]) for a in in_front), **params)
    return result.reshape(count, in_front[0].shape[1], *result.shape[1:]), 0


def _define_linear(operation: str, transpose: str) -> None:
    ad.deflinear2(PRIMITIVES[operation], lambda y, x, **params: [_rebind(transpose, y, **params)])


def _define_linear_in_the_second(operation: str, transpose: str) -> None:
    ad.defjvp(PRIMITIVES[operation], None, lambda tangent, x, _, **params: _rebind(operation, x, tangent, **params))
    ad.primitive_transposes[PRIMITIVES[operation]] = partial(_transpose, transpose)


ad.defjvp(PRIMITIVES["max_pool"], lambda tangent, x, **params: _rebind("max_pool_gather", x, tangent, **params))
ad.defjvp(PRIMITIVES["min_pool"], lambda tangent, x, **params: _rebind("max_pool_gather", -x, tangent, **params))
_define_linear("sum_pool", "sum_pool_grad")
_define_linear("sum_pool_grad", "sum_pool")
_define_linear_in_the_second("max_pool_gather", "max_pool_scatter")
_define_linear_in_the_second("max_pool_scatter", "max_pool_gather")
for _operation, _primitive in PRIMITIVES.items():
    batching.primitive_batchers[_primitive] = partial(_batched, _operation)
