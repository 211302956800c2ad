"""A kernel that is 1 wide: one matrix product, of the cells where the window stands."""

from __future__ import annotations

from jaxconv.lowering.form import Form
from jaxconv.lowering.ways.way import Compute, Rewriting, matrix_product, padded, rewritten, under


def _as_a_product(form: Form, c: int, o: int, _: Compute) -> Rewriting:
    """`y[n,j,o] = sum_c x[n, j*stride - lo, c] kernel[0,c,o]`."""
    first_tap = (0,) * len(form.axes)
    return Rewriting(
        x=lambda x: under(form.axes, padded(form.axes, x), first_tap).reshape(-1, c),
        kernel=lambda kernel: kernel.reshape(c, o),
        y=lambda y: y.reshape(-1, o),
        compute=lambda face, one, other: matrix_product(face, one, other, form.precision),
    )


PRODUCT = rewritten(
    lambda form, c, o: form.groups == 1 and all(axis.taps == 1 for axis in form.axes),
    _as_a_product,
)
