"""Three spatial axes or more: two of them slide, the taps of the first become channels."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array

from jaxconv.lowering.form import Form
from jaxconv.lowering.taps import padded, under
from jaxconv.lowering.ways.way import Compute, Rewriting, rewritten


def _as_a_stack_of_slices(form: Form, c: int, o: int, smaller: Compute) -> Rewriting:
    """`y[n,i,j,o] = sum_{u,(a,c)} X[(n,i), j*stride + u*dilation - lo, (a,c)] kernel[a,u,c,o]`, X the i-th window's."""
    first, rest = form.axes[0], form.axes[1:]

    def slices(x: Array) -> Array:
        """[n, length, *rest, c] to [n*out, *rest, taps*c]."""
        x = padded([first], x)
        x = jnp.stack([under([first], x, (a,)) for a in range(first.taps)], axis=-2)
        return x.reshape(-1, *x.shape[2:-2], first.taps * c)

    def channels(kernel: Array) -> Array:
        """[taps, *window, c, o] to [*window, taps*c, o]."""
        kernel = jnp.moveaxis(kernel, 0, -3)
        return kernel.reshape(*kernel.shape[:-3], first.taps * c, o)

    return Rewriting(
        x=slices,
        kernel=channels,
        y=lambda y: y.reshape(-1, *y.shape[2:]),
        compute=lambda face, one, other: smaller(face, replace(form, axes=rest), one, other),
    )


SLICES = rewritten(lambda form, c, o: form.groups == 1 and len(form.axes) >= 2, _as_a_stack_of_slices)
