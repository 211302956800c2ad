"""`bare`, a context in which the certifier compiles no constant and searches for no sufficient input size.

If an input is too small, the certifier reports the smallest size that works. This takes traces at other sizes and
changes no verdict; `test_worth_reporting.py` tests it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

from jaxconv.verify.claim_kinds import interior
from support.numpy_execution import executing_by_numpy


@contextlib.contextmanager
def bare() -> Iterator[None]:
    """Find the same proofs in less time."""
    no_size = mock.patch.object(interior, "explained", lambda claim, *_: claim)
    with no_size, executing_by_numpy():
        yield
