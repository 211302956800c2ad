"""Fixtures that make `recheck` faster: without execution of the equations, or with execution by NumPy."""

import pytest
from support.numpy_execution import executing_by_numpy

from jaxconv.verify.recheck.steps import Steps


@pytest.fixture
def unexecuted(monkeypatch):
    """Accept the states of every row without execution, so that objections have other reasons."""
    accept = lambda self, run, operands, results, named=True: [
        ("", (run, operands, fact)) for fact in enumerate(results)
    ]
    monkeypatch.setattr(Steps, "examine", accept)


@pytest.fixture
def executes_by_numpy():
    """Execute equations with NumPy, without compilation."""
    with executing_by_numpy():
        yield
