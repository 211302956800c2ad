"""The axes along which an input is shifted, and the moves of the output that the shapes suggest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias, cast

import jax

from jaxconv.checks import integer, several, shown
from jaxconv.errors import explain
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.tracing import refuse_symbolic

Axes: TypeAlias = Sequence[int] | Mapping[int, Sequence[int]]
Moves: TypeAlias = tuple[tuple[int, int], ...]  # pairs (output axis, t); empty for invariance

Verb: TypeAlias = Literal["shift", "tile", "split", "stream"]  # what a public function does to an input along its axes
PAST: dict[Verb, str] = {"shift": "shifted", "tile": "tiled", "split": "split", "stream": "streamed"}


def _cure(verb: Verb) -> str:
    return f"Write axes=(1, 2) to {verb} along h and w of [n, h, w, c]"


@dataclass(frozen=True)
class Along:
    """One direction of a shift: an axis of one argument, or one axis each of several arguments shifted together."""

    arguments: tuple[tuple[int, int], ...]  # (argument, axis)
    length: int

    def __str__(self) -> str:
        return " and ".join(f"axis {axis} of argument {argument}" for argument, axis in self.arguments)


def directions(arguments: Sequence[PyTree], axes: Axes, verb: Verb = "shift") -> tuple[Along, ...]:
    """Check `axes`, and return the directions of the shifts, with non-negative axes. See `jc.certify` for `axes`.

    Args:
        arguments: arguments of the certified function.
        axes: axes as the caller passes them.
        verb: what the public function does to the input, for messages.

    Raises:
        TypeError: `axes` has a wrong type, or an argument with axes is not an array.
        ValueError: an axis does not exist, is repeated or is empty, no axis is given, or lengths differ.
    """
    refuse_symbolic(arguments)
    given = by_argument(arguments, axes, verb)
    shapes = {number: _checked_shape(arguments, number, own_axes, verb) for number, own_axes in given.items()}
    lengths = _equal_lengths(given, shapes, verb)
    pairs = [[(number, axis % len(shapes[number])) for axis in own_axes] for number, own_axes in given.items()]
    if any(len(set(own_pairs)) < len(own_pairs) for own_pairs in pairs):
        raise ValueError(explain("axes", shown(axes), "each axis once", _cure(verb)))
    return tuple(Along(tuple(pair), n) for pair, n in zip(zip(*pairs, strict=True), lengths, strict=True))


def _equal_lengths(
    axes: Mapping[int, Sequence[int]], shapes: Mapping[int, tuple[int, ...]], verb: Verb
) -> tuple[int, ...]:
    """Return the lengths of the shifted axes, which are the same for every argument.

    Raises:
        ValueError: no axis is given, or arguments differ in the number of axes or in a length.
    """
    if not any(axes.values()):
        raise ValueError(explain("axes", "empty", "one axis or more", _cure(verb)))
    (first, first_axes), *others = axes.items()
    for number, own_axes in others:
        if len(own_axes) != len(first_axes):
            expected = f"{len(first_axes)}, the number of {PAST[verb]} axes of argument {first}"
            named = f"the number of {PAST[verb]} axes of argument {number}"
            raise ValueError(explain(named, len(own_axes), expected, _cure(verb)))
        for axis, first_axis in zip(own_axes, first_axes, strict=True):
            length, first_length = shapes[number][axis], shapes[first][first_axis]
            if length != first_length:
                expected = f"{first_length}, the length of argument {first} along axis {first_axis}"
                named = f"the length of argument {number} along axis {axis}"
                raise ValueError(explain(named, length, expected, _cure(verb)))
    return tuple(shapes[first][axis] for axis in first_axes)


def by_argument(arguments: Sequence[PyTree], axes: Axes, verb: Verb = "shift") -> dict[int, tuple[int, ...]]:
    """Return the axes of each shifted argument, as integers."""
    if not isinstance(axes, Mapping):
        if several(axes) is None:
            expected = "a sequence of axes, or a dict of them, {argument number: axes}"
            raise TypeError(explain("axes", shown(axes), expected, _cure(verb)))
        if len(arguments) != 1:
            cure = f"Write {{1: (1, 2)}} to {verb} axes 1 and 2 of the second argument"
            raise ValueError(explain("axes", shown(axes), "a dict, since there are several arguments", cure))
        axes = {0: axes}
    checked: dict[int, tuple[int, ...]] = {}
    for number, own_axes in axes.items():
        sequence = several(own_axes)
        if sequence is None:
            expected = f"a dict with a sequence of axes for argument {number}"
            cure = "Write {0: (1,)} for axis 1 of the first argument"
            raise TypeError(explain("axes", shown(dict(axes)), expected, cure))
        key = integer("the argument's number in axes", number, cure="The first argument after fn is 0")
        checked[key] = tuple(integer("an axis", axis, cure=_cure(verb)) for axis in sequence)
    return checked


def _checked_shape(arguments: Sequence[PyTree], number: int, axes: Sequence[int], verb: Verb) -> tuple[int, ...]:
    """Return the shape of an argument, which must have these axes, and cells along them."""
    if not 0 <= number < len(arguments):
        expected = f"from 0 to {len(arguments) - 1}"
        cure = "The first argument after fn is 0"
        raise ValueError(explain("the argument's number in axes", number, expected, cure))
    argument = arguments[number]
    shape, leaves = getattr(argument, "shape", None), jax.tree.leaves(argument)
    if shape is None or not (len(leaves) == 1 and leaves[0] is argument):
        kind = type(argument).__name__ + ("" if shape is None else f", a container of {len(leaves)} arrays")
        cure = f"Pass the array to {verb} as a separate argument"
        items = cast("Sequence[object]", argument) if isinstance(argument, tuple | list) else ()
        if items and all(isinstance(n, int) for n in items):
            cure = f'Write jax.ShapeDtypeStruct({tuple(items)}, "float32") for an array of that shape'
        raise TypeError(explain(f"argument {number}", kind, f"an array, since it has axes to {verb}", cure))
    for axis in axes:
        if not -len(shape) <= axis < len(shape):
            expected = f"from {-len(shape)} to {len(shape) - 1}: argument {number} has shape {tuple(shape)}"
            raise ValueError(explain("an axis", axis, expected, _cure(verb)))
    for axis in axes:
        if shape[axis] < 1:
            cure = f"{verb.capitalize()} another axis, or pass a non-empty input"
            named = f"the length of argument {number} along axis {axis}"
            raise ValueError(explain(named, shape[axis], "1 or more", cure))
    return tuple(shape)


def natural(along: Along, rank: int, shape: Sequence[int], *, cyclic: bool) -> tuple[int, Moves] | None:
    """Return the shift and the moves that the shapes suggest, for an input of `rank` axes and an output of `shape`.

    - The output has as many axes as the input: the same axis, of length m, moves by `s*m/n`. Let s/t be n/m in lowest
      terms. If neither s nor t is above 4, or one of them is 1, shifts by s move the output by t. Strides (2/1) and
      up-sampling (1/2) are of this form. Otherwise, n/m is rounded to an integer stride, or m/n to an integer
      up-sampling factor. If `cyclic` is False, the rate is always rounded, because windows also crop the border.
      m = 1 < n suggests invariance.
    - The output has fewer axes than the input: the axis was pooled, which suggests invariance.

    The result is None if the shapes suggest nothing. This is so if the output has more axes than the input, or has
    fewer axes, one of which has the same number and length as the shifted axis.
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
