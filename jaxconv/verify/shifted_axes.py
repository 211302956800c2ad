"""Along which axes an input is shifted, and by how much the shapes suggest that the output moves then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from jaxconv.checks import integer, several, shown
from jaxconv.errors import explain
from jaxconv.verify.tracing import refuse_symbolic

Axes: TypeAlias = Sequence[int] | Mapping[int, Sequence[int]]
Moves: TypeAlias = tuple[tuple[int, int], ...]  # (output axis, t) each; none at all is invariance

AXES = "Write axes=(1, 2) to shift along h and w of [n, h, w, c]"


@dataclass(frozen=True)
class Along:
    """One direction of shifting: an axis of one argument, or of several that are shifted together."""

    arguments: tuple[tuple[int, int], ...]  # (argument, axis)
    length: int

    def __str__(self) -> str:
        return " and ".join(f"axis {axis} of argument {argument}" for argument, axis in self.arguments)


def directions(where: str, arguments: Sequence[Any], axes: Axes) -> tuple[Along, ...]:
    """The axes to shift along, checked and counted from the front: see `jc.certify` for what `axes` may be.

    `where` is the function that an error names.
    """
    refuse_symbolic(where, arguments)
    given = by_argument(where, arguments, axes)
    shapes = {number: _checked_shape(where, arguments, number, its_axes) for number, its_axes in given.items()}
    lengths = [[shapes[number][axis] for axis in its_axes] for number, its_axes in given.items()]
    if not lengths or not lengths[0] or any(one != lengths[0] for one in lengths):
        expected = "the same for every argument that is shifted, one axis or more"
        raise ValueError(explain(where, "the lengths along the shifted axes", lengths, expected, AXES))
    pairs = [[(number, axis % len(shapes[number])) for axis in its] for number, its in given.items()]
    if any(len(set(its_pairs)) < len(its_pairs) for its_pairs in pairs):
        raise ValueError(explain(where, "axes", shown(axes), "each axis once", AXES))
    return tuple(Along(tuple(pair), n) for pair, n in zip(zip(*pairs, strict=True), lengths[0], strict=True))


def by_argument(where: str, arguments: Sequence[Any], axes: Axes) -> dict[int, tuple[int, ...]]:
    """The axes of each argument that is shifted, as integers."""
    if not isinstance(axes, Mapping):
        if several(axes) is None:
            expected = "a sequence of axes, or a dict of them, {argument number: axes}"
            raise TypeError(explain(where, "axes", shown(axes), expected, AXES))
        if len(arguments) != 1:
            cure = "Write {1: (1, 2)} to shift axes 1 and 2 of the second argument"
            raise ValueError(explain(where, "axes", shown(axes), "a dict, since there are several arguments", cure))
        axes = {0: axes}
    found = {}
    for number, its_axes in axes.items():
        each = several(its_axes)
        if each is None:
            expected = f"of a sequence of axes for argument {number}"
            cure = "Write {0: (1,)} for axis 1 of the first"
            raise TypeError(explain(where, "axes", shown(dict(axes)), expected, cure))
        key = integer(where, "the argument's number in axes", number, cure="The first argument after fn is 0")
        found[key] = tuple(integer(where, "an axis", axis, cure=AXES) for axis in each)
    return found


def _checked_shape(where: str, arguments: Sequence[Any], number: int, axes: Sequence[int]) -> tuple[int, ...]:
    """The shape of an argument that has these axes, none of them empty."""
    if not 0 <= number < len(arguments):
        expected = f"from 0 to {len(arguments) - 1}"
        cure = "The first argument after fn is 0"
        raise ValueError(explain(where, "the argument's number in axes", number, expected, cure))
    shape = getattr(arguments[number], "shape", None)
    if shape is None:
        found = type(arguments[number]).__name__
        cure = "Shift an array of its own, and pass the rest as another argument"
        sizes = arguments[number]
        if isinstance(sizes, tuple | list) and sizes and all(isinstance(n, int) for n in sizes):
            cure = f'Write jax.ShapeDtypeStruct({tuple(sizes)}, "float32") for an array of that shape'
        raise TypeError(explain(where, f"argument {number}", found, "an array, since it has axes to shift", cure))
    for axis in axes:
        if not -len(shape) <= axis < len(shape):
            expected = f"from {-len(shape)} to {len(shape) - 1}: argument {number} has shape {tuple(shape)}"
            raise ValueError(explain(where, "an axis", axis, expected, AXES))
    if any(shape[axis] < 1 for axis in axes):
        cure = "Shift another axis, or pass an input with cells"
        raise ValueError(explain(where, f"argument {number}", tuple(shape), "1 or more along the shifted axes", cure))
    return tuple(shape)


def natural(along: Along, rank: int, shape: Sequence[int], *, cyclic: bool) -> tuple[int, Moves] | None:
    """The lattice that the shapes suggest, of an output of `shape`, of an input of `rank`: a shift and its moves.

    - As many axes as the input: the same axis, of length m, moves by `s*m/n`. If n/m in lowest terms is s/t with
      neither above 4, or one of them 1, shifts by s move by t; that is how strides (2/1) and up-sampling (1/2) look.
      Otherwise, and always off the cyclic model, where windows also cut the border off, n/m is rounded to a whole
      stride (or m/n to a whole up-sampling). m = 1 < n is invariance.
    - Fewer axes than the input: the axis was pooled away, which is invariance.

    None where the shapes say nothing: more axes than the input, or fewer with one as long at the same place.
    """
    (_, axis), n = along.arguments[0], along.length
    if len(shape) != rank:
        unclear = len(shape) > rank or (axis < len(shape) and shape[axis] == n > 1)
        return None if unclear else (1, ())
    m = shape[axis]
    if m == 0 or (m == 1 < n):
        return 1, ()
    rate = Fraction(n, m)
    low, high = sorted((rate.numerator, rate.denominator))
    if not cyclic or (high > 4 and low > 1):
        rate = Fraction(max(1, round(rate))) if n >= m else Fraction(1, max(1, round(1 / rate)))
    return rate.numerator, ((axis, rate.denominator),)
