"""Functions that are each about one primitive, or about a few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from jaxconv.jaxprs.primitives import PRIMITIVES

F = TypeVar("F", bound=Callable[..., Any])
G = TypeVar("G", bound=Callable[..., Any])


class Registry(dict[str, F]):
    """Functions by the name of the primitive that each is about; called with names, a decorator that adds one.

    >>> taps = Registry()
    >>> @taps("reduce_window_sum", "reduce_window_max")
    ... def of_a_window(equation):
    ...     return equation.params["window_dimensions"]
    >>> sorted(taps)
    ['reduce_window_max', 'reduce_window_sum']
    """

    def __call__(self, *names: str) -> Callable[[G], G]:
        """Add a function for these primitives, each of which has a row in the table, and no function yet."""

        def add(function: Any) -> Any:
            for name in names:
                if name not in PRIMITIVES:
                    raise ValueError(f"{function}: there is no row for a primitive {name!r}")
                if name in self:
                    raise ValueError(f"{function}: {name} has {self[name]} already")
                self[name] = function
            return function

        return add
