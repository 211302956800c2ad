"""Rechecking by NumPy: each equation of a derivation is executed by NumPy, which compiles nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from jaxconv.verify import jaxprs
from jaxconv.verify.checker import steps
from support.numpy_evaluation import Evaluation


@contextmanager
def executed_by_numpy() -> Iterator[None]:
    """While it lasts, `recheck` executes by NumPy what has a row there, and the rest by XLA."""
    evaluation, by_xla = Evaluation(), jaxprs.executed

    def executed(equation: Any, operands: Sequence[Any]) -> list[Any]:
        try:
            return list(evaluation.computed(equation, list(operands)))
        except NotImplementedError:
            return by_xla(equation, operands)

    def of_a_loop(closed: Any) -> Callable[[list[Any]], Sequence[Any]]:
        return lambda arrays: evaluation.run(closed, arrays)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaxprs, "executed", executed)
        patch.setattr(steps, "_evaluation", of_a_loop)
        yield
