"""Actions: named transformations of the input, each with the transformation of the output that a law expects.

A function f is equivariant under an action if `f(g x) == g f(x)` for each of its elements g, and invariant if g does
not change the output. An action is a name of `NAMED`, a pair of functions, or a dict of such pairs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.checks import choice, several, shown
from jaxconv.errors import explain, public_name
from jaxconv.jaxprs.typing import ArrayValue, PyTree, Shaped, with_leaves
from jaxconv.verify.execution import law
from jaxconv.verify.execution.rearrangement import Move
from jaxconv.verify.shifted_axes import Along, Axes, directions, natural

ActionName: TypeAlias = Literal["rot90", "flip", "transpose", "dihedral", "permute"]
# (on_input, on_output): on_input takes the arguments of fn, on_output its output.
ActionPair: TypeAlias = tuple[Callable[..., PyTree], Callable[[PyTree], PyTree]]
Action: TypeAlias = ActionName | ActionPair | Mapping[str, ActionPair]
OfArray: TypeAlias = Callable[[ArrayValue, Sequence[int]], np.ndarray]  # an array and its axes, one for each direction

PERMUTATIONS = 24  # largest number of permutations that are tried; if there are more, a sample
WRITE = "Write action=(on_input, on_output), or {name: (on_input, on_output)} for several elements"
PASS = "Pass a pair of functions, action=(on_input, on_output), or invariant=True"


@dataclass(frozen=True, eq=False)
class Element:
    """An element of an action: how it transforms the leaves of the arguments, and the leaves of the output."""

    name: str
    on_input: Move
    on_output: Move


def elements(
    action: Action,
    fn: Callable[..., object],
    arguments: tuple[PyTree, ...],
    outputs: Sequence[Shaped],
    axes: Axes | None,
    *,
    invariant: bool,
    seed: int,
) -> list[Element]:
    """The elements of an action other than the identity.

    Args:
        action: a name, a pair of functions or a dict of pairs.
        fn: the function.
        arguments: its arguments, arrays or shapes.
        outputs: shapes of the leaves of its output.
        axes: the axes that a named action transforms.
        invariant: whether a named action leaves the output as it is.
        seed: seed of sampled permutations.

    Raises:
        TypeError: the action or the axes have a wrong type.
        ValueError: an unknown name, axes that do not fit, or an output for which the shapes suggest no action.
    """
    pairs = _checked(action)
    if pairs is None:
        along = directions(arguments, cast(Axes, axes))
        return _named(cast(ActionName, action), arguments, outputs, along, invariant=invariant, seed=seed)
    if axes is not None:
        expected = "left out where the action is given by functions"
        raise ValueError(explain("axes", shown(axes), expected, "Name the axes inside on_input and on_output"))
    if invariant:
        expected = "left out where the action is given by functions"
        raise ValueError(explain("invariant", True, expected, "Pass lambda y: y as on_output"))
    output = jax.eval_shape(fn, *arguments)
    return [_given(name, pair, arguments, output) for name, pair in pairs.items()]


def _checked(action: object) -> dict[str, ActionPair] | None:
    """The pairs of functions by name; None for the name of an action."""
    if isinstance(action, str):
        choice("action", action, tuple(NAMED), besides="a pair of functions")
        return None
    written = shown(action)
    given = cast("Mapping[object, object]", action) if isinstance(action, Mapping) else {"the action": action}
    if not given:
        raise ValueError(explain("action", written, "of one element or more", WRITE))
    pairs: dict[str, ActionPair] = {}
    for name, pair in given.items():
        functions = several(pair)
        if not isinstance(name, str) or functions is None or len(functions) != 2 or not all(map(callable, functions)):
            expected = "a name, a pair of functions or a dict of them"
            raise TypeError(explain("action", written, expected, WRITE))
        pairs[name] = cast(ActionPair, functions)
    return pairs


def _given(name: str, pair: ActionPair, arguments: tuple[PyTree, ...], output: PyTree) -> Element:
    """The element of a pair of the caller's functions, as functions of leaves."""
    on_input, on_output = pair

    def on_arguments(leaves: list[ArrayValue]) -> list[ArrayValue]:
        moved = _applied(name, on_input, *with_leaves(arguments, leaves))
        several_arguments = len(arguments) > 1
        return _leaves(f"what on_input of {name} returns", moved if several_arguments else (moved,), arguments)

    def on_result(leaves: list[ArrayValue]) -> list[ArrayValue]:
        return _leaves(
            f"what on_output of {name} returns", _applied(name, on_output, with_leaves(output, leaves)), output
        )

    return Element(name, on_arguments, on_result)


def _applied(name: str, function: Callable[..., PyTree], *values: PyTree) -> PyTree:
    try:
        return function(*values)
    except Exception as error:
        error.add_note(f"{public_name()} was applying {name}")
        raise


def _leaves(named: str, result: PyTree, like: PyTree) -> list[ArrayValue]:
    """The leaves of what a caller's function returned, which must have the structure of `like`."""
    structure, expected = (cast(object, jax.tree.structure(tree)) for tree in (result, like))
    if structure != expected:
        cure = "Return all arguments, changed or not, or all outputs, in the containers in which they came"
        raise ValueError(explain(named, f"of structure {structure}", f"of structure {expected}", cure))
    return jax.tree.leaves(result)


def _named(
    name: ActionName,
    arguments: tuple[PyTree, ...],
    outputs: Sequence[Shaped],
    along: tuple[Along, ...],
    *,
    invariant: bool,
    seed: int,
) -> list[Element]:
    count, moves = NAMED[name]
    if count is not None and len(along) != count:
        raise ValueError(explain(f"the number of axes of {name}", len(along), f"{count}", "Write axes=(1, 2)"))
    offsets = law.offsets(arguments)
    on_leaf = {offsets[number]: _axes_of(along, number) for number, _ in along[0].arguments}
    on_output = {
        i: axes for i, leaf in enumerate(outputs) if (axes := _output_axes(name, arguments, leaf, along, invariant))
    }
    found = [
        Element(words, _on_leaves(move, on_leaf), _on_leaves(move, on_output))
        for words, move in moves(along, np.random.default_rng(seed))
    ]
    if not found:
        cure = "Pass an input of two cells or more along one of the axes"
        raise ValueError(explain("the length of each axis", 1, f"2 or more, since {name} then has elements", cure))
    return found


def _axes_of(along: Sequence[Along], argument: int) -> tuple[int, ...]:
    return tuple(dict(direction.arguments)[argument] for direction in along)


def _output_axes(
    name: str, arguments: tuple[PyTree, ...], leaf: Shaped, along: tuple[Along, ...], invariant: bool
) -> tuple[int, ...]:
    """The axes that a named action transforms of an output: those of the first input; none for a pooled output."""
    number = along[0].arguments[0][0]
    rank, axes = len(arguments[number].shape), _axes_of(along, number)
    if invariant:
        return ()
    if len(leaf.shape) == rank:
        for direction, axis in zip(along, axes, strict=True) if name == "permute" else ():
            if leaf.shape[axis] not in (1, direction.length):
                expected = f"1 or {direction.length}, as of the input"
                raise ValueError(
                    explain(f"the length of the output along axis {axis}", leaf.shape[axis], expected, PASS)
                )
        return axes
    if not all(natural(direction, rank, leaf.shape, cyclic=True) for direction in along):
        expected = f"of as many axes as the input, {rank}, or without the axes of {name}"
        raise ValueError(explain("an output's shape", tuple(leaf.shape), expected, PASS))
    kept = {direction.length for direction in along} & {*leaf.shape} - {1}
    if kept:  # It may hold a moved axis under another number, as after a sum over another axis.
        expected = f"without an axis as long as those that {name} moves, {sorted(kept)}"
        raise ValueError(explain("the shape of an output with fewer axes", tuple(leaf.shape), expected, PASS))
    return ()


def _on_leaves(move: OfArray, axes: Mapping[int, Sequence[int]]) -> Move:
    """The function that moves some leaves along their axes, and passes the others on."""
    return lambda leaves: [jnp.asarray(move(x, axes[i])) if i in axes else x for i, x in enumerate(leaves)]


def _quarter_turns(_along: Sequence[Along], _rng: np.random.Generator) -> Iterator[tuple[str, OfArray]]:
    for k in (1, 2, 3):
        yield f"rot90 by {k} quarter turn{'s' * (k > 1)}", lambda x, axes, k=k: np.rot90(x, k, (axes[0], axes[1]))


def _flips(along: Sequence[Along], _rng: np.random.Generator) -> Iterator[tuple[str, OfArray]]:
    """Flips along each axis, then along each pair of axes, and so on."""
    numbers = range(len(along))
    for chosen in itertools.chain.from_iterable(itertools.combinations(numbers, size + 1) for size in numbers):
        words = " and ".join(str(along[number]) for number in chosen)
        yield f"flip along {words}", lambda x, axes, chosen=chosen: np.flip(x, tuple(axes[number] for number in chosen))


def _transposes(along: Sequence[Along], _rng: np.random.Generator) -> Iterator[tuple[str, OfArray]]:
    yield f"transpose of {along[0]} and {along[1]}", lambda x, axes: np.swapaxes(x, axes[0], axes[1])


def _dihedral(along: Sequence[Along], rng: np.random.Generator) -> Iterator[tuple[str, OfArray]]:
    """The eight symmetries of a square without the identity: three rotations, then four reflections."""
    yield from _quarter_turns(along, rng)
    yield from itertools.islice(_flips(along, rng), 2)
    yield from _transposes(along, rng)
    yield (
        f"anti-transpose of {along[0]} and {along[1]}",
        lambda x, axes: np.rot90(np.swapaxes(x, axes[0], axes[1]), 2, (axes[0], axes[1])),
    )


def _permutations(along: Sequence[Along], rng: np.random.Generator) -> Iterator[tuple[str, OfArray]]:
    """All permutations along all axes, or a sample: exchanges, rotations and random ones."""
    lengths = [direction.length for direction in along]
    identity = tuple(tuple(range(n)) for n in lengths)
    if all(n <= PERMUTATIONS for n in lengths) and math.prod(map(math.factorial, lengths)) <= PERMUTATIONS:
        chosen = itertools.product(*(itertools.permutations(range(n)) for n in lengths))
    else:
        swapped = ((1, 0, *own[2:]) if len(own) > 1 else own for own in identity)
        rotated = ((*own[1:], 0) for own in identity)
        single = [
            (*identity[:number], order, *identity[number + 1 :])
            for number, orders in enumerate(zip(swapped, rotated, strict=True))
            for order in orders
        ]
        count = max(1, PERMUTATIONS - len(single))
        drawn = (tuple(tuple(rng.permutation(n).tolist()) for n in lengths) for _ in range(count))
        chosen = itertools.chain(single, drawn)
    for orders in dict.fromkeys(chosen):
        if orders != identity:
            yield _permuted(along, orders), lambda x, axes, orders=orders: _reordered(x, axes, orders)


def _permuted(along: Sequence[Along], orders: Sequence[Sequence[int]]) -> str:
    """The name of a permutation: `y[i] = x[order[i]]`."""
    short = [f"[{', '.join(map(str, order[:8]))}{', ...' * (len(order) > 8)}]" for order in orders]
    return "permutation " + " and ".join(f"{order} along {axis}" for order, axis in zip(short, along, strict=True))


def _reordered(x: ArrayValue, axes: Sequence[int], orders: Sequence[Sequence[int]]) -> np.ndarray:
    y = np.asarray(x)
    for axis, order in zip(axes, orders, strict=True):
        y = y if y.shape[axis] == 1 else y.take(order, axis)
    return y


# For each named action, the number of axes that it needs, and its elements other than the identity.
Elements: TypeAlias = Callable[[Sequence[Along], np.random.Generator], Iterator[tuple[str, OfArray]]]
NAMED: dict[ActionName, tuple[int | None, Elements]] = {
    "rot90": (2, _quarter_turns),
    "flip": (None, _flips),
    "transpose": (2, _transposes),
    "dihedral": (2, _dihedral),
    "permute": (None, _permutations),
}


def refuse_beside_action(**settings: tuple[object, object]) -> None:
    """Raise ValueError for a setting of shifts, given as `name=(value, default)`, that is not at its default."""
    for name, (value, default) in settings.items():
        if value is not default and value != default:
            raise ValueError(explain(name, shown(value), "left out where an action is given", "Leave it out"))
