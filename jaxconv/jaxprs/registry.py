"""`Registry`, a table of functions by primitive."""

from __future__ import annotations

from collections.abc import Callable

from jaxconv.jaxprs.functions import F, Functions
from jaxconv.jaxprs.primitives import PRIMITIVES


class Registry(Functions[F]):
    """A dict of functions by primitive name; called with names, it is a decorator that registers a function.

    >>> taps = Registry()
    >>> @taps("reduce_window_sum", "reduce_window_max")
    ... def window_taps(equation):
    ...     return equation.params["window_dimensions"]
    >>> sorted(taps)
    ['reduce_window_max', 'reduce_window_sum']
    """

    def check(self, name: str, function: Callable[..., object]) -> None:
        """Raise ValueError if a primitive has no row in the table."""
        if name not in PRIMITIVES:
            raise ValueError(f"{function}: the table of primitives has no row for {name!r}")
