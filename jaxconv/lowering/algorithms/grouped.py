"""A grouped convolution as dense convolutions side by side; neighbouring groups with few channels share one."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Conv, Rewrite, by_rewrite
from jaxconv.lowering.conv_spec import ConvSpec

WIDE = 16  # input channels of a dense convolution from which it is fast
MOST = 16  # dense convolutions; each has to be compiled


def groups_per_conv(spec: ConvSpec, c: int) -> int:
    """Number of neighbouring groups in one dense convolution: the fewest that give `WIDE` channels and `MOST` parts."""
    enough = lambda m: m * c // spec.groups >= WIDE and spec.groups // m <= MOST
    return next((m for m in range(1, spec.groups) if spec.groups % m == 0 and enough(m)), spec.groups)


def _rewrite(spec: ConvSpec, c: int, o: int, inner_conv: Conv) -> Rewrite:
    """One dense kernel per m groups, with zeros between the channels of different groups."""
    m = groups_per_conv(spec, c)
    parts, dense = spec.groups // m, replace(spec, groups=1)

    def block_diagonal(kernel: Array) -> Array:
        """[*window, c/groups, o] to [*window, m*c/groups, o]."""
        *window, channels, _ = kernel.shape
        diagonal = jnp.eye(m, dtype=kernel.dtype).astype(bool)[:, None, None, :, None]
        kernel = kernel.reshape(*window, 1, channels, parts, m, o // spec.groups)
        blocks = jnp.where(diagonal, kernel, jnp.zeros((), kernel.dtype))
        return blocks.reshape(*window, m * channels, o)

    def compute(operation: str, lhs: Array, rhs: Array) -> Array:
        lhs_parts, rhs_parts = (jnp.split(a, parts, axis=-1) for a in (lhs, rhs))
        results = [inner_conv(operation, dense, a, b) for a, b in zip(lhs_parts, rhs_parts, strict=True)]
        return jnp.concatenate(results, axis=-1)

    same = lambda a: a
    return Rewrite(x=same, kernel=block_diagonal if m > 1 else same, y=same, compute=compute)


GROUPED = by_rewrite(lambda spec, c, o: spec.groups > 1, _rewrite, adds_zeros=True)
