"""How the certifier's experiments execute a function: as exactly as the platform can, and whatever guards are set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax

# What an execution raises that cannot be done here: a callback raised, no memory, no code for a primitive, an effect
# that cannot be batched, a number that is none. All else passes: an interrupt, an alarm's exception, a deadline's.
FAILURES = (jax.errors.JaxRuntimeError, MemoryError, NotImplementedError, RecursionError,
            ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)  # fmt: skip
FEW = 64  # equations: what has more of them is compiled one by one


@contextlib.contextmanager
def executing() -> Iterator[None]:
    """Products at the highest precision; samples go to the device and results come back, which is no accident here."""
    with jax.default_matmul_precision("highest"), jax.transfer_guard("allow"):
        yield


@contextlib.contextmanager
def rechecking() -> Iterator[None]:
    """The same, of draws that hold infinities and NaN on purpose, in each equation by itself."""
    with executing(), jax.debug_nans(False), jax.debug_infs(False), jax.disable_jit(False):
        yield


def compiler_options(equations: int) -> dict[str, Any] | None:
    """How to compile what is small and runs a few times: soon, in a time that grows no faster than the program.

    XLA's optimiser for CPUs does neither: fusion repeats a value at each of its uses, so that a chain of a hundred
    rolls takes minutes. Programs of few equations are compiled sooner with fusion than without.
    """
    if jax.default_backend() != "cpu":
        return None
    quick = {"xla_backend_optimization_level": 0}
    return quick if equations <= FEW else quick | {"xla_disable_hlo_passes": "fusion"}
