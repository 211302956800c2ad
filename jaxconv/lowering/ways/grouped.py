"""Groups of channels: dense convolutions side by side, of neighbouring groups together where they are thin."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array

from jaxconv.lowering.form import Face, Form
from jaxconv.lowering.ways.way import Compute, Rewriting, rewritten

WIDE = 16  # channels of x in a dense convolution, at which it pays
MOST = 16  # dense convolutions: every one has to be compiled


def together(form: Form, c: int) -> int:
    """How many neighbouring groups are computed as one: the fewest that are wide enough, and not too many."""
    enough = lambda m: m * c // form.groups >= WIDE and form.groups // m <= MOST
    return next((m for m in range(1, form.groups) if form.groups % m == 0 and enough(m)), form.groups)


def _as_dense_ones(form: Form, c: int, o: int, smaller: Compute) -> Rewriting:
    """A dense kernel for every m groups, with zeros from each group's channels to the others'."""
    m = together(form, c)
    parts, alone = form.groups // m, replace(form, groups=1)

    def blocks(kernel: Array) -> Array:
        """[*window, c/groups, o] to [*window, m*c/groups, o]: blocks along a diagonal, for each m groups."""
        *window, channels, _ = kernel.shape
        diagonal = jnp.eye(m, dtype=kernel.dtype).astype(bool)[:, None, None, :, None]
        kernel = kernel.reshape(*window, 1, channels, parts, m, o // form.groups)
        wide = jnp.where(diagonal, kernel, jnp.zeros((), kernel.dtype))
        return wide.reshape(*window, m * channels, o)

    def compute(face: Face, one: Array, other: Array) -> Array:
        ones, others = (jnp.split(a, parts, axis=-1) for a in (one, other))
        found = [smaller(face, alone, a, b) for a, b in zip(ones, others, strict=True)]
        return jnp.concatenate(found, axis=-1)

    same = lambda a: a
    return Rewriting(x=same, kernel=blocks if m > 1 else same, y=same, compute=compute)


SPLIT = rewritten(lambda form, c, o: form.groups > 1, _as_dense_ones, adds_zeros=True)
