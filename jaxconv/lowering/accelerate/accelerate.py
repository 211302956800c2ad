"""`accelerate`: anybody's function, with its convolutions and window reductions computed by the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Generic, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from jax.extend.core import JaxprEqn

from jaxconv.checks import function
from jaxconv.errors import message, public, public_as
from jaxconv.jaxprs.rewrite import KeptError, Known, Makers, Replacement, Rewriting
from jaxconv.jaxprs.traced_call import TracedCall
from jaxconv.lowering.accelerate import convolutions, windows  # they register their readers
from jaxconv.lowering.accelerate.mutation import Changes, mutated, paths_of_arrays, with_changes
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
        changes: Changes = {}
        call = TracedCall(with_changes(self._fn, changes), args, kwargs)
        _check_unchanged(mutated(call.jaxpr, changes, paths_of_arrays(args, kwargs)))
        known = _REWRITTEN.setdefault(forced(), WeakKeyDictionary())
        return call.evaluated(Rewriting(_replace, known=known)(call.jaxpr))[0]

    @public_as("explain")
    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Return which equations are replaced for such arguments, by which algorithms, and why the others are not.

        Nothing is executed, so `jax.ShapeDtypeStruct`s do in place of arrays.
        """
        outcomes: list[Outcome] = []
        note = lambda *found: outcomes.append(outcome(*found))
        Rewriting(_replace, note, known=None)(TracedCall(self._fn, args, kwargs).jaxpr)
        return explanation(outcomes)


def _check_unchanged(changed: Sequence[str]) -> None:
    """Raise an error if a function changes its arguments: it changes the copies that are traced."""
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        cure = (
            "Return the new values. With Flax NNX, accelerate a function of the state of nnx.split that merges it, and "
            "returns nnx.state(model) as well"
        )
        actual = f"a function that changes its arguments in place ({changed[0]}{more})"
        raise ValueError(message("accelerate", "fn", actual, "a function that leaves them as they are", cure))


def _replace(equation: JaxprEqn, makers: Makers) -> Replacement | None:
    """What replaces an equation.

    Raises:
        KeptError: the table does not improve on lax, or does not take the equation.
    """
    read = READERS.get(equation.primitive.name)
    if read is None:
        return None
    reading = read(equation, makers)
    if set(reading.algorithms().values()) == {"lax"}:
        raise KeptError("lax is as fast")
    return Replacement(reading.operands, reading.compute, reading)


@public
def accelerate(fn: Callable[P, R]) -> Accelerated[P, R]:
    """Returns a function with the values and derivatives of `fn`: `accelerate(fn)(x) == fn(x)`.

    Convolutions and window reductions of lax, and their gradients, are computed as by the layers of this library, where
    its table of algorithms improves on lax. So a model of Flax, Haiku, Keras or lax itself consists of the operations
    of these layers; with channels first, as in Equinox, there are transposes around them. Everything else of `fn`
    stays: calls of jitted functions and their donated arguments, loops, branches, custom derivatives,
    rematerialisation, `shard_map`, effects, and source lines.

    Apply it to a model, before `jax.grad`, or to a whole training step. A call traces `fn`, which takes milliseconds,
    and runs the result as `fn` would run. So put `jax.jit` around it, or apply it to a jitted function.

    Law: `accelerate(fn)(*args) == fn(*args)` in real arithmetic, and bit for bit on whole numbers that the dtypes hold.
    On others, sums are rounded in another order. Where values are not finite or cells of a maximum's window are equal,
    results and forward-mode derivatives are those of this library's layers (see "How a layer is computed").

    Args:
        fn: a function of any arguments. Arrays among them (JAX's and NumPy's, in containers or not) are traced; Python
            numbers, strings, modules and other objects are passed on as they are. Its results may be any objects.

    Returns:
        The function, with the name and signature of `fn`. `accelerate(fn).explain(*args)` lists which equations are
        replaced for such arguments, by which algorithms, and why the others are not; it takes `jax.ShapeDtypeStruct`s
        too. Used in a class, it decorates methods.

    Raises:
        TypeError: `fn` is not a function.
        ValueError: when it is called, `fn` changes its arguments in place, as a Flax NNX model with batch statistics.
        Exception: when it is called, whatever `jax.jit(fn)` raises where values decide about
            Python's control flow.

    >>> import jax, jax.numpy as jnp
    >>> settings = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "feature_group_count": 8}
    >>> @accelerate
    ... def blocks(kernel, x):
    ...     y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", **settings)
    ...     return jax.lax.reduce_window(y, 1.0, jax.lax.mul, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    >>> kernel, x = jnp.ones((3, 3, 1, 8)), jnp.ones((4, 6, 6, 8))
    >>> print(blocks.explain(kernel, x))                                         # doctest: +ELLIPSIS
    1 replaced
      ...:3 (blocks): conv_general_dilated [4,6,6,8] [3,3,1,8]: conv by depthwise, ...
    1 kept
      ...:4 (blocks): reduce_window [4,6,6,8] []: kept, because it combines cells by a function of its own
    >>> jax.jit(blocks)(kernel, x).shape
    (4, 3, 3, 8)
    """
    function("fn", fn, cure="Pass the function itself, not its result: accelerate(model.apply)")
    return Accelerated(fn)
