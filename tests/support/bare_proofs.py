"""Proofs and nothing else: `with bare():` the certifier compiles no constant, and looks for no size that would be enough.

Constants are folded by NumPy where it has a row for the primitive; XLA would compile a program for each new shape. What
it folds, `tests/verify/test_certify.py` and others test. Where an image is too small, the smallest size that works is
told, which takes traces at other sizes and changes no verdict: that is for `test_worth_reporting.py`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import jax
import numpy as np

from jaxconv.verify import jaxprs
from support.numpy_evaluation import Evaluation
from support.numpy_evaluation.evaluation import as_numpy

EVALUATION = Evaluation()
CERTIFY = "jaxconv.verify.certify"  # the module; the package has the function under this name
by_jax = jaxprs.executed


@contextlib.contextmanager
def bare() -> Iterator[None]:
    """Proofs are found as ever, sooner."""
    told = mock.patch.object(sys.modules[CERTIFY], "explained", lambda claim, *_: claim)
    with told, mock.patch.object(jaxprs, "executed", by_numpy):
        yield


def by_numpy(equation: Any, operands: Sequence[Any]) -> list[Any]:
    """The results of one equation, by NumPy if it has a row, and not within a trace."""
    if any(isinstance(operand, jax.core.Tracer) for operand in operands):
        return by_jax(equation, operands)
    try:
        with np.errstate(all="ignore"):
            return list(map(as_numpy, EVALUATION.computed(equation, list(map(as_numpy, operands)))))
    except NotImplementedError:
        return by_jax(equation, operands)
