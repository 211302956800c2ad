"""`Algorithm`: one way to compute window operations; and algorithms that rewrite a convolution as another operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.arrays import at_least_float32
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec, lax_conv

# (operation, spec, lhs, rhs) -> result: computes a convolution operation. `lax_conv` is one, the table another.
Conv: TypeAlias = Callable[[str, ConvSpec, Array, Array], Array]
# (operation, spec, *operands, inner_conv=...) -> result, for operands of one dtype. `inner_conv` computes the smaller
# convolutions inside, if there are any.
Run: TypeAlias = Callable[..., Array]


@dataclass(frozen=True)
class Algorithm:
    """How to compute the operations named, for every spec that it fits.

    Attributes:
        operations: the operations that it computes, of convolution or of pooling.
        fits: `fits(spec, c, o)`: whether it computes operations with c input and o output channels.
        run: computes one operation.
    """

    operations: tuple[str, ...]
    fits: Callable[[ConvSpec, int, int], bool]
    run: Run

    def __call__(self, operation: str, spec: ConvSpec, *operands: Array, inner_conv: Conv = lax_conv) -> Array:
        """One operation. Half-precision floats are computed and summed in float32."""
        wide = [operand.astype(at_least_float32(spec.preferred or operand.dtype)) for operand in operands]
        return self.run(operation, spec, *wide, inner_conv=inner_conv)


@dataclass(frozen=True)
class Rewrite:
    """`T(x, kernel, y) = T'(X x, K kernel, Y y)`: another trilinear form T' and three linear maps X, K, Y.

    Each operation of T is the same operation of T', with two of the maps before it and the transpose of the third
    after it.
    """

    x: Callable[[Array], Array]
    kernel: Callable[[Array], Array]
    y: Callable[[Array], Array]
    compute: Callable[[str, Array, Array], Array]

    def __call__(self, operation: str, spec: ConvSpec, lhs: Array, rhs: Array) -> Array:
        """One operation of T."""
        first, second, result = CONV_OPERANDS[operation]
        found = self.compute(operation, getattr(self, first)(lhs), getattr(self, second)(rhs))
        aval = jax.typeof(found).update(shape=spec.shape_of(result, lhs.shape, rhs.shape))
        (transposed,) = jax.linear_transpose(getattr(self, result), aval)(found)
        return transposed


def by_rewrite(
    fits: Callable[[ConvSpec, int, int], bool],
    rewrite: Callable[[ConvSpec, int, int, Conv], Rewrite],
    *,
    adds_zeros: bool = False,
    fallback: Conv = lax_conv,
) -> Algorithm:
    """The algorithm that computes by `rewrite(spec, c, o, inner_conv)`.

    Args:
        fits: as of `Algorithm`.
        rewrite: gives the other form and the three maps.
        adds_zeros: whether the rewritten kernel has zeros that the kernel does not have. An infinity or a NaN times
            such a zero would be a NaN that the convolution does not have, so non-finite operands take `fallback`, by a
            branch at run time.
        fallback: computes the operation on non-finite operands.
    """

    def run(operation: str, spec: ConvSpec, lhs: Array, rhs: Array, *, inner_conv: Conv) -> Array:
        c, o = spec.channels(operation, lhs.shape, rhs.shape)
        compute = lambda: rewrite(spec, c, o, inner_conv)(operation, spec, lhs, rhs)
        # The kernel gradient at the added zeros is dropped, so they do no harm there.
        if not adds_zeros or operation == "conv_kernel_grad" or not jnp.issubdtype(lhs.dtype, jnp.inexact):
            return compute()
        return lax.cond(finite(lhs) & finite(rhs), compute, lambda: fallback(operation, spec, lhs, rhs))

    return Algorithm(tuple(CONV_OPERANDS), fits, run)


def finite(a: Array) -> Array:
    """Whether the sum of an array is finite, which implies that every element is. (A sum may overflow: then False.)

    A sum is one loop to compile and `isfinite(a).all()` three. The barrier keeps XLA from summing the slices that `a`
    was concatenated from.
    """
    return jnp.isfinite(lax.optimization_barrier(a).sum())


def matrix_product(operation: str, lhs: Array, rhs: Array, precision: lax.PrecisionLike) -> Array:
    """The operations of the trilinear form `T'(x, kernel, y) = sum_{r,k,o} x[r,k] kernel[k,o] y[r,o]`."""
    lhs_axis, rhs_axis = {"conv": (1, 0), "conv_input_grad": (1, 1), "conv_kernel_grad": (0, 0)}[operation]
    numbers = (((lhs_axis,), (rhs_axis,)), ((), ()))
    return lax.dot_general(lhs, rhs, numbers, precision=precision, preferred_element_type=lhs.dtype)
