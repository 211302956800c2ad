"""Short names for signals, so that a name does not grow with the number of equations behind it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass
class Names:
    """Short names: equal names get the same one, and no others do.

    A rule names a signal by a tuple: the operand's name and what was done to it. The walk replaces each such tuple, and
    each tuple within, after every equation. So the recursion is as deep as what one rule adds.

    >>> names = Names()
    >>> names.short(("x", "every", 2)), names.short("x"), names.short(("x", "every", 3)), names.short(("x", "every", 2))
    ('signal 0', 'x', 'signal 1', 'signal 0')
    """

    known: dict[tuple[Hashable, ...], str] = field(default_factory=dict)

    def short(self, name: Hashable) -> Hashable:
        """The short name of a tuple; what is no tuple stays."""
        if not isinstance(name, tuple):
            return name
        return self.known.setdefault(tuple(map(self.short, name)), f"signal {len(self.known)}")
