"""Values of the function in pairs of runs, as `recheck` draws and compares them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeAlias, TypeGuard, TypeVar

import numpy as np

from jaxconv.jaxprs.typing import Array, Shaped
from jaxconv.verify.domain import Motion, Moving, Pieces, Plain, Spectrum, Value
from jaxconv.verify.recheck.named_cells import EXTREMES, kind_of

Stack: TypeAlias = Sequence[Array] | np.ndarray  # an array for each trial
Run: TypeAlias = Callable[[list[Array]], Sequence[Array]]  # computes results from operands
S = TypeVar("S", bound=Value)
S_co = TypeVar("S_co", bound=Value, covariant=True)
SMALL = 2**12  # maximum size of a value whose names are cached


@dataclass(frozen=True)
class Trials:
    """Trials of two runs each. Each second run shifts the input by the same number of cells, or changes one cell.

    Attributes:
        draws: for each trial, the number of the draw.
        shift: cells by which the second runs shift the input.
        changed: for each trial, the cell of the input that the second run changes; empty for shifts.
        pushes: for each trial that changes a cell: if not 0, changed cells become larger in magnitude than all others,
            with this sign. A maximum does not depend on a cell that becomes smaller. In trials of shifts, these are the
            cells that only one of both runs has.
        pushed: for each trial of shifts that pushes cells, which run has these cells: 0 has those that leave, and 1
            those that enter.
        shown: in such trials, the positions [lo, hi) of a signal in each run, by the name of the value and the place of
            the factor.
        noise: rounding error of the result, in addition to that expected from its size; see `noise.py`.
    """

    draws: tuple[int, ...]
    shift: int = 0
    changed: tuple[int, ...] = ()
    pushes: tuple[int, ...] = ()
    pushed: tuple[int, ...] = ()
    shown: Mapping[tuple[int, int], Sequence[tuple[int, int]]] = field(
        default_factory=dict[tuple[int, int], Sequence[tuple[int, int]]]
    )
    noise: float = 0.0

    def extremes(self) -> list[bool]:
        """Whether each draw has extreme numbers."""
        return [kind_of(draw) == EXTREMES for draw in self.draws]

    def only(self, trials: Sequence[int]) -> Trials:
        """Return some of the trials."""
        of: Callable[[tuple[int, ...]], tuple[int, ...]] = lambda row: tuple(row[n] for n in trials) if row else ()
        return replace(
            self,
            draws=of(self.draws),
            changed=of(self.changed),
            pushes=of(self.pushes),
            pushed=of(self.pushed),
        )


@dataclass(frozen=True, eq=False)
class Held(Generic[S_co]):
    """A value of the function.

    Attributes:
        number: unique number of the value.
        name: common to all values with the same signals, which have the same content.
        state: the state of the value.
        aval: shape and dtype.
        constant: the numbers of a constant, or None.
        second: the same value with a second state that it also has, or None.
        computation: computes it from drawn parameters, for each draw, if it depends on nothing else: see `computed.py`.
        is_computed: whether it is drawn by that computation, and not from its state.
        origin: how its equation computes it, from which operands, and the number of the result; None if unknown.
    """

    number: int
    name: int
    state: S_co
    aval: Shaped
    constant: np.ndarray | None = None
    second: Held[Plain | Spectrum] | None = None
    computation: Callable[[tuple[int, ...]], np.ndarray] | None = None
    is_computed: bool = False
    origin: tuple[Run, Sequence[Held[Value]], int] | None = None

    @functools.cached_property
    def is_small(self) -> bool:
        """Whether names and numbers of the value are cached. (JAX computes `aval.size` anew each time.)"""
        return self.aval.size <= SMALL

    def with_state(self, state: S) -> Held[S]:
        """Return the same value with another state."""
        return Held(self.number, self.name, state, self.aval, self.constant, self.second)


Pair: TypeAlias = tuple[np.ndarray, np.ndarray]  # the arrays of all trials in the first run, and in the second
Group: TypeAlias = Sequence[tuple[Held[Value], Pair]]  # values of one name, the one to check first


def has_state(held: Held[Value], kind: type[S]) -> TypeGuard[Held[S]]:
    """Whether the state of a value is of this type."""
    return isinstance(held.state, kind)


def moving_part(state: Value) -> Moving | None:
    """Return the Moving part of a state: the sum of pieces, or a spectrum without its phase factors; None if none."""
    if isinstance(state, Pieces):
        return state.folded
    return state.value if isinstance(state, Spectrum) else state if isinstance(state, Moving) else None


def motions_of(state: Value) -> list[tuple[int, Motion]]:
    """Return the motion of each factor that carries the shift, with its axis."""
    moving = moving_part(state)
    axes = () if moving is None else moving.axes
    return [(n, factor.motion) for n, axis in enumerate(axes) for factor in axis if factor.motion is not None]
