"""What `recheck` need not do again in each test: execute derivations that others execute, or compile each equation."""

import pytest
from support.numpy_execution import executing_by_numpy

from jaxconv.verify.recheck.steps import Steps


@pytest.fixture
def unexecuted(monkeypatch):
    """Every row's states are taken to be right, as they are: what is objected to is objected to for another reason."""
    right = lambda self, run, operands, results, named=True: [
        ("", (run, operands, fact)) for fact in enumerate(results)
    ]
    monkeypatch.setattr(Steps, "examine", right)


@pytest.fixture
def executes_by_numpy():
    """Equations are executed by NumPy, and nothing is compiled."""
    with executing_by_numpy():
        yield
