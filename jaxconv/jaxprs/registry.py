"""`Registry`, a table of functions by primitive."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from jaxconv.jaxprs.primitives import PRIMITIVES

F = TypeVar("F", bound=Callable[..., object])
G = TypeVar("G", bound=Callable[..., object])


class Registry(dict[str, F]):
    """A dict of functions by primitive name; called with names, it is a decorator that registers a function.

    >>> taps = Registry()
    >>> @taps("reduce_window_sum", "reduce_window_max")
    ... def window_taps(equation):
    ...     return equation.params["window_dimensions"]
    >>> sorted(taps)
    ['reduce_window_max', 'reduce_window_sum']
    """

    def __call__(self, *names: str) -> Callable[[G], G]:
        """Register a function for these primitives.

        Raises:
            ValueError: a primitive has no row in the table, or a function already.
        """

        def add(function: G) -> G:
            for name in names:
                if name not in PRIMITIVES:
                    raise ValueError(f"{function}: the table of primitives has no row for {name!r}")
                if name in self:
                    raise ValueError(f"{function}: {name} is already registered to {self[name]}")
                self[name] = cast(F, function)  # G has the type F, or a subtype, which no annotation can state
            return function

        return add
