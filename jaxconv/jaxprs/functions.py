"""`Functions`, a table of functions by name, filled by decorators."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])
G = TypeVar("G", bound=Callable[..., object])


class Functions(dict[str, F]):
    """A dict of functions by name; called with names, it is a decorator that registers a function.

    >>> doubled = Functions()
    >>> @doubled("add", "mul")
    ... def twice(x):
    ...     return 2 * x
    >>> sorted(doubled)
    ['add', 'mul']
    """

    def __call__(self, *names: str) -> Callable[[G], G]:
        """Register a function for these names.

        Raises:
            ValueError: a name has a function already, or the table refuses it.
        """

        def add(function: G) -> G:
            for name in names:
                self.check(name, function)
                if name in self:
                    raise ValueError(f"{function}: {name} is already registered to {self[name]}")
                self[name] = cast(F, function)  # G has the type F, or a subtype, which no annotation can state
            return function

        return add

    def check(self, name: str, function: Callable[..., object]) -> None:
        """Raise ValueError if no function may be registered under a name."""
