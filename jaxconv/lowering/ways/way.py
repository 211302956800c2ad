"""What a way to compute a convolution is; and ways that rewrite it as another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.lowering.form import FACES, Face, Form, by_lax

# How to compute a convolution: (face, form, one, other) -> result; `by_lax` is one, and so is the table.
Compute: TypeAlias = Callable[[Face, Form, Array, Array], Array]


@dataclass(frozen=True)
class Way:
    """`fits(form, c, o)`: whether it holds, of c channels of x and o of y. `run`: any face, of operands of one dtype.

    Where a way comes down to smaller convolutions, `run` computes those by its last argument.
    """

    fits: Callable[[Form, int, int], bool]
    run: Callable[[Face, Form, Array, Array, Compute], Array]

    def __call__(self, face: Face, form: Form, one: Array, other: Array, smaller: Compute = by_lax) -> Array:
        """One face, in the dtype in which its sums are made: 32 bits or more for floats."""
        wide = at_least_single(form.preferred or one.dtype)
        return self.run(face, form, one.astype(wide), other.astype(wide), smaller)


@dataclass(frozen=True)
class Rewriting:
    """T(x, kernel, y) = T'(X x, K kernel, Y y): another trilinear form and three linear maps.

    So each face of T is a face of T', between two of the maps and the transpose of the third.
    """

    x: Callable[[Array], Array]
    kernel: Callable[[Array], Array]
    y: Callable[[Array], Array]
    compute: Callable[[Face, Array, Array], Array]

    def __call__(self, face: Face, form: Form, one: Array, other: Array) -> Array:
        """One face of T."""
        first, second, result = FACES[face]
        found = self.compute(face, getattr(self, first)(one), getattr(self, second)(other))
        there = jax.typeof(found).update(shape=form.shape_of(result, one.shape, other.shape))
        (back,) = jax.linear_transpose(getattr(self, result), there)(found)
        return back


def rewritten(
    fits: Callable[[Form, int, int], bool],
    rewriting: Callable[[Form, int, int, Compute], Rewriting],
    *,
    adds_zeros: bool = False,
    otherwise: Compute = by_lax,
) -> Way:
    """The way that computes by a rewriting of (form, c, o, smaller).

    If its kernel has zeros that the given one has not (`adds_zeros`), they must not meet infinities or NaNs, of which
    they would make NaNs where there are none: a convolution of such numbers is left to `otherwise`, while it runs.
    """

    def run(face: Face, form: Form, one: Array, other: Array, smaller: Compute) -> Array:
        c, o = form.channels(face, one.shape, other.shape)
        compute = lambda: rewriting(form, c, o, smaller)(face, form, one, other)
        if not adds_zeros or face == "conv_dkernel" or not jnp.issubdtype(one.dtype, jnp.inexact):
            return compute()  # the delta of a kernel's zero is not asked for
        return lax.cond(_finite(one) & _finite(other), compute, lambda: otherwise(face, form, one, other))

    return Way(fits, run)


def _finite(a: Array) -> Array:
    """Whether an array's sum is finite: then so is every number. (Where finite ones overflow, the answer may be no.)

    XLA has code for a sum, while `isfinite(a).all()` is three loops to compile; behind the barrier it is a sum of one
    array, not of the slices that the array was put together from.
    """
    return jnp.isfinite(lax.optimization_barrier(a).sum())


def zeros_like(a: Array, shape: Sequence[int]) -> Array:
    """Zeros of a shape, of an array's dtype; inside of shard_map they vary as it does, which loops ask of a start."""
    nothing = jnp.zeros(shape, a.dtype)
    over_mesh = tuple(sorted(jax.typeof(a).manual_axis_type.varying))
    return lax.pcast(nothing, over_mesh, to="varying") if over_mesh else nothing


def matrix_product(face: Face, one: Array, other: Array, precision: lax.PrecisionLike) -> Array:
    """The faces of T'(x, kernel, y) = sum x[r,k] kernel[k,o] y[r,o]."""
    axis, other_axis = {"conv": (1, 0), "conv_dx": (1, 1), "conv_dkernel": (0, 0)}[face]
    numbers = (((axis,), (other_axis,)), ((), ()))
    return lax.dot_general(one, other, numbers, precision=precision, preferred_element_type=one.dtype)


def at_least_single(dtype: DTypeLike) -> DTypeLike:
    """The dtype to compute in: of shorter floats float32, so that they keep their digits; else the dtype itself."""
    return jnp.float32 if jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32 else dtype


def summed(terms: Sequence[Array]) -> Array:
    """The sum of one array or more."""
    return sum(terms[1:], start=terms[0])
