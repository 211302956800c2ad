"""Execution of functions by the certifier's experiments: at the highest precision, under any of JAX's guards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import cast

import jax
import jax.core

from jaxconv.jaxprs.typing import PyTree

# Exceptions of an execution that is impossible here: an error in a callback, too little memory, a primitive without an
# implementation, an effect that cannot be batched, a NaN under jax.debug_nans. All others propagate: an interrupt, or
# the exception of an alarm or a deadline.
FAILURES: tuple[type[Exception], ...] = (
            cast("type[Exception]", jax.errors.JaxRuntimeError), MemoryError, NotImplementedError, RecursionError,
            ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)  # fmt: skip
FEW = 64  # equations; longer programs are compiled without fusion


@contextlib.contextmanager
def executing() -> Generator[None]:
    """Execute products at the highest precision, and allow transfers of samples to the device and of results back.

    Inside a trace, as under `jax.jit`, executions are not part of what is traced. (`jax.ensure_compile_time_eval` would
    also execute constants while other functions are traced.)
    """
    with jax.core.eval_context(), jax.default_matmul_precision("highest"), jax.transfer_guard("allow"):
        yield


@contextlib.contextmanager
def rechecking() -> Generator[None]:
    """As `executing`, for `recheck`: its draws contain infinities and NaNs, and it executes single equations."""
    with executing(), jax.debug_nans(False), jax.debug_infs(False), jax.disable_jit(False):
        yield


def compiler_options(equations: int) -> dict[str, str | int] | None:
    """Compiler options for small programs that run a few times; None on platforms other than CPUs.

    They keep the compilation time short, and it grows no faster than the program. XLA's default options for CPUs do
    neither: fusion repeats a value at each of its uses, so a chain of a hundred rolls takes minutes. Programs of few
    equations (at most `FEW`) compile faster with fusion than without.
    """
    if jax.default_backend() != "cpu":
        return None
    quick: dict[str, str | int] = {"xla_backend_optimization_level": 0}
    return quick if equations <= FEW else quick | {"xla_disable_hlo_passes": "fusion"}


def over_rows(function: Callable[..., PyTree], *, vectorised: bool) -> Callable[..., PyTree]:
    """The function that applies another to each row of its arguments, to all rows at once or to one after the other."""
    of_row: Callable[[tuple[PyTree, ...]], PyTree] = lambda row: function(*row)

    def one_by_one(*stacks: PyTree) -> PyTree:
        return cast(PyTree, jax.lax.map(of_row, stacks))

    return jax.vmap(function) if vectorised else one_by_one
