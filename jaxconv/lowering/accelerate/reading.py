"""`Reading`: one of lax's equations, read as an operation of ours; and the checks that all readings share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Array

from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.rewrite import KeptError, Makers
from jaxconv.jaxprs.typing import Atom, Shaped, aval_of
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.primitive import is_explicit_type
from jaxconv.lowering.table import algorithm_for
from jaxconv.window import Axis, Pad


@dataclass(frozen=True)
class Reading:
    """What an equation of lax means in ours.

    Attributes:
        operation: our operation.
        spec: its geometry.
        sizes: batch size, and numbers of input and output channels.
        operands: the atoms that it is computed from.
        compute: takes their values, and returns the equation's result.
        derivatives: the operations that its derivatives of first order need.
        forced: the algorithm that `use_algorithm` forces, or None.
    """

    operation: str
    spec: ConvSpec
    sizes: tuple[object, int, int]
    operands: Sequence[Atom]
    compute: Callable[..., Array]
    derivatives: tuple[str, ...] = ()
    forced: str | None = None

    def algorithms(self) -> dict[str, str]:
        """Operation -> the algorithm that is forced, or else the table's on the CPU, first for the operation itself."""
        algorithm = lambda operation: self.forced or algorithm_for(operation, self.spec, *self.sizes)
        return {operation: algorithm(operation) for operation in (self.operation, *self.derivatives)}


# Primitive of lax -> the function that reads an equation of it, or raises `KeptError`.
READERS: Registry[Callable[[JaxprEqn, Makers], Reading]] = Registry()
REAL = [
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]
Lengths: TypeAlias = tuple[int, ...]


def check_types(equation: JaxprEqn, *, real: bool) -> None:
    """Keep equations whose operands the table does not take: of other or several dtypes, empty, or explicitly sharded.

    Raises:
        KeptError: with the reason.
    """
    avals = [aval_of(atom) for atom in (*equation.invars, *equation.outvars)]
    if len({aval.dtype for aval in avals[: len(equation.invars)]}) > 1:
        raise KeptError("its operands have different dtypes")
    taken = REAL if real else [*REAL, "complex64", "complex128"]
    for aval in avals:
        if str(aval.dtype) not in taken:
            raise KeptError(f"the table takes no {aval.dtype}")
        if any(isinstance(length, int) and length == 0 for length in aval.shape):
            raise KeptError("an array is empty")
        if is_explicit_type(aval):
            raise KeptError("its sharding is explicit, which is left to lax")
    if any(jnp.issubdtype(avals[0].dtype, kind) != jnp.issubdtype(avals[-1].dtype, kind) for kind in KINDS):
        raise KeptError(f"its result is {avals[-1].dtype} and its operands are {avals[0].dtype}")


KINDS = (np.integer, np.floating, np.complexfloating)


def known(lengths: Sequence[object], what: str) -> Lengths:
    """Return lengths as integers.

    Raises:
        KeptError: a length is symbolic.
    """
    if not all(isinstance(length, int) for length in lengths):
        raise KeptError(f"{what} is not known yet: {tuple(lengths)}")
    return cast(Lengths, tuple(lengths))


def transposed(a: Array, order: Sequence[int]) -> Array:
    """The axes in an order."""
    return a if tuple(order) == tuple(range(a.ndim)) else jax.lax.transpose(a, tuple(order))


def untransposed(a: Array, order: Sequence[int]) -> Array:
    """The inverse of `transposed`."""
    return transposed(a, sorted(range(a.ndim), key=lambda axis: order[axis]))


def shape_in(atom: Atom, order: Sequence[int]) -> tuple[int, ...]:
    """The shape of an array with its axes in an order."""
    aval: Shaped = aval_of(atom)
    return tuple(aval.shape[axis] for axis in order)


@dataclass(frozen=True)
class Cropped:
    """An axis that a window slides over, after the cells outside of [start, stop) are cut off."""

    axis: Axis
    start: int
    stop: int


def cut(a: Array, axes: Sequence[Cropped]) -> Array:
    """x [n, *spatial, c] without the cells that are cut off."""
    if all((each.start, each.stop) == (0, a.shape[number]) for number, each in enumerate(axes, start=1)):
        return a
    starts = (0, *(each.start for each in axes), 0)
    return jax.lax.slice(a, starts, (a.shape[0], *(each.stop for each in axes), a.shape[-1]))


def padded_axis(length: int, taps: int, stride: int, dilation: int, lo: int, hi: int) -> Cropped:
    """The axis of a window over zeros at both ends; negative numbers of zeros cut cells off, as in lax.

    >>> padded_axis(7, 3, 2, 1, 1, -2)
    Cropped(axis=Axis(length=5, taps=3, stride=2, dilation=1, pad=Pad(lo=1, hi=0, boundary='ZERO')), start=0, stop=5)
    """
    start, stop = max(-lo, 0), length - max(-hi, 0)
    if start >= stop:
        raise KeptError("its padding cuts every cell off")
    return Cropped(Axis(stop - start, taps, stride, dilation, Pad(max(lo, 0), max(hi, 0))), start, stop)


def axis_of_windows(length: int, taps: int, stride: int, dilation: int, lo: int, out: int) -> Cropped:
    """The axis with `out` windows over `length` cells, of which the first has `lo` zeros in front (or cells, if < 0).

    >>> axis_of_windows(7, 3, 2, 1, 1, 4).axis.pad, axis_of_windows(9, 3, 2, 1, 0, 2)
    (Pad(lo=1, hi=1, boundary='ZERO'), Cropped(axis=Axis(length=5, taps=3, stride=2, dilation=1, \
pad=Pad(lo=0, hi=0, boundary='ZERO')), start=0, stop=5))
    """
    needed = (out - 1) * stride + dilation * (taps - 1) + 1 - lo  # cells up to the last tap of the last window
    more = needed - length
    return padded_axis(length, taps, stride, dilation, lo, more if more > 0 or -more >= stride else 0)
