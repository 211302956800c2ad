"""The layout of jaxprs, and its differences between JAX versions (0.10 to 0.12); nothing about their meaning.

The independent checker imports this module, but not the table of primitives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar, cast

import jax
from jax.extend.core import Jaxpr, JaxprEqn, Literal, Var

from jaxconv.jaxprs.traced_call import TracedCall
from jaxconv.jaxprs.typing import (
    AnyJaxpr,
    ArrayValue,
    Atom,
    ClosedJaxpr,  # pyright: ignore[reportPrivateImportUsage]  see typing.py
    DerivativeRule,
    Params,
    PyTree,
    Varying,
    aval_of,
    is_jaxpr,
)

T = TypeVar("T")
# Primitives that only evaluate their jaxpr. (shard_map and pallas_call hold a jaxpr too, but mean more.)
CALLS = {
    "jit", "closed_call", "core_call", "call", "remat2", "custom_jvp_call", "custom_vjp_call", "call_hi_primitive",
    "custom_linear_solve",
}  # fmt: skip

# Primitives that run their jaxprs and nothing else, so that a jaxpr may be replaced by one that computes the same.
# (call_hi_primitive has an own vmap, pallas_call and reductions restrict the primitives in theirs.)
RUNNING = CALLS - {"call_hi_primitive"} | {"scan", "while", "cond", "shard_map", "custom_vmap_call"}
# Parameters that make a jaxpr when JAX differentiates a call of a function with a custom derivative.
RULES = ("jvp_jaxpr_fun", "fwd_jaxpr_thunk")
BACKWARD = "bwd"  # the parameter that is the backward function of such a call

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


def with_equations(jaxpr: AnyJaxpr, equations: Sequence[JaxprEqn]) -> AnyJaxpr:
    """Return a jaxpr with other equations, which define its outputs; closed if it is closed."""
    body, constants = opened(jaxpr)
    replaced = body.replace(eqns=[*equations])
    return replaced if body is jaxpr else ClosedJaxpr(replaced, constants)


def with_bodies(equation: JaxprEqn, change: Callable[[AnyJaxpr], AnyJaxpr]) -> JaxprEqn:
    """Return an equation that runs other jaxprs; the equation itself if `change` returns each as it is.

    If the function of a custom derivative changes, so do its rules, when JAX traces them. The rule of a function with
    its own vmap stays.
    """
    if not is_running(equation):
        return equation
    params = {name: _changed(name, value, change) for name, value in equation.params.items()}
    if all(params[name] is value for name, value in equation.params.items() if name not in (*RULES, BACKWARD)):
        return equation
    return equation.replace(params=params)


def is_running(equation: JaxprEqn) -> bool:
    """Whether an equation runs its jaxprs and nothing else."""
    return equation.primitive.name in RUNNING


def _changed(name: str, value: ArrayValue, change: Callable[[AnyJaxpr], AnyJaxpr]) -> ArrayValue:
    """Return a parameter with every jaxpr in it changed; the parameter itself if none is."""
    if is_jaxpr(value):
        return change(value)
    if name in RULES:
        return _ChangedRule(value, change)
    if name == BACKWARD:
        return value.wrap(_changed_backward, (change,), None)
    if not isinstance(value, tuple | list):
        return value
    items = cast("Sequence[ArrayValue]", value)
    changed = [change(item) if is_jaxpr(item) else item for item in items]
    if all(new is old for new, old in zip(changed, items, strict=True)):
        return items
    make = cast("Callable[..., ArrayValue]", type(items))
    return make(*changed) if hasattr(items, "_fields") else make(changed)


@dataclass(frozen=True, eq=False)
class _ChangedRule:
    """The rule of a custom derivative, with a changed jaxpr, the first result of `call_wrapped(*zeros)`."""

    rule: DerivativeRule
    change: Callable[[AnyJaxpr], AnyJaxpr]

    @property
    def debug_info(self) -> object:
        """What JAX's error messages say of the rule."""
        return self.rule.debug_info

    def call_wrapped(self, *zeros: bool) -> tuple[ArrayValue, ...]:
        """Trace the rule."""
        jaxpr, *rest = self.rule.call_wrapped(*zeros)
        return self.change(jaxpr), *rest


def _changed_backward(
    backward: Callable[..., PyTree], change: Callable[[AnyJaxpr], AnyJaxpr], *arguments: ArrayValue
) -> PyTree:
    """Call the backward function of a custom derivative with a changed jaxpr."""
    call = TracedCall(backward, arguments)
    return call.evaluated(change(call.jaxpr))


def traced_with(equation: JaxprEqn) -> AbstractContextManager[None]:
    """Return the context in which an equation was traced: its mesh, its compute type, its random bits."""
    return cast("AbstractContextManager[None]", equation.ctx.manager)


def varying_as(atom: Atom, other: Atom) -> Var:
    """Return a new variable of the type of `atom`, but that varies over the mesh axes over which `other` does.

    JAX derives these axes only while it traces the body of a `shard_map`.
    """
    aval, target = (cast(Varying, each.aval) for each in (atom, other))
    return Var(cast(ArrayValue, aval.update(manual_axis_type=target.manual_axis_type)))


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
