"""The trials of `falsify` with an action: run an example and its transforms, compare with the law, keep the result."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import jax
import numpy as np

from jaxconv.errors import explain, public
from jaxconv.jaxprs.typing import ArrayValue, PyTree, leaves_with_paths, with_leaves
from jaxconv.verify import strict_json
from jaxconv.verify.execution.acting import Acting, changed_leaves, leaf_name, rounding_bound
from jaxconv.verify.execution.counterexample import Cells, output_leaf, pixels, read_sides, shown_number, write_sides
from jaxconv.verify.execution.draw import exchanged, is_drawn
from jaxconv.verify.execution.outcome import Outcome, outcome
from jaxconv.verify.execution.program import Program
from jaxconv.verify.execution.rearrangement import Rearrangement
from jaxconv.verify.execution.run import executing
from jaxconv.verify.execution.tolerance import gap, is_kind


@dataclass(frozen=True)
class ElementLaw:
    """The law of one output leaf under an element of an action: `f(g x) == g f(x)`.

    `invariant`: whether the element leaves this output as it is.
    """

    element: str
    leaf: int
    path: str
    shape: tuple[int, ...]
    invariant: bool

    def __str__(self) -> str:
        output = f"output{self.path} {self.shape}"
        return (
            f"{self.element} {f'does not change {output}' if self.invariant else f'acts on {output} as on the input'}"
        )


@dataclass(frozen=True)
class ActionCounterexample:
    """An input, the same input after an element of an action, and a cell of the output that violates the law.

    `f(moved)[position]` is `found`, but `expected` is `sign * f(arguments)[origin]`, in the output leaf `source`.
    `changed` has the numbers of the leaves of the arguments that the element changes.
    """

    law: ElementLaw
    changed: tuple[int, ...]
    arguments: tuple[PyTree, ...]
    moved: tuple[PyTree, ...]
    position: tuple[int, ...]
    source: int
    origin: tuple[int, ...]
    sign: int
    found: complex
    expected: complex

    @property
    def error(self) -> float:
        """The absolute difference of `found` and `expected`."""
        return float(gap(np.asarray(self.found), np.asarray(self.expected)))

    def replay(self, fn: Callable[..., object]) -> float:
        """The absolute difference of the two cells for `fn`: `error` for the same function, 0 for a corrected one."""
        after = output_leaf(fn, self.moved, self.law.leaf)[self.position]
        return float(gap(after, self.sign * output_leaf(fn, self.arguments, self.source)[self.origin]))

    def __str__(self) -> str:
        other = f"output {self.source} of f(x)" if self.source != self.law.leaf else "f(x)"
        expected = f"{'-' * (self.sign < 0)}{other}{list(self.origin)}"
        both = [leaves_with_paths(side) for side in (self.arguments, self.moved)]
        return "\n".join(
            [
                f"{self.law.element}: f(moved){list(self.position)} is {shown_number(self.found)}, "
                f"but {expected} is {shown_number(self.expected)}",
                *(f"{leaf_name(both[0][i][0])}: {pixels(both[0][i][1])}" for i in self.changed),
                *(f"{leaf_name(both[1][i][0])}, moved: {pixels(both[1][i][1])}" for i in self.changed),
            ]
        )

    def to_json(self) -> str:
        """The counterexample as JSON; `from_json` reads it."""
        plain = {"law": vars(self.law), "changed": self.changed, "position": self.position, "source": self.source}
        values = write_sides((self.found, self.expected), self.arguments, self.moved)
        return strict_json.dumps(plain | {"origin": self.origin, "sign": self.sign} | values)

    @classmethod
    @public
    def from_json(cls, text: str, *arguments: PyTree) -> ActionCounterexample:
        """Read what `to_json` wrote.

        Args:
            text: the JSON.
            arguments: the arguments of `falsify`, arrays or shapes; only their tree structure is used.

        Raises:
            TypeError: `text` is not a string.
            ValueError: `text` is not the output of `to_json`, or the arguments have another number of arrays.
        """
        fields, values, before, after = read_sides(text, WRITTEN, arguments)
        law, changed, position, source, origin, sign = fields
        return cls(law, changed, before, after, position, source, origin, sign, *values)


WRITTEN = {  # the keys of the JSON before "values" and "leaves", and the types as which they are read
    "law": ElementLaw,
    "changed": Cells,
    "position": Cells,
    "source": int,
    "origin": Cells,
    "sign": int,
}


@dataclass
class ActionTrials:
    """Runs a function on an example and on its transforms, and keeps the results. A sample is the list of leaves."""

    program: Program
    arguments: tuple[PyTree, ...]
    actings: tuple[Acting, ...]
    keep: bool
    outcomes: dict[bytes, ActionCounterexample | None] = field(default_factory=dict[bytes, ActionCounterexample | None])
    responded: bool = False

    def __post_init__(self) -> None:
        self.leaves: list[ArrayValue] = jax.tree.leaves(self.arguments)
        self.live = changed_leaves(self.actings)
        drawn = (i for i, leaf in enumerate(self.leaves) if is_drawn(leaf, free_parameters=not self.keep))
        self.free = [i for i in drawn if i not in self.live]
        self._first: list[np.ndarray] | None = None

    @property
    def sources(self) -> Mapping[int, tuple[int, ...]]:
        """The shape of each leaf that the action changes."""
        return {i: tuple(self.leaves[i].shape) for i in sorted(self.live)}

    @property
    def laws(self) -> tuple[ElementLaw, ...]:
        """The law of each element and each output leaf."""
        return tuple(self._law(acting, i) for acting in self.actings for i in range(len(self.program.outputs)))

    def simplest(self, at: int) -> np.ndarray:
        """The cells of a leaf in the order of shrinking."""
        return np.arange(math.prod(self.sources[at]))

    def judge(self, sample: list[ArrayValue]) -> ActionCounterexample | None:
        """A counterexample of the first element that violates the law beyond rounding, or None; cached by sample."""
        drawn = [*self.live, *(i for i in self.free if not is_kind(self.leaves[i], jax.dtypes.prng_key))]
        key = b"".join(np.asarray(sample[i]).tobytes() for i in drawn)
        if key not in self.outcomes:
            with executing():
                self.outcomes[key] = self._execute(sample)
        return self.outcomes[key]

    def _execute(self, sample: list[ArrayValue]) -> ActionCounterexample | None:
        moved = [acting.moved(sample) for acting in self.actings]
        here = [at for at, acting in enumerate(self.actings) if acting.program is self.program]
        outputs, unknown = _run(self.program, [sample, *(moved[at] for at in here)], self.live)
        before, start = [y[0] for y in outputs], bool(unknown[0])
        after = {at: ([y[row] for y in outputs], bool(unknown[row])) for row, at in enumerate(here, 1)}
        for program in dict.fromkeys(acting.program for acting in self.actings if acting.program is not self.program):
            there = [at for at, acting in enumerate(self.actings) if acting.program is program]
            outputs, unknown = _run(program, [moved[at] for at in there], self.live)
            after |= {at: ([y[row] for y in outputs], bool(unknown[row])) for row, at in enumerate(there)}
        if self._first is None:
            self._first = before
        elif any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(self._first, before, strict=True)):
            self.responded = True
        for at, acting in enumerate(self.actings):
            expected, (found, stopped) = acting.expected(before), after[at]
            for leaf, (a, b) in enumerate(zip(expected, found, strict=True)):
                sides = np.stack([a, b]).reshape(2, *(b.shape or (1,)))
                epsilon = max(self.program.epsilon, acting.program.epsilon)
                pair = outcome(sides, np.array([start, stopped]), epsilon).row(0)
                if _beyond(pair).any() and _beyond(pair := self._widened(sample, moved[at], acting, leaf, pair)).any():
                    return self._witness(sample, moved[at], acting, leaf, pair, b.shape)
        return None

    def _widened(
        self, sample: list[ArrayValue], moved: list[ArrayValue], acting: Acting, leaf: int, pair: Outcome
    ) -> Outcome:
        """The outcome with the rounding bounds of all cells."""
        expected = acting.expected_bound(self.program, leaf, sample, self.live)
        found = rounding_bound(acting.program, leaf, moved, self.live)
        return pair.widened(np.stack([expected, found]).reshape(2, *pair.before.shape))

    def _witness(
        self,
        sample: list[ArrayValue],
        moved: list[ArrayValue],
        acting: Acting,
        leaf: int,
        pair: Outcome,
        shape: tuple[int, ...],
    ) -> ActionCounterexample:
        """The cell that violates the law most."""
        error = np.where(_beyond(pair), gap(pair.after, pair.before), 0)
        cell = np.unravel_index(int(error.argmax()), error.shape)
        position = tuple(int(i) for i in cell) if shape else ()
        on_output = cast(Rearrangement, acting.on_output)  # `refuse_measured` has refused all others
        source, origin, sign = on_output.origin(leaf, position)
        sides = (with_leaves(self.arguments, exchanged(sample, {})), with_leaves(self.arguments, moved))
        values = pair.after[cell].item(), pair.before[cell].item()
        return ActionCounterexample(
            self._law(acting, leaf), acting.changed, *sides, position, source, origin, sign, *values
        )

    def _law(self, acting: Acting, leaf: int) -> ElementLaw:
        path, output = self.program.outputs[leaf]
        invariant = acting.on_output is not None and leaf not in acting.on_output.changed
        return ElementLaw(acting.name, leaf, path, tuple(output.shape), invariant)


def _run(
    program: Program, inputs: Sequence[Sequence[ArrayValue]], live: set[int]
) -> tuple[list[np.ndarray], np.ndarray]:
    """The outputs for all inputs, in one call, and which of them are unknown: see `Program.execute`."""
    stacks = {i: np.stack([np.asarray(leaves[i]) for leaves in inputs]) for i in live}
    return program.execute(range(len(program.outputs)), inputs[0], stacks)


def _beyond(pair: Outcome) -> np.ndarray:
    """The cells that differ by more than their tolerances."""
    return pair.differ((slice(None),), (slice(None),))


def refuse_measured(actings: Sequence[Acting]) -> None:
    """Raise ValueError for an element that does more than to move values, whose law cannot be falsified."""
    for acting in actings:
        if not acting.moves_only:
            named = f"{acting.name} on the {'output' if acting.on_input is not None else 'input'}"
            expected = "one that only moves values or changes their signs"
            raise ValueError(
                explain(named, "an interpolation or other computation", expected, "Measure it by jc.check")
            )
