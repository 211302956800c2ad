"""How a jaxpr is evaluated, on values of any kind: arrays, abstract states, or what a caller wants to know of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from jaxconv.jaxprs.layout import entered, is_literal

V = TypeVar("V")
# Where an equation stands: its number in its jaxpr, after those of the equations whose jaxprs it stands in.
Path: TypeAlias = tuple[int, ...]


def evaluate(
    jaxpr: Any,
    consts: Sequence[Any],
    operands: Sequence[V],
    step: Callable[[Any, list[V], Path], Sequence[V]] = lambda equation, inputs, path: executed(equation, inputs),
    *,
    constant: Callable[[Any, Any], V] = lambda value, aval: value,
    literal: Callable[[Any, Any], V] | None = None,
    calls: bool = True,
    path: Path = (),
) -> list[V]:
    """The outputs of a jaxpr; `step(equation, inputs, path)` returns the results of each equation.

    Calls (`jit`, `checkpoint`, custom derivatives) are entered. Loops and branches are one step each, which may
    evaluate their jaxprs.

    Args:
        jaxpr: an open jaxpr, see `opened`.
        consts: the arrays that it is closed over.
        operands: a value for each of its inputs.
        step: what an equation does; as JAX executes it if not given.
        constant: the value of an array that the jaxpr is closed over, from it and its type.
        literal: the same of a number that is written into an equation; as `constant` if not given.
        calls: whether calls are entered. If not, each is a step.
        path: where the jaxpr stands.

    >>> import jax
    >>> closed = jax.make_jaxpr(lambda x: jax.nn.relu(x) * 2.0)(3.0)
    >>> evaluate(closed.jaxpr, closed.consts, [3.0])
    [Array(6., dtype=float32, weak_type=True)]
    >>> written_as = lambda equation, inputs, path: [f"{equation.primitive}({', '.join(inputs)})"]
    >>> evaluate(closed.jaxpr, closed.consts, ["x"], written_as, constant=lambda value, aval: str(value))
    ['mul(max(x, 0.0), 2.0)']
    """
    written = literal or constant
    known = dict(zip(jaxpr.invars, operands, strict=True))
    known |= {v: constant(value, v.aval) for v, value in zip(jaxpr.constvars, consts, strict=True)}
    read = lambda atom: written(atom.val, atom.aval) if is_literal(atom) else known[atom]
    for number, equation in enumerate(jaxpr.eqns):
        inputs, here = [read(atom) for atom in equation.invars], (*path, number)
        body = entered(equation, inputs) if calls else None
        if body is None:
            results = step(equation, inputs, here)
        else:
            results = evaluate(*body, step, constant=constant, literal=literal, path=here)
        known |= zip(equation.outvars, results, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def first_results(jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any]) -> list[Any]:
    """The first result of each step, in the order of `traverse.steps`."""
    found: list[Any] = []

    def step(equation: Any, inputs: list[Any], _: Path) -> list[Any]:
        results = executed(equation, inputs)
        found.append(results[0])
        return results

    evaluate(jaxpr, consts, operands, step)
    return found


def executed(equation: Any, operands: Sequence[Any]) -> list[Any]:
    """The results of one equation, a list also of one.

    >>> import jax
    >>> equation = jax.make_jaxpr(lambda x: 2 * x)(3.0).eqns[0]
    >>> executed(equation, [2.0, 5.0])
    [Array(10., dtype=float32, weak_type=True)]
    """
    # `shard_map` and others take other parameters than their equations have.
    params = equation.primitive.get_bind_params(equation.params)
    found = equation.primitive.bind(*operands, **params)
    return list(found) if equation.primitive.multiple_results else [found]
