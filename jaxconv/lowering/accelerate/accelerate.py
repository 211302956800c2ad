"""`accelerate`: anybody's function, with its convolutions and window reductions computed by the table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

import jax
import numpy as np
from jax.extend.core import JaxprEqn, jaxpr_as_fun

from jaxconv.checks import function
from jaxconv.errors import public, public_as
from jaxconv.jaxprs.rewrite import Kept, Known, Makers, Replacement, Rewriting
from jaxconv.jaxprs.typing import ArrayValue, PyTree
from jaxconv.lowering.accelerate import convolutions, windows  # they register their readers
from jaxconv.lowering.accelerate.reading import READERS
from jaxconv.lowering.accelerate.report import Explanation, Outcome, explanation, outcome
from jaxconv.lowering.table import forced

P = ParamSpec("P")
R = TypeVar("R")
_ = convolutions, windows
# Forced algorithm -> the jaxprs rewritten under it, for as long as JAX keeps them.
_REWRITTEN: dict[str, Known] = {}


class Accelerated(Generic[P, R]):
    """The function that `accelerate` returns: called as the function itself, and `explain`."""

    def __init__(self, fn: Callable[P, R]):
        """Wrap a function, whose name and signature it takes on."""
        update_wrapper(self, fn)
        self._fn = fn

    def __get__(self, instance: object, owner: type | None = None) -> Accelerated[..., R]:
        """The method of an instance, if the function is defined in a class."""
        bind = getattr(self._fn, "__get__", None)
        return self if instance is None or bind is None else Accelerated(bind(instance, owner))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Trace the function, replace its window operations, and evaluate the result."""
        call = _Call(self._fn, args, kwargs)
        known = _REWRITTEN.setdefault(forced(), WeakKeyDictionary())
        return call.result(jaxpr_as_fun(Rewriting(_replace, known=known)(call.jaxpr))(*call.arrays))

    @public_as("explain")
    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Return which equations are replaced for such arguments, by which algorithms, and why the others are not.

        Nothing is executed, so `jax.ShapeDtypeStruct`s do in place of arrays.
        """
        outcomes: list[Outcome] = []
        note = lambda *found: outcomes.append(outcome(*found))
        Rewriting(_replace, note, known=None)(_Call(self._fn, args, kwargs).jaxpr)
        return explanation(outcomes)


class _Call:
    """One call of a function, traced: arrays are inputs of the jaxpr, and everything else is passed on as it is."""

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]):
        leaves, tree = jax.tree.flatten((args, kwargs))
        places = [place for place, leaf in enumerate(leaves) if _is_array(leaf)]
        self.arrays = [leaves[place] for place in places]
        self._outputs: list[Any] = []

        def traced(*arrays: ArrayValue) -> list[ArrayValue]:
            filled = {**dict(enumerate(leaves)), **dict(zip(places, arrays, strict=True))}
            args, kwargs = jax.tree.unflatten(tree, filled.values())
            outputs, self._tree = jax.tree.flatten(fn(*args, **kwargs))
            self._outputs = [None if isinstance(leaf, jax.Array) else leaf for leaf in outputs]
            self._places = [place for place, leaf in enumerate(outputs) if isinstance(leaf, jax.Array)]
            return [outputs[place] for place in self._places]

        self.jaxpr = jax.make_jaxpr(traced)(*self.arrays)

    def result(self, arrays: list[ArrayValue]) -> Any:
        """The function's result, with these arrays in it."""
        for place, array in zip(self._places, arrays, strict=True):
            self._outputs[place] = array
        return jax.tree.unflatten(self._tree, self._outputs)


def _is_array(leaf: PyTree) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct) or isinstance(leaf, jax.Ref)


def _replace(equation: JaxprEqn, makers: Makers) -> Replacement | None:
    """What replaces an equation.

    Raises:
        Kept: the table does not improve on lax, or does not take the equation.
    """
    read = READERS.get(equation.primitive.name)
    if read is None:
        return None
    reading = read(equation, makers)
    if set(reading.algorithms().values()) == {"lax"}:
        raise Kept("lax is as fast")
    return Replacement(reading.operands, reading.compute, reading)


@public
def accelerate(fn: Callable[P, R]) -> Accelerated[P, R]:
    """Returns `fn` with the convolutions and pooling of lax computed as this library's layers are: accelerate(f)(x) = f(x).

    Works for a model or a training step of any library on JAX.
    """
    function("fn", fn, cure="Pass the function itself, not its result: accelerate(model.apply)")
    return Accelerated(fn)
