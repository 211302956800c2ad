"""Rewriting of jaxprs: some equations, at any depth, are replaced by others that compute values of the same types.

Everything else stays as it is: calls with their names and donated arguments, loops, branches, custom derivatives,
rematerialisation, `shard_map`, effects, constants, and the source line of each equation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import TypeAlias, cast
from weakref import WeakKeyDictionary

import jax
from jax.extend.core import JaxprEqn, Primitive, Var, primitives

from jaxconv.jaxprs.layout import is_running, opened, traced_with, varying_as, with_bodies, with_equations
from jaxconv.jaxprs.primitives import PRIMITIVES
from jaxconv.jaxprs.traverse import equations, within
from jaxconv.jaxprs.typing import AnyJaxpr, ArrayValue, Atom, Stack

Makers: TypeAlias = Mapping[Var, JaxprEqn]  # variable -> the equation of the same jaxpr that makes it


class KeptError(Exception):
    """An equation that is not replaced, and why."""


@dataclass(frozen=True)
class Replacement:
    """What replaces an equation.

    Attributes:
        operands: atoms that are known where the equation stands.
        compute: takes their values and returns the equation's only result. It closes over no array.
        meaning: a description for reports.
    """

    operands: Sequence[Atom]
    compute: Callable[..., ArrayValue]
    meaning: object = None


# Returns what replaces an equation, and None for an equation that is none of its business; raises `KeptError`.
Replace: TypeAlias = Callable[[JaxprEqn, Makers], Replacement | None]
Note: TypeAlias = Callable[[JaxprEqn, Stack, "Replacement | KeptError"], None]
Known: TypeAlias = MutableMapping[
    AnyJaxpr, "AnyJaxpr | None"
]  # None for a jaxpr that stays: a value must not hold its key


@dataclass(frozen=True)
class Rewriting:
    """Replaces equations in jaxprs and the jaxprs that they run.

    Attributes:
        replace: finds what replaces an equation.
        note: is told of every equation that is replaced or kept, with the equations around it.
        known: the jaxprs rewritten before, or None to rewrite (and note) each again. A jaxpr that is called twice, or
            whose call JAX has cached, is so replaced by the same jaxpr each time, which JAX compiles once.
    """

    replace: Replace
    note: Note = lambda equation, stack, outcome: None
    known: Known | None = field(default_factory=WeakKeyDictionary[AnyJaxpr, AnyJaxpr | None])

    def __call__(self, jaxpr: AnyJaxpr, stack: Stack = ()) -> AnyJaxpr:
        """Return the rewritten jaxpr, closed if it is closed; the jaxpr itself if nothing is replaced."""
        if self.known is None:
            return self._rewritten(jaxpr, stack)
        if jaxpr not in self.known:
            rewritten = self._rewritten(jaxpr, stack)
            self.known[jaxpr] = None if rewritten is jaxpr else rewritten
            return rewritten
        found = self.known[jaxpr]
        return jaxpr if found is None else found

    def _rewritten(self, jaxpr: AnyJaxpr, stack: Stack) -> AnyJaxpr:
        makers: dict[Var, JaxprEqn] = {}
        rewritten: list[JaxprEqn] = []
        body, _ = opened(jaxpr)
        for equation in body.eqns:
            rewritten += self._replaced(equation, makers, stack)
            makers |= dict.fromkeys(equation.outvars, equation)
        same = len(rewritten) == len(body.eqns) and all(a is b for a, b in zip(rewritten, body.eqns, strict=True))
        return jaxpr if same else with_equations(jaxpr, rewritten)

    def _replaced(self, equation: JaxprEqn, makers: Makers, stack: Stack) -> Sequence[JaxprEqn]:
        """Return the equations in place of one."""
        try:
            found = self.replace(equation, makers)
            others = None if found is None else in_place_of(equation, found)
        except KeptError as reason:
            self.note(equation, stack, reason)
            return [equation]
        if found is None or others is None:
            self._note_others(equation, stack)
            return [_for_lax(with_bodies(equation, lambda inner: self(inner, (*stack, equation))), equation)]
        self.note(equation, stack, found)
        return others

    def _note_others(self, equation: JaxprEqn, stack: Stack) -> None:
        """Note the equations that are kept because the equation around them is not known to run them."""
        if is_running(equation):
            return
        for body in within(equation):
            for inner, around in equations(body):
                try:
                    concerned = self.replace(inner, {}) is not None
                except KeptError:
                    concerned = True
                if concerned:
                    reason = KeptError(f"{equation.primitive.name} is not entered")
                    self.note(inner, (*stack, equation, *around), reason)


def in_place_of(equation: JaxprEqn, replacement: Replacement) -> list[JaxprEqn]:
    """Return the equations that compute a replacement, the last of which defines the variable of the equation.

    Raises:
        KeptError: the result would have another type.
    """
    (target,) = equation.outvars
    with traced_with(equation):
        made, _ = opened(jax.make_jaxpr(replacement.compute)(*(atom.aval for atom in replacement.operands)))
    (result,) = made.outvars
    if varying_as(result, target).aval != target.aval:
        raise KeptError(f"the result would be {result.aval} instead of {target.aval}")
    atoms: dict[Atom, Atom] = dict(zip(made.invars, replacement.operands, strict=True))
    atoms |= {variable: varying_as(variable, target) for each in made.eqns for variable in each.outvars}
    atoms[result] = target
    return [
        each.replace(
            invars=[atoms.get(atom, atom) for atom in each.invars],
            outvars=[cast(Var, atoms[variable]) for variable in each.outvars],
            source_info=equation.source_info,
            ctx=equation.ctx,
        )
        for each in made.eqns
    ]


def _for_lax(changed: JaxprEqn, equation: JaxprEqn) -> JaxprEqn:
    """Return a changed call under a policy of rematerialisation that sees lax's primitives in place of ours."""
    policy = changed.params.get("policy")
    if changed is equation or policy is None:
        return changed

    @wraps(policy)
    def for_lax(primitive: Primitive, *avals: object, **params: object) -> object:
        row = PRIMITIVES.get(primitive.name)
        name = row.lax if row is not None else ""
        return policy(getattr(primitives, f"{name}_p") if name else primitive, *avals, **params)

    return changed.replace(params={**changed.params, "policy": for_lax})
