"""Short names for signals, whose length does not grow with the number of equations."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import cast


@dataclass
class Names:
    """Short names of signals. Two names have the same short name exactly if they are equal.

    A rule names a signal by a tuple: the name of the operand, and the operation. After every equation, the walk
    replaces the tuple and all tuples inside it. So the depth of the recursion is the nesting depth that one rule adds.

    >>> names = Names()
    >>> names.short(("x", "every", 2)), names.short("x"), names.short(("x", "every", 3)), names.short(("x", "every", 2))
    ('signal 0', 'x', 'signal 1', 'signal 0')
    """

    known: dict[tuple[Hashable, ...], str] = field(default_factory=dict[tuple[Hashable, ...], str])

    def short(self, name: Hashable) -> Hashable:
        """Return the short name of a tuple; return any other name unchanged."""
        if not isinstance(name, tuple):
            return name
        parts = cast("tuple[Hashable, ...]", name)
        return self.known.setdefault(tuple(map(self.short, parts)), f"signal {len(self.known)}")
