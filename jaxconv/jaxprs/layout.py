"""How jaxprs are laid out, and how the versions of JAX differ in it (0.10 to 0.12). It says nothing of their meaning.

The independent checker reads this module, and not the table of primitives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jax
from jax.extend.core import Literal

T = TypeVar("T")
# Primitives that do what their jaxpr does and nothing else. (shard_map and pallas_call hold a jaxpr and mean more.)
CALLS = {"jit", "closed_call", "core_call", "call", "remat2", "custom_jvp_call", "custom_vjp_call", "call_hi_primitive"}


def trace(fn: Callable, arguments: Sequence[Any]) -> tuple[Any, list[Any], Any]:
    """The jaxpr of `fn(*arguments)`, its constants, and the tree of its outputs' shapes."""
    closed, shapes = jax.make_jaxpr(fn, return_shape=True)(*arguments)
    return closed.jaxpr, list(closed.consts), shapes


def is_literal(atom: Any) -> bool:
    """Whether an operand is a number written into the jaxpr."""
    return isinstance(atom, Literal)


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


def entered(equation: Any, operands: Sequence[T]) -> tuple[Any, list[Any], Sequence[T]] | None:
    """The jaxpr of a call, its constants, and the operands that it takes; None of what is no call.

    A call may have operands of its own before those of its jaxpr.
    """
    body = called(equation)
    if body is None:
        return None
    jaxpr, constants = opened(body)
    return jaxpr, constants, operands[len(operands) - len(jaxpr.invars) :]


def _expanded(equation: Any) -> Any:
    """What a primitive of JAX's newer kind does, as a jaxpr."""
    primitive = equation.params["_prim"]
    given = [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in equation.invars]
    flat = lambda *leaves: jax.tree.leaves(primitive.expand(*jax.tree.unflatten(primitive.in_tree, leaves)))
    return jax.make_jaxpr(flat)(*given)


def scan_sizes(params: Mapping[str, Any]) -> tuple[int, int]:
    """How many of a scan's operands are constants and how many the carry; the others are scanned over."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    constants, carry, _ = params["ft_in"].unpack()  # 0.12
    return len(constants), len(carry)


def repeated(equation: Any) -> Sequence[Any]:
    """The jaxpr that an equation runs a fixed number of times, one after another."""
    return [equation.params["jaxpr"]] if equation.primitive.name == "scan" else []


def branches(equation: Any) -> Sequence[Any]:
    """The jaxprs of which an equation runs one, whose number is its first operand."""
    return equation.params["branches"] if equation.primitive.name == "cond" else []


def is_endless(equation: Any) -> bool:
    """Whether an equation runs a jaxpr until a condition fails, if ever."""
    return equation.primitive.name == "while"
