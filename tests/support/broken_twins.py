"""Broken twins: some example that is drawn must give them away. Any will do, so none is made smaller.

Making it smaller, as Hypothesis would, compiles a program for each attempt, and its result is looked at by nobody.
"""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample
from hypothesis.strategies import SearchStrategy

Example = TypeVar("Example")


def caught(strategy: SearchStrategy[Example], gives_away: Callable[[Example], bool]) -> bool:
    """Whether one of 2,000 examples gives it away."""
    try:
        find(strategy, gives_away, settings=settings(max_examples=2000, phases=[Phase.generate]))
    except NoSuchExample:
        return False
    return True
