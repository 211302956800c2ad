"""A kernel that is 1 wide, or one that is laid on x in one place only: one matrix product."""

from __future__ import annotations

from jax import lax
from jaxtyping import Array

from jaxconv.lowering.form import Form
from jaxconv.lowering.taps import padded
from jaxconv.lowering.ways.way import Compute, Rewriting, matrix_product, rewritten


def _one_tap(form: Form) -> bool:
    return all(axis.taps == 1 for axis in form.axes)


def _one_position(form: Form) -> bool:
    return all(axis.out == 1 for axis in form.axes)


def _as_a_product(form: Form, c: int, o: int, _: Compute) -> Rewriting:
    """`y[n,j,o] = sum_c x[n, j*stride - lo, c] kernel[0,c,o]`, or of one position the sum over taps and channels."""
    terms = c * form.taps

    def cells(x: Array) -> Array:
        """[n, *length, c] to [n*positions, taps*c]."""
        x = padded(form.axes, x)
        for number, axis in enumerate(form.axes, start=1):
            count, apart = (axis.out, axis.stride) if _one_tap(form) else (axis.taps, axis.dilation)
            x = lax.slice_in_dim(x, 0, (count - 1) * apart + 1, apart, axis=number)
        return x.reshape(-1, terms)

    return Rewriting(
        x=cells,
        kernel=lambda kernel: kernel.reshape(terms, o),
        y=lambda y: y.reshape(-1, o),
        compute=lambda face, one, other: matrix_product(face, one, other, form.precision),
    )


PRODUCT = rewritten(lambda form, c, o: form.groups == 1 and (_one_tap(form) or _one_position(form)), _as_a_product)
