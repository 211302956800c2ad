"""Which arguments a function changes in place. A traced function changes copies, so its changes would be lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import jax
from jax.extend.core import Jaxpr
from jax.tree_util import keystr

from jaxconv.jaxprs.layout import opened
from jaxconv.jaxprs.traced_call import ARRAYS
from jaxconv.jaxprs.typing import AnyJaxpr, Atom, PyTree

Changes = dict[str, bool]  # path of a leaf that differs after the call -> whether it is an array


def with_changes(fn: Callable[..., PyTree], changes: Changes) -> Callable[..., tuple[PyTree, PyTree]]:
    """Return a function of the results of `fn`, and of its arguments' leaves that differ after the call, by path.

    It adds them to `changes`. A new leaf that is also a result is not lost, and is left out: `nnx.merge` puts the
    variables of its state into the model, so a call of the model changes that state.

    >>> def moved(state, x):
    ...     state["mean"] = x
    ...     return x + 1
    >>> with_changes(moved, changes := {})({"mean": 1.0, "count": 2}, 3.0), changes
    ((4.0, {"[0]['mean']": 3.0}), {"[0]['mean']": False})
    """

    def call(*args: PyTree, **kwargs: PyTree) -> tuple[PyTree, PyTree]:
        before, again = _leaves(args, kwargs), _leaves(args, kwargs)
        result = fn(*args, **kwargs)
        try:
            after = _leaves(args, kwargs)
        except Exception:  # a container that forbids a second use, as Equinox's State, may raise anything
            return result, {}
        stable = [path for path in {**before, **after} if before.get(path) is again.get(path)]
        returned = {id(leaf) for leaf in jax.tree.leaves(result) if isinstance(leaf, jax.Array)}
        changed = [path for path in stable if before.get(path) is not after.get(path)]
        found = {path: after.get(path) for path in changed if id(after.get(path)) not in returned}
        changes.update({path: isinstance(leaf, jax.Array) for path, leaf in found.items()})
        return result, found

    return call


def mutated(jaxpr: AnyJaxpr, changes: Changes, arguments: Sequence[str]) -> list[str]:
    """Return the paths of the changes, without those of calls that only return an operand.

    `nnx.jit` replaces every leaf of a model by a result of its call, whether the function has changed it or not.

    Args:
        jaxpr: of the function that `with_changes` returns. The arrays among the changes are its last results.
        changes: those that it has found.
        arguments: the path of each of its inputs.
    """
    body, _ = opened(jaxpr)
    computed = sorted(path for path, is_array in changes.items() if is_array)  # as JAX sorts the keys of a dict
    results = dict(zip(computed, body.outvars[len(body.outvars) - len(computed) :], strict=True))
    inputs = dict(zip(arguments, body.invars, strict=True))
    return [path for path in changes if path not in results or _origin(body, results[path]) is not inputs.get(path)]


def _origin(jaxpr: Jaxpr, atom: Atom) -> Atom:
    """The variable whose value an atom has, through jitted functions that return an operand."""
    for equation in jaxpr.eqns:
        number = next((number for number, result in enumerate(equation.outvars) if result is atom), None)
        if number is None:
            continue
        if equation.primitive.name != "jit":
            return atom
        body, _ = opened(cast(AnyJaxpr, equation.params["jaxpr"]))
        inner = _origin(body, body.outvars[number])
        operand = next((outer for outer, own in zip(equation.invars, body.invars, strict=True) if own is inner), None)
        return atom if operand is None else _origin(jaxpr, operand)
    return atom


def paths_of_arrays(args: Sequence[PyTree], kwargs: Mapping[str, PyTree]) -> list[str]:
    """Return the paths of the arrays among the arguments, in the order of the inputs of a `TracedCall`."""
    return [path for path, leaf in _leaves(args, kwargs).items() if isinstance(leaf, ARRAYS)]


def _leaves(args: Sequence[PyTree], kwargs: Mapping[str, PyTree]) -> dict[str, object]:
    """The leaves by path: "[0]['kernel']" is in the first argument, and "['x']" is an argument given by name."""
    leaves = jax.tree_util.tree_leaves_with_path((tuple(args), dict(kwargs)))
    return {keystr(path[1:]): leaf for path, leaf in leaves}
