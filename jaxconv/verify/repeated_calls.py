"""Calls that were followed before: the same jaxpr, with operands that have the same states, has the same results.

Rules compare the names of signals, and do nothing else with them. So what they derive for some operands holds for any
operands whose states differ from these in names only, as long as equal names stay equal. Operands without a name may
have other numbers, however. So each signal that begins inside the call gets a new name each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from jax.extend.core import Jaxpr

from jaxconv.jaxprs.typing import ArrayValue
from jaxconv.verify.claims import Culprit
from jaxconv.verify.domain import Broken, Pieces, Spectrum, Value, with_signals
from jaxconv.verify.fold import content

OFTEN = 2**8  # calls of one jaxpr after which receptive fields are dropped, in a long derivation
Read: TypeAlias = tuple[Value, np.ndarray | None]  # how a value moves, and its numbers if they are known
Body: TypeAlias = tuple[Jaxpr, Sequence[ArrayValue], Sequence[Read]]  # a jaxpr, its constants and its operands


def apart(values: Sequence[Read]) -> tuple[list[Value], list[np.ndarray | None]]:
    """Split pairs into the values and their numbers."""
    return [value for value, _ in values], [numbers for _, numbers in values]


@dataclass
class FollowedCalls:
    """The results of calls by jaxpr, constants, and the states and numbers of the operands.

    Attributes:
        results: for each of these, the names of the operands' signals, the results, and the objects that the key has
            the addresses of.
        times: how often each jaxpr was followed.
    """

    results: dict[Hashable, tuple[Sequence[Hashable], Sequence[Read], object]] = field(
        default_factory=dict[Hashable, tuple[Sequence[Hashable], Sequence[Read], object]]
    )
    times: Counter[int] = field(default_factory=Counter[int])

    def often(self, jaxpr: Jaxpr) -> bool:
        """Whether a jaxpr was followed so often that receptive fields may grow from call to call."""
        return self.times[id(jaxpr)] >= OFTEN

    def remember(self, body: Body, results: Sequence[Read]) -> None:
        """Store the results of a call; not if an equation inside it is a culprit, since the lines around it differ."""
        self.times[id(body[0])] += 1
        inherited = {culprit for value, _ in body[2] for culprit in _culprits_in(value)}
        if all(culprit in inherited for value, _ in results for culprit in _culprits_in(value)):
            key, names = _key(body)
            self.results.setdefault(key, (names, results, body))

    def recall(self, body: Body, new_signal: Callable[[], Hashable]) -> list[Read] | None:
        """Return the results of a call that was followed before; None if it was not."""
        key, names = _key(body)
        if key not in self.results:
            return None
        before, results, _ = self.results[key]
        known = dict(zip(before, names, strict=True))

        def renamed(name: Hashable) -> Hashable:
            return known[name] if name in known else known.setdefault(name, new_signal())

        return [(with_signals(value, renamed), numbers) for value, numbers in results]


def _key(body: Body) -> tuple[Hashable, list[Hashable]]:
    """Return a key of a call, and the names of the operands' signals in the order in which they first occur."""
    jaxpr, constants, operands = body
    order: dict[Hashable, int] = {}
    number: Callable[[Hashable], Hashable] = lambda name: order.setdefault(name, len(order))
    states = tuple((with_signals(value, number), content(numbers)) for value, numbers in operands)
    return (id(jaxpr), *map(id, constants), states), list(order)


def _culprits_in(value: Value) -> list[Culprit]:
    """Return the culprits in a state, and the equations that are noted as possible ones."""
    if isinstance(value, Broken):
        return [value.culprit]
    if isinstance(value, Pieces):
        return [*_culprits_in(value.value), *_culprits_in(value.folded)]
    axes = value.value.axes if isinstance(value, Spectrum) else value.axes
    motions = [factor.motion for axis in axes for factor in axis if factor.motion is not None]
    return [culprit for motion in motions for culprit in motion.notes]
