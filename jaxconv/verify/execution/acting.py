"""An action on a function: what each element does to inputs and outputs, and the programs that run the moved inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxconv.errors import explain
from jaxconv.jaxprs.typing import ArrayValue, PyTree, leaves_with_paths, with_leaves
from jaxconv.verify import array_json
from jaxconv.verify.execution.actions import Action, Element, elements
from jaxconv.verify.execution.program import Program, traced
from jaxconv.verify.execution.rearrangement import Rearrangement, rearrangement
from jaxconv.verify.shifted_axes import Axes


@dataclass(frozen=True, eq=False)
class Acting:
    """An element of an action on a function.

    Attributes:
        element: the element.
        program: the function at the shapes of the moved input.
        on_input: how it moves the leaves of the arguments; None if it does more than to move values.
        on_output: how it moves the leaves of the output; None likewise.
        changed: the numbers of the leaves of the arguments that it changes.
    """

    element: Element
    program: Program
    on_input: Rearrangement | None
    on_output: Rearrangement | None
    changed: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of the element."""
        return self.element.name

    @property
    def moves_only(self) -> bool:
        """Whether the element only moves values, or changes their signs, on both sides."""
        return self.on_input is not None and self.on_output is not None

    def moved(self, leaves: Sequence[ArrayValue]) -> list[ArrayValue]:
        """The leaves of the moved input."""
        if self.on_input is not None:
            kept = self.on_input([np.asarray(x) if i in self.changed else x for i, x in enumerate(leaves)])
            return [y if i in self.changed else leaves[i] for i, y in enumerate(kept)]
        return self.element.on_input([jnp.asarray(x) if i in self.changed else x for i, x in enumerate(leaves)])

    def expected(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs that the law expects for the moved input, from those for the input."""
        if self.on_output is not None:
            return self.on_output(outputs)
        return [np.asarray(y) for y in self.element.on_output([jnp.asarray(y) for y in outputs])]

    def expected_bound(self, program: Program, number: int, leaves: Sequence[ArrayValue], live: set[int]) -> np.ndarray:
        """How far rounding may move each cell of an expected output; see `rounding_bound`."""
        on_output = cast(Rearrangement, self.on_output)  # only elements that move values are judged
        needed = on_output.origins(number)
        bounds = [
            rounding_bound(program, i, leaves, live) if i in needed else np.zeros(leaf.shape)
            for i, (_, leaf) in enumerate(program.outputs)
        ]
        return np.abs(on_output(bounds)[number])


def changed_leaves(actings: Sequence[Acting]) -> set[int]:
    """The numbers of the leaves of the arguments that any element changes."""
    return {leaf for acting in actings for leaf in acting.changed}


def rounding_bound(program: Program, number: int, leaves: Sequence[ArrayValue], live: set[int]) -> np.ndarray:
    """How far rounding may move each cell of an output leaf: see `Program.rounding_bounds`. `live`: leaves to stack."""
    stacks = {i: np.asarray(leaves[i])[None] for i in live}
    (exact,), _ = program.execute((number,), leaves, stacks)
    return program.rounding_bounds(number, leaves, stacks, exact)[0]


def acting(
    action: Action,
    fn: Callable[..., object],
    arguments: tuple[PyTree, ...],
    program: Program,
    axes: Axes | None,
    *,
    invariant: bool,
    seed: int,
) -> tuple[Acting, ...]:
    """The elements of an action on a function, traced at the shapes of each moved input.

    Raises:
        TypeError: the action changes random keys.
        ValueError: the output for a moved input has other shapes than the moved output; or as for `elements`.
    """
    outputs = [leaf for _, leaf in program.outputs]
    specs = [_spec(leaf) for leaf in jax.tree.leaves(arguments)]
    chosen = elements(action, fn, arguments, outputs, axes, invariant=invariant, seed=seed)
    found = tuple(_acting(element, fn, arguments, specs, program) for element in chosen)
    if not changed_leaves(found):
        cure = "Pass a larger input, or another action"
        raise ValueError(explain("the action", "the identity of the input", "one that changes the input", cure))
    return found


def _acting(
    element: Element,
    fn: Callable[..., object],
    arguments: tuple[PyTree, ...],
    specs: Sequence[jax.ShapeDtypeStruct],
    program: Program,
) -> Acting:
    blank = [_blank(spec.shape, spec.dtype) for spec in specs]
    results = [_blank(leaf.shape, leaf.dtype) for _, leaf in program.outputs]
    moved = element.on_input(list(blank))
    touched = {i for i, (x, y) in enumerate(zip(blank, moved, strict=True)) if x is not y}
    for path, leaf in (pair for i, pair in enumerate(leaves_with_paths(arguments)) if i in touched):
        if array_json.is_key(leaf):
            cure = "Pass jax.random.key_data(keys), and call jax.random.wrap_key_data inside fn"
            raise TypeError(explain(leaf_name(path), "an array of random keys", "an array of numbers", cure))
        if 0 in np.shape(leaf):
            cure = "Pass a batch of one example or more"
            raise ValueError(explain(leaf_name(path), f"of shape {np.shape(leaf)}", "non-empty", cure))
    on_input, on_output = rearrangement(element.on_input, blank), rearrangement(element.on_output, results)
    after = [specs[i] if i not in touched else _spec(y, weak=specs[i].weak_type) for i, y in enumerate(moved)]
    changed = touched if on_input is None else set(on_input.changed)
    same = all(a.shape == b.shape and a.dtype == b.dtype for a, b in zip(specs, after, strict=True))
    there = program if same else traced(fn, with_leaves(arguments, after))
    _check_outputs(element, [np.shape(y) for y in element.on_output(results)], there)
    return Acting(element, there, on_input, on_output, tuple(sorted(changed)))


def _check_outputs(element: Element, shapes: Sequence[tuple[int, ...]], there: Program) -> None:
    """Raise unless the outputs for the moved input have the shapes of the moved outputs."""
    found = [tuple(leaf.shape) for _, leaf in there.outputs]
    if list(shapes) != found:
        cure = "Pass a pair of functions, action=(on_input, on_output), whose on_output makes these shapes"
        named = f"the shapes of the output of fn after {element.name}"
        raise ValueError(explain(named, found, f"{shapes}, as the action makes them of the output", cure))


def leaf_name(path: Sequence[object]) -> str:
    """The name of a leaf of the arguments.

    >>> leaf_name((jax.tree_util.SequenceKey(1), jax.tree_util.DictKey("kernel")))
    "argument 1['kernel']"
    """
    first, *others = path
    return f"argument {getattr(first, 'idx', first)}{jax.tree_util.keystr(tuple(others))}"


def _spec(leaf: ArrayValue, *, weak: bool | None = None) -> jax.ShapeDtypeStruct:
    aval = leaf if isinstance(leaf, jax.ShapeDtypeStruct) else jax.typeof(leaf)
    weak = getattr(aval, "weak_type", False) if weak is None else weak
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=bool(weak))


def _blank(shape: tuple[int, ...], dtype: DTypeLike) -> ArrayValue:
    """An array to which a caller's function can be applied."""
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0, impl=array_json.key_kind(dtype)), shape)
    return jnp.zeros(shape, dtype)
