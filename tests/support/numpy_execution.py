"""Run the certifier without XLA: NumPy folds constants, and executes the rows of a derivation for `recheck`.

XLA would compile a program for each new shape. `tests/verify/test_certify.py` and others test constants folded by XLA;
`tests/verify/recheck/test_recheck.py` tests rows executed by XLA.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from unittest import mock

import jax
import numpy as np

from jaxconv.jaxprs import evaluate
from jaxconv.verify import constant_program
from jaxconv.verify.recheck import runs, steps
from support.numpy_evaluation import Evaluation
from support.numpy_evaluation.evaluation import as_numpy

EVALUATION = Evaluation()
by_jax, loop_by_jax = evaluate.executed, runs.evaluation_of


@contextlib.contextmanager
def executing_by_numpy() -> Iterator[None]:
    """Execute equations by NumPy if the evaluation supports the primitive, and by XLA otherwise."""
    with (
        mock.patch.object(evaluate, "executed", executed),
        mock.patch.object(constant_program, "together", constant_program.one_by_one),
        mock.patch.object(runs, "compiled_by_xla", lambda equation: partial(evaluate.executed, equation)),
        mock.patch.object(steps, "evaluation_of", of_a_loop),
    ):
        yield


def executed(equation: Any, operands: Sequence[Any]) -> list[Any]:
    """The results of one equation: by JAX inside a trace or for an unsupported primitive, by NumPy otherwise."""
    if any(isinstance(operand, jax.core.Tracer) for operand in operands):
        return by_jax(equation, operands)
    try:
        with np.errstate(all="ignore"):
            return list(map(as_numpy, EVALUATION.computed(equation, list(map(as_numpy, operands)))))
    except NotImplementedError:
        return by_jax(equation, operands)


def of_a_loop(closed: Any) -> Callable[[list[Any]], Sequence[Any]]:
    """A function that evaluates the condition or body of a loop by NumPy; it refuses what JAX's evaluation refuses."""
    compiled = loop_by_jax(closed)

    def run(arrays: list[Any]) -> Sequence[Any]:
        try:
            with np.errstate(all="ignore"):
                return EVALUATION.run(closed, list(map(as_numpy, arrays)))
        except NotImplementedError:
            return compiled(arrays)

    return run
