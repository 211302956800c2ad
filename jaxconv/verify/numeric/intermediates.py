"""Intermediate values of any function, from its jaxpr: no hooks, no module classes.

Calls (`jit`, `checkpoint`, custom derivatives) are walked into; loops and branches are one equation each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jaxconv.verify import jaxprs

Visit = Callable[[Any, list[Any], list[Any]], list[Any]]


def run(jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any], visit: Visit) -> list[Any]:
    """Evaluate a jaxpr; `visit(equation, inputs, outputs)` sees every equation but calls, and returns its outputs.

    >>> import jax
    >>> seen = []
    >>> closed = jax.make_jaxpr(lambda x: jax.nn.relu(x) * 2.0)(3.0)
    >>> run(closed.jaxpr, closed.consts, [3.0], lambda equation, xs, ys: seen.append(equation.primitive.name) or ys)
    [Array(6., dtype=float32, weak_type=True)]
    >>> seen
    ['max', 'mul']
    """
    known = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, operands, strict=True))
    read = lambda atom: atom.val if jaxprs.is_literal(atom) else known[atom]
    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        inner = jaxprs.called(equation)
        if inner is not None:
            opened, inner_consts = jaxprs.opened(inner)
            outputs = run(opened, inner_consts, inputs, visit)
        else:
            outputs = visit(equation, inputs, jaxprs.executed(equation, inputs))
        known |= zip(equation.outvars, outputs, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def equations(jaxpr: Any, stack: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The equations in the order in which `run` visits them, each with the calls around it, outermost first."""
    for equation in jaxpr.eqns:
        inner = jaxprs.called(equation)
        if inner is None:
            yield equation, stack
        else:
            yield from equations(jaxprs.opened(inner)[0], (*stack, equation))
