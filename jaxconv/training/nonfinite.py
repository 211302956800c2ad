"""Where a NaN comes from: the first equation of a loss and its gradient whose result is not finite."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import keystr

from jaxconv.checks import function
from jaxconv.errors import public
from jaxconv.jaxprs.evaluate import evaluate, executed
from jaxconv.jaxprs.layout import trace
from jaxconv.jaxprs.source import source_line

KINDS = {"NaN": jnp.isnan, "infinity": jnp.isinf}  # an infinity may be meant, as that of a mask: NaNs come first


class _Value(NamedTuple):
    """An array; the last layer whose parameters it depends on; and how many layers were in use when that one was."""

    array: Any
    layer: str = ""
    depth: int = 0
    is_parameter: bool = False


@public
def first_nonfinite(loss: Callable[..., Any], params: Any, *others: Any) -> str:
    """Names the first NaN, or else the first infinity, in `jax.value_and_grad(loss)`; "" if all results are finite.

    It evaluates one equation after the other. It names an equation whose result has such a number and whose operands
    have none, and the last layer whose parameters contribute to it: the path of `params["c3"]["kernel"]` without its
    last part.

    Args:
        loss: `loss(params, ...) -> (loss, auxiliary output)`, with a name for each argument.
        params: the parameters, any pytree of arrays.
        others: the other arguments of the loss, arrays or trees of arrays.

    Raises:
        TypeError: `loss` is not a function.

    >>> loss = lambda params, x: (jnp.log(params["a"]["w"] * x).sum(), {})
    >>> first_nonfinite(loss, {"a": {"w": jnp.array([1.0, -2.0])}}, jnp.ones(2)).split(" at ")[0]
    "The first NaN is the result of log in layer ['a']"
    """
    function("loss", loss, cure="Write loss(params, ...), which returns (loss, auxiliary output)")
    names = [*inspect.signature(loss).parameters]
    arguments = jax.tree.leaves_with_path((params, *others))
    for kind in KINDS:
        for where, leaf in arguments:
            if kind in _kinds(leaf):
                return f"The first {kind} is in {names[_number(where)]}{keystr(where[1:])}, before the step"
    found: dict[str, str] = {}
    layers: dict[str, int] = {}

    def step(equation: Any, inputs: list[_Value], _: Any) -> list[_Value]:
        results = executed(equation, [one.array for one in inputs])
        moved = len(inputs) == 1 and inputs[0].is_parameter  # a parameter that is only converted or reshaped
        for one in inputs:
            if one.is_parameter and not moved:
                layers.setdefault(one.layer, len(layers) + 1)
        layer, depth = max(
            ((one.layer, layers.get(one.layer, 0) if one.is_parameter else one.depth) for one in inputs),
            key=lambda pair: pair[1],
            default=("", 0),
        )
        layer = inputs[0].layer if moved else layer
        before = {kind for one in inputs for kind in _kinds(one.array)}
        for kind in {kind for one in results for kind in _kinds(one)} - before - set(found):
            name, place = equation.primitive.name, f" in layer {layer}" if layer else ""
            found[kind] = f"The first {kind} is the result of {name}{place} at {source_line(equation)}"
        return [_Value(one, layer, depth, moved) for one in results]

    jaxpr, consts, _ = trace(jax.value_and_grad(loss, has_aux=True), (params, *others))
    values = [
        _Value(leaf, keystr(where[1:-1]) or "params", is_parameter=True) if _number(where) == 0 else _Value(leaf)
        for where, leaf in arguments
    ]
    evaluate(jaxpr, consts, values, step, constant=lambda value, _: _Value(value))
    return next((found[kind] for kind in KINDS if kind in found), "")


def _number(where: Any) -> int:
    """The number of the argument to which a leaf belongs."""
    return where[0].idx


def _kinds(value: Any) -> set[str]:
    """Which of the kinds an array has among its numbers."""
    if not jnp.issubdtype(jnp.result_type(value), jnp.inexact):
        return set()
    return {kind for kind, test in KINDS.items() if bool(test(value).any())}
