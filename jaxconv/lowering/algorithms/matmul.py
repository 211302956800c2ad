"""One matrix product: for a kernel of one tap, or for a window with one position."""

from __future__ import annotations

from jax import lax
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Conv, Rewrite, by_rewrite, matrix_product
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.window_slices import padded


def _one_tap(spec: ConvSpec) -> bool:
    return all(axis.taps == 1 for axis in spec.axes)


def _one_position(spec: ConvSpec) -> bool:
    return all(axis.out == 1 for axis in spec.axes)


def _rewrite(spec: ConvSpec, c: int, o: int, inner_conv: Conv) -> Rewrite:
    """`y[n,j,o] = sum_c x[n, j*stride - lo, c] kernel[0,c,o]`; at one position the sum runs over taps and channels."""
    terms = c * spec.taps

    def matrix(x: Array) -> Array:
        """[n, *length, c] to [n*positions, taps*c]."""
        x = padded(spec.axes, x)
        for number, axis in enumerate(spec.axes, start=1):
            count, step = (axis.out, axis.stride) if _one_tap(spec) else (axis.taps, axis.dilation)
            x = lax.slice_in_dim(x, 0, (count - 1) * step + 1, step, axis=number)
        return x.reshape(-1, terms)

    return Rewrite(
        x=matrix,
        kernel=lambda kernel: kernel.reshape(terms, o),
        y=lambda y: y.reshape(-1, o),
        compute=lambda operation, lhs, rhs: matrix_product(operation, lhs, rhs, spec.precision),
    )


MATMUL = by_rewrite(lambda spec, c, o: spec.groups == 1 and (_one_tap(spec) or _one_position(spec)), _rewrite)
