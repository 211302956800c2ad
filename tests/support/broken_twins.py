"""Tests of broken twins: some drawn example must expose the fault. The example is not shrunk.

Hypothesis would compile a program for each attempt to shrink it, and no test uses the shrunk example.
"""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample
from hypothesis.strategies import SearchStrategy

Example = TypeVar("Example")


def caught(strategy: SearchStrategy[Example], gives_away: Callable[[Example], bool]) -> bool:
    """Whether one of 2,000 examples satisfies `gives_away`."""
    try:
        find(strategy, gives_away, settings=settings(max_examples=2000, phases=[Phase.generate]))
    except NoSuchExample:
        return False
    return True
