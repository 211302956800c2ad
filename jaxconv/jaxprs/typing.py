"""Types of jaxprs and of the values in them, where JAX's annotations do not state them.

JAX has no common type of the values that an equation may have, and annotates avals and parameters without their
contents. So each use of `Any` for these is here, under a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, TypeGuard, cast

import jax.numpy as jnp
import numpy as np
from jax.extend.core import (
    ClosedJaxpr,  # pyright: ignore[reportPrivateImportUsage]  public, but JAX 0.12 re-exports it under another name
    Jaxpr,
    JaxprEqn,
    Literal,
    Var,
)

Atom: TypeAlias = Var | Literal  # an operand of an equation
AnyJaxpr: TypeAlias = Jaxpr | ClosedJaxpr  # the same class from JAX 0.12 on
Stack: TypeAlias = tuple[JaxprEqn, ...]  # an equation's enclosing equations
Params: TypeAlias = Mapping[str, Any]  # parameters of an equation, whose types depend on its primitive
ArrayValue: TypeAlias = Any  # an array of JAX or NumPy, concrete or traced, a random key, a reference, or a number
PyTree: TypeAlias = Any  # arrays in containers of any registered class


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


def aval_of(atom: Atom) -> Shaped:
    """Return the aval of a variable or literal. If it is not an array, the attributes are missing."""
    aval: Any = atom.aval
    return aval


def eps_of(dtype: np.dtype) -> float:
    """Return the eps of a float or complex dtype."""
    return float(cast(float, jnp.finfo(dtype).eps))


def is_jaxpr(value: object) -> TypeGuard[AnyJaxpr]:
    """Whether a parameter is a jaxpr, open or closed."""
    return hasattr(getattr(value, "jaxpr", value), "eqns")
