"""The layout of jaxprs, and its differences between JAX versions (0.10 to 0.12); nothing about their meaning.

The independent checker imports this module, but not the table of primitives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from jaxconv.jaxprs.typing import (
    AnyJaxpr,
    ArrayValue,
    Atom,
    ClosedJaxpr,  # pyright: ignore[reportPrivateImportUsage]  see typing.py
    Params,
    PyTree,
    aval_of,
)

T = TypeVar("T")
# Primitives that only evaluate their jaxpr. (shard_map and pallas_call hold a jaxpr too, but mean more.)
CALLS = {
    "jit", "closed_call", "core_call", "call", "remat2", "custom_jvp_call", "custom_vjp_call", "call_hi_primitive",
    "custom_linear_solve",
}  # fmt: skip

IDENTITIES = {"device_put", "optimization_barrier"}  # primitives that return their operands


def trace(fn: Callable[..., object], arguments: Sequence[PyTree]) -> tuple[Jaxpr, list[ArrayValue], PyTree]:
    """Trace `fn(*arguments)`; return its jaxpr, its constants, and the tree of its output shapes."""
    closed, shapes = jax.make_jaxpr(fn, return_shape=True)(*arguments)
    return closed.jaxpr, list(closed.consts), shapes


def is_literal(atom: Atom) -> bool:
    """Whether an operand is a literal, a number that is part of the jaxpr."""
    return isinstance(atom, Literal)


def literal_of(atom: Atom) -> ArrayValue:
    """Return the number of a literal; None for a variable."""
    return atom.val if isinstance(atom, Literal) else None


def opened(jaxpr: AnyJaxpr) -> tuple[Jaxpr, list[ArrayValue]]:
    """Return the open jaxpr and the constants of a ClosedJaxpr (up to 0.11) or a Jaxpr, which may hold some (0.12)."""
    return getattr(jaxpr, "jaxpr", jaxpr), list(getattr(jaxpr, "consts", ()))


def with_outputs(jaxpr: Jaxpr, outputs: Sequence[Atom]) -> ClosedJaxpr:
    """Return a jaxpr that is closed over nothing, with other variables of it as outputs.

    >>> jaxpr = jax.make_jaxpr(lambda x: 2 * (x + 1))(3).jaxpr
    >>> jax.extend.core.jaxpr_as_fun(with_outputs(jaxpr, jaxpr.eqns[0].outvars))(3)
    [Array(4, dtype=int32, weak_type=True)]
    """
    return ClosedJaxpr(jaxpr.replace(outvars=[*outputs]), ())


def called(equation: JaxprEqn) -> AnyJaxpr | None:
    """Return the jaxpr of a call (jit, checkpoint, custom_jvp, custom_vjp, closed_call); None for other equations.

    A `custom_linear_solve` is a call of its `solve`. Its other jaxprs are for derivatives.
    """
    if equation.primitive.name == "call_hi_primitive":  # 0.12: some jnp functions (searchsorted) expand lazily
        return _expanded(equation)
    if equation.primitive.name not in CALLS:
        return None
    if equation.primitive.name == "custom_linear_solve":
        return equation.params["jaxprs"].solve
    return next(
        (equation.params[name] for name in ("jaxpr", "call_jaxpr", "fun_jaxpr") if name in equation.params), None
    )


def entered(equation: JaxprEqn, operands: Sequence[T]) -> tuple[Jaxpr, list[ArrayValue], Sequence[T]] | None:
    """Return the jaxpr of a call, its constants and its operands; None for any other equation.

    A call may have additional operands before those of its jaxpr.
    """
    body = called(equation)
    if body is None:
        return None
    jaxpr, constants = opened(body)
    if equation.primitive.name == "custom_linear_solve":  # constants of matvec, vecmat, solve, transpose_solve; sides
        lengths = equation.params["const_lengths"]
        first = lengths.matvec + lengths.vecmat
        operands = [*operands[first : first + lengths.solve], *operands[sum(lengths) :]]
    return jaxpr, constants, operands[len(operands) - len(jaxpr.invars) :]


def _expanded(equation: JaxprEqn) -> AnyJaxpr:
    """Return the jaxpr that a `call_hi_primitive` expands to."""
    primitive = equation.params["_prim"]
    avals = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in map(aval_of, equation.invars)]

    def flat(*leaves: ArrayValue) -> list[ArrayValue]:
        return jax.tree.leaves(primitive.expand(*jax.tree.unflatten(primitive.in_tree, leaves)))

    return jax.make_jaxpr(flat)(*avals)


def scan_sizes(params: Params) -> tuple[int, int]:
    """Return the number of constants and of carries among a scan's operands; the others are scanned over."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    constants, carry, _ = params["ft_in"].unpack()  # 0.12
    return len(constants), len(carry)


def repeated(equation: JaxprEqn) -> Sequence[AnyJaxpr]:
    """Return the jaxpr that an equation runs a fixed number of times in sequence, in a list; empty if there is none."""
    return [equation.params["jaxpr"]] if equation.primitive.name == "scan" else []


def branches(equation: JaxprEqn) -> Sequence[AnyJaxpr]:
    """Return the branches of a `cond`, whose first operand is the index of the branch to run; empty for any other."""
    return equation.params["branches"] if equation.primitive.name == "cond" else []


def is_identity(equation: JaxprEqn) -> bool:
    """Whether each result of an equation is its operand of the same number."""
    return equation.primitive.name in IDENTITIES


def is_conversion(equation: JaxprEqn) -> bool:
    """Whether an equation converts its operand to a dtype."""
    return equation.primitive.name == "convert_element_type"


def has_own_vmap(equation: JaxprEqn) -> bool:
    """Whether an equation is a call of a function whose author defines what `jax.vmap` makes of it."""
    return equation.primitive.name == "call_hi_primitive"


def is_endless(equation: JaxprEqn) -> bool:
    """Whether an equation runs a jaxpr until a condition fails, which may never happen."""
    return equation.primitive.name == "while"
