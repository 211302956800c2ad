"""Types of jaxprs and of the values in them, where JAX's annotations do not state them.

JAX has no common type of the values that an equation may have, and annotates avals and parameters without their
contents. So each use of `Any` for these is here, under a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeGuard, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import (
    ClosedJaxpr,  # pyright: ignore[reportPrivateImportUsage]  public, but JAX 0.12 re-exports it under another name
    Jaxpr,
    JaxprEqn,
    Literal,
    Var,
)
from jax.typing import DTypeLike

Atom: TypeAlias = Var | Literal  # an operand of an equation
AnyJaxpr: TypeAlias = Jaxpr | ClosedJaxpr  # the same class from JAX 0.12 on
Stack: TypeAlias = tuple[JaxprEqn, ...]  # an equation's enclosing equations
Params: TypeAlias = Mapping[str, Any]  # parameters of an equation, whose types depend on its primitive
ArrayValue: TypeAlias = Any  # an array of JAX or NumPy, concrete or traced, a random key, a reference, or a number
Array: TypeAlias = np.ndarray | jax.Array  # random keys are a jax.Array
PyTree: TypeAlias = Any  # arrays in containers of any registered class
KeyPath: TypeAlias = tuple[object, ...]  # the path of a leaf of a pytree


class Shaped(Protocol):
    """The attributes of avals of arrays, of `jax.ShapeDtypeStruct`, and of arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """The dtype, which is not NumPy's for random keys."""
        ...

    @property
    def size(self) -> int:
        """Number of cells."""
        ...


class Varying(Shaped, Protocol):
    """The attributes of avals of arrays inside `shard_map`."""

    @property
    def manual_axis_type(self) -> object:
        """The mesh axes over which the array varies."""
        ...

    def update(self, *, manual_axis_type: object) -> Varying:
        """Return the type of an array that varies over these axes."""
        ...


class DerivativeRule(Protocol):
    """The rule of a custom derivative, which JAX traces when it differentiates."""

    @property
    def debug_info(self) -> object:
        """What JAX's error messages say of the rule."""
        ...

    def call_wrapped(self, *zeros: bool) -> tuple[ArrayValue, ...]:
        """Return its jaxpr, the constants of that, and more."""
        ...


def aval_of(atom: Atom) -> Shaped:
    """Return the aval of a variable or literal. If it is not an array, the attributes are missing."""
    aval: Any = atom.aval
    return aval


def shaped(shape: tuple[int, ...], dtype: DTypeLike) -> Shaped:
    """Return a shape and a dtype."""
    return cast(Shaped, jax.ShapeDtypeStruct(shape, dtype))


def shape_of(atom: Atom) -> tuple[int, ...]:
    """Return the shape of a variable or literal; () if it is not an array."""
    return tuple(getattr(atom.aval, "shape", ()))


def eps_of(dtype: np.dtype) -> float:
    """Return the eps of a float or complex dtype."""
    return float(cast(float, jnp.finfo(dtype).eps))


def leaves_with_paths(tree: PyTree) -> list[tuple[KeyPath, ArrayValue]]:
    """Return each leaf of a container with its path, as `jax.tree_util.tree_leaves_with_path` does."""
    return cast("list[tuple[KeyPath, ArrayValue]]", jax.tree_util.tree_leaves_with_path(tree))


def with_leaves(tree: PyTree, leaves: Sequence[ArrayValue]) -> PyTree:
    """Return a container of the same structure with other leaves."""
    return jax.tree.unflatten(cast(object, jax.tree.structure(tree)), leaves)


def is_jaxpr(value: object) -> TypeGuard[AnyJaxpr]:
    """Whether a parameter is a jaxpr, open or closed."""
    return hasattr(getattr(value, "jaxpr", value), "eqns")
