"""`accelerate`: anybody's function, with its convolutions and window reductions computed by the table."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Generic, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from jax.extend.core import JaxprEqn

from jaxconv.checks import function
from jaxconv.errors import public, public_as
from jaxconv.jaxprs.rewrite import Kept, Known, Makers, Replacement, Rewriting
from jaxconv.jaxprs.traced_call import TracedCall
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
        call = TracedCall(self._fn, args, kwargs)
        known = _REWRITTEN.setdefault(forced(), WeakKeyDictionary())
        return call.evaluated(Rewriting(_replace, known=known)(call.jaxpr))

    @public_as("explain")
    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Return which equations are replaced for such arguments, by which algorithms, and why the others are not.

        Nothing is executed, so `jax.ShapeDtypeStruct`s do in place of arrays.
        """
        outcomes: list[Outcome] = []
        note = lambda *found: outcomes.append(outcome(*found))
        Rewriting(_replace, note, known=None)(TracedCall(self._fn, args, kwargs).jaxpr)
        return explanation(outcomes)


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
