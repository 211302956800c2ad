"""Execution of functions by the certifier's experiments: at the highest precision, under any of JAX's guards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax

# Exceptions of an execution that is impossible here: an error in a callback, too little memory, a primitive without an
# implementation, an effect that cannot be batched, a NaN under jax.debug_nans. All others propagate: an interrupt, or
# the exception of an alarm or a deadline.
FAILURES: tuple[type[Exception], ...] = (
            jax.errors.JaxRuntimeError, MemoryError, NotImplementedError, RecursionError,
            ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)  # fmt: skip
FEW = 64  # equations; longer programs are compiled without fusion


@contextlib.contextmanager
def executing() -> Iterator[None]:
    """Execute products at the highest precision, and allow transfers of samples to the device and of results back."""
    with jax.default_matmul_precision("highest"), jax.transfer_guard("allow"):
        yield


@contextlib.contextmanager
def rechecking() -> Iterator[None]:
    """As `executing`, for `recheck`: its draws contain infinities and NaNs, and it executes single equations."""
    with executing(), jax.debug_nans(False), jax.debug_infs(False), jax.disable_jit(False):
        yield


def compiler_options(equations: int) -> dict[str, Any] | None:
    """Compiler options for small programs that run a few times; None on platforms other than CPUs.

    They keep the compilation time short, and it grows no faster than the program. XLA's default options for CPUs do
    neither: fusion repeats a value at each of its uses, so a chain of a hundred rolls takes minutes. Programs of few
    equations (at most `FEW`) compile faster with fusion than without.
    """
    if jax.default_backend() != "cpu":
        return None
    quick = {"xla_backend_optimization_level": 0}
    return quick if equations <= FEW else quick | {"xla_disable_hlo_passes": "fusion"}
