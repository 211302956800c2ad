"""Calls: the primitives that do what their jaxpr does and nothing else, and how JAX's versions hold that jaxpr."""

from __future__ import annotations

from typing import Any

import jax

# (shard_map and pallas_call hold a jaxpr, too, and mean more.) The independent checker follows calls as well, so this
# set does not come from the table of primitives, which it must not read.
CALLS = {"jit", "closed_call", "core_call", "call", "remat2", "custom_jvp_call", "custom_vjp_call", "call_hi_primitive"}


def opened(jaxpr: Any) -> tuple[Any, list[Any]]:
    """A jaxpr and its constants, of a ClosedJaxpr (up to 0.11), a Jaxpr that holds them (0.12), or one without any."""
    return getattr(jaxpr, "jaxpr", jaxpr), list(getattr(jaxpr, "consts", ()))


def called(equation: Any) -> Any | None:
    """The jaxpr that a call (jit, checkpoint, custom_jvp, custom_vjp, closed_call) runs; None of what is no call."""
    if equation.primitive.name == "call_hi_primitive":  # 0.12: some of jnp (searchsorted) says later what it does
        return _expanded(equation)
    if equation.primitive.name not in CALLS:
        return None
    return next(
        (equation.params[name] for name in ("jaxpr", "call_jaxpr", "fun_jaxpr") if name in equation.params), None
    )


def _expanded(equation: Any) -> Any:
    """What a primitive of JAX's newer kind does, as a jaxpr."""
    primitive = equation.params["_prim"]
    given = [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in equation.invars]
    flat = lambda *leaves: jax.tree.leaves(primitive.expand(*jax.tree.unflatten(primitive.in_tree, leaves)))
    return jax.make_jaxpr(flat)(*given)
