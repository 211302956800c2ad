"""`define` makes a primitive: one equation in every jaxpr, computed by the table on the CPU and by lax elsewhere.

Forward mode, reverse mode, vmap and the certifier see that equation, not the products and slices inside.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import mlir
from jax.sharding import AxisType
from jaxtyping import Array

# (*operands, platform, way, **other parameters) -> result. Platform None is any that has no rows in the table.
Computation = Callable[..., Array]
COMPUTED: dict[Primitive, Computation] = {}  # primitive -> its computation, for interpreters of jaxprs
# JAX's flag -> the value that it forbids, and the test for it.
SPECIAL = {"jax_debug_nans": ("nan", jnp.isnan), "jax_debug_infs": ("inf", jnp.isinf)}


def define(name: str, compute: Computation) -> Primitive:
    """A primitive with this computation on each platform. The caller adds its derivatives and its batching rule.

    The result's type, sharding included, and the errors are those of lax.
    """
    primitive = Primitive(name)
    COMPUTED[primitive] = compute
    primitive.def_impl(partial(_executed, primitive))
    primitive.def_abstract_eval(lambda *avals, **params: _abstract(compute, avals, tuple(params.items())))
    for platform in (None, "cpu"):
        lowering = mlir.lower_fun(partial(compute, platform=platform), multiple_results=False)
        mlir.register_lowering(primitive, lowering, platform=platform)
    return primitive


def _executed(primitive: Primitive, *operands: Array, **params: Any) -> Array:
    """The result of one compiled call, whatever debugging flags are set, as for JAX's own primitives.

    Under these flags `jax.jit` would call `bind`, at once or to locate a NaN, and `bind` this function again.
    """
    with jax.disable_jit(False), jax.debug_nans(False), jax.debug_infs(False):
        found = _compiled(primitive, tuple(params.items()))(*operands)
    for flag, (value, is_such) in SPECIAL.items():
        if getattr(jax.config, flag) and jnp.issubdtype(found.dtype, jnp.inexact) and is_such(found).any():
            raise FloatingPointError(f"invalid value ({value}) encountered in {primitive.name}")
    return found


@lru_cache(maxsize=4096)
def _compiled(primitive: Primitive, params: tuple[tuple[str, Any], ...]) -> Callable[..., Array]:
    return jax.jit(lambda *operands: primitive.bind(*operands, **dict(params)))


@lru_cache(maxsize=4096)
def _abstract(compute: Computation, avals: tuple[Any, ...], params: tuple[tuple[str, Any], ...]) -> Any:
    settings = dict(params) | {"algorithm": None, "platform": None}
    result: Any = jax.make_jaxpr(partial(compute, **settings))(*avals).out_avals[0]
    # JAX derives the mesh axes over which a result varies only inside `shard_map`. This cache does not see where it is.
    return result.update(manual_axis_type=avals[0].manual_axis_type) if varies(avals[0]) else result


def varies(aval: Any) -> bool:
    """Whether a type varies over mesh axes, inside `shard_map`."""
    return bool(aval.manual_axis_type.varying)


def is_explicit(a: Any) -> bool:
    """Whether an array's type has explicit sharding, which lax propagates."""
    return is_explicit_type(jax.typeof(a))


def is_explicit_type(aval: Any) -> bool:
    """Whether a type has explicit sharding."""
    return AxisType.Explicit in aval.sharding.mesh.axis_types


def varying_alike(one: Array, other: Array) -> list[Array]:
    """Operands that vary over the same mesh axes inside `shard_map`; the transpose sums a shared kernel's gradients."""
    axes = [jax.typeof(operand).manual_axis_type.varying for operand in (one, other)]
    missing = [tuple(sorted(axes[1] - axes[0])), tuple(sorted(axes[0] - axes[1]))]
    return [
        lax.pcast(operand, names, to="varying") if names else operand
        for operand, names in zip((one, other), missing, strict=True)
    ]
