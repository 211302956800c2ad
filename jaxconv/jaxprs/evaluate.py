"""Evaluation of a jaxpr on values of any kind: arrays, abstract states, or other information about each variable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar, cast

from jax.extend.core import Jaxpr, JaxprEqn, Literal

from jaxconv.jaxprs.layout import entered
from jaxconv.jaxprs.typing import ArrayValue, Atom, Params, Shaped, aval_of

V = TypeVar("V")
# The position of an equation: the indices of the enclosing calls, outermost first, then its index in its jaxpr.
Path: TypeAlias = tuple[int, ...]


def evaluate(
    jaxpr: Jaxpr,
    consts: Sequence[ArrayValue],
    operands: Sequence[V],
    step: Callable[[JaxprEqn, list[V], Path], Sequence[V]] = lambda equation, inputs, path: executed(equation, inputs),
    *,
    constant: Callable[[ArrayValue, Shaped], V] = lambda value, aval: value,
    literal: Callable[[ArrayValue, Shaped], V] | None = None,
    calls: bool = True,
    path: Path = (),
) -> list[V]:
    """Return the outputs of a jaxpr; `step(equation, inputs, path)` returns the results of each equation.

    Calls (`jit`, `checkpoint`, custom derivatives) are entered. A loop or a `cond` is one step, which may evaluate its
    jaxprs.

    Args:
        jaxpr: an open jaxpr, see `opened`.
        consts: the arrays that the jaxpr is closed over.
        operands: one value per input of the jaxpr.
        step: returns the results of an equation. The default executes the equation with JAX.
        constant: returns the value of a closed-over array, given the array and its aval.
        literal: returns the value of a literal, given the number and its aval. The default is `constant`.
        calls: whether to enter calls. If False, each call is one step.
        path: the path of the jaxpr.

    >>> import jax
    >>> closed = jax.make_jaxpr(lambda x: jax.nn.relu(x) * 2.0)(3.0)
    >>> evaluate(closed.jaxpr, closed.consts, [3.0])
    [Array(6., dtype=float32, weak_type=True)]
    >>> written_as = lambda equation, inputs, path: [f"{equation.primitive}({', '.join(inputs)})"]
    >>> evaluate(closed.jaxpr, closed.consts, ["x"], written_as, constant=lambda value, aval: str(value))
    ['mul(max(x, 0.0), 2.0)']
    """
    literal = literal or constant
    env = dict(zip(jaxpr.invars, operands, strict=True))
    env |= {v: constant(value, aval_of(v)) for v, value in zip(jaxpr.constvars, consts, strict=True)}
    read: Callable[[Atom], V] = lambda x: literal(x.val, aval_of(x)) if isinstance(x, Literal) else env[x]
    for number, equation in enumerate(jaxpr.eqns):
        inputs, equation_path = [read(atom) for atom in equation.invars], (*path, number)
        body = entered(equation, inputs) if calls else None
        if body is None:
            results = step(equation, inputs, equation_path)
        else:
            results = evaluate(*body, step, constant=constant, literal=literal, path=equation_path)
        env |= zip(equation.outvars, results, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def first_results(jaxpr: Jaxpr, consts: Sequence[ArrayValue], operands: Sequence[ArrayValue]) -> list[ArrayValue]:
    """Return the first result of each step, in the order of `traverse.steps`."""
    first: list[ArrayValue] = []

    def step(equation: JaxprEqn, inputs: list[ArrayValue], _: Path) -> list[ArrayValue]:
        results = executed(equation, inputs)
        first.append(results[0])
        return results

    evaluate(jaxpr, consts, operands, step)
    return first


def executed(equation: JaxprEqn, operands: Sequence[ArrayValue]) -> list[ArrayValue]:
    """Execute one equation with JAX and return the list of its results.

    >>> import jax
    >>> equation = jax.make_jaxpr(lambda x: 2 * x)(3.0).eqns[0]
    >>> executed(equation, [2.0, 5.0])
    [Array(10., dtype=float32, weak_type=True)]
    """
    # `shard_map` and others bind parameters that differ from those of their equations.
    params = cast(Params, equation.primitive.get_bind_params(equation.params))
    results = cast(ArrayValue, equation.primitive.bind(*operands, **params))
    return list(results) if equation.primitive.multiple_results else [results]
