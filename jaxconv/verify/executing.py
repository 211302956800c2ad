"""How the certifier's experiments execute a function: as exactly as the platform can, and whatever guards are set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax


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
