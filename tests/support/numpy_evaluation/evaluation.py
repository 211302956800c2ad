"""Jaxprs evaluated equation by equation: by the rows of the other modules, or as JAX says that a call is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from jaxconv.jaxprs.layout import called, opened
from jaxconv.lowering.primitive import COMPUTED
from support.numpy_evaluation import indices, layout, numbers, windows
from support.numpy_evaluation.control import CONTROL

ROWS: dict[str, Callable[..., Any]] = layout.ROWS | numbers.ROWS | windows.ROWS | indices.ROWS
# Of keys, which NumPy does not have; JAX's own bits, in programs that all draws of one shape share.
DRAWN = {"random_bits", "random_fold_in", "random_seed", "random_split", "random_unwrap", "random_wrap"}


def evaluated(fn: Callable[..., Any], platform: str = "cpu") -> Callable[..., Any]:
    """The same function of arrays, computed by NumPy; our own primitives as on `platform`.

    As by `jax.jit`, it is traced once for arguments of the same shapes and dtypes.

    Raises:
        NotImplementedError: an equation has no row here.
    """
    evaluation = Evaluation(platform)
    traced: dict[Any, Any] = {}

    def run(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        key = structure, jax.config.jax_enable_x64, *map(jax.typeof, leaves)
        if key not in traced:
            closed, shapes = jax.make_jaxpr(fn, return_shape=True)(*arguments)
            traced[key] = closed, jax.tree.structure(shapes)
        closed, structure = traced[key]
        with np.errstate(all="ignore"):  # infinities and NaNs are results like others
            found = evaluation.run(closed, [as_numpy(leaf) for leaf in leaves])
        return jax.tree.unflatten(structure, found)

    return run


def as_numpy(value: Any) -> Any:
    """As a NumPy array; a key of random numbers stays as it is."""
    dtype = getattr(value, "dtype", None)
    return value if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) else np.asarray(value)


class Evaluation:
    """Jaxprs evaluated on one platform; what our own primitives do is traced once for each shape."""

    def __init__(self, platform: str = "cpu") -> None:
        self.platform = platform
        self.computing: dict[Any, Any] = {}  # jaxprs of our own primitives

    def run(self, closed: Any, operands: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The results of a jaxpr, each held against the shape and dtype that JAX gives it."""
        jaxpr, consts = opened(closed)
        values: dict[Any, np.ndarray] = dict(zip(jaxpr.constvars, map(as_numpy, consts), strict=True))
        values.update(zip(jaxpr.invars, operands, strict=True))

        def read(atom: Any) -> np.ndarray:
            return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else values[atom]

        for equation in jaxpr.eqns:
            found = self.computed(equation, [read(atom) for atom in equation.invars])
            for variable, value in zip(equation.outvars, found, strict=True):
                value, aval = as_numpy(value), variable.aval
                if value.shape != aval.shape or value.dtype != aval.dtype:
                    raise AssertionError(f"{equation.primitive}: {value.dtype}{value.shape} instead of {aval}")
                values[variable] = value
        return [read(atom) for atom in jaxpr.outvars]

    def computed(self, equation: Any, operands: list[np.ndarray]) -> Sequence[Any]:
        """The results of one equation."""
        primitive, params = equation.primitive, equation.params
        if primitive in COMPUTED:
            return self.run(self._of_ours(primitive, params, operands), operands)
        if primitive.name in DRAWN:
            return [primitive.bind(*operands, **params)]
        if primitive.name in CONTROL:
            return CONTROL[primitive.name](*operands, run=self.run, **params)
        if primitive.name in ROWS:
            found = ROWS[primitive.name](*operands, **params)
            return found if primitive.multiple_results else [found]
        if (inner := called(equation)) is not None:
            return self.run(inner, operands)
        raise NotImplementedError(f"NumPy has no row for {primitive}")

    def _of_ours(self, primitive: Any, params: dict[str, Any], operands: list[np.ndarray]) -> Any:
        """The jaxpr of one of our own primitives on this platform."""
        key = primitive, tuple(params.items()), *((operand.shape, operand.dtype) for operand in operands)
        if key not in self.computing:
            compute = partial(COMPUTED[primitive], platform=self.platform, **params)
            self.computing[key] = jax.make_jaxpr(compute)(*operands)
        return self.computing[key]
