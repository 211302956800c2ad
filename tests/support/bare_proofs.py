"""Proofs and nothing else: `with bare():` the certifier compiles no constant, and looks for no size that would be enough.

Where an image is too small, the smallest size that works is told, which takes traces at other sizes and changes no
verdict: that is for `test_worth_reporting.py`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from unittest import mock

from support.numpy_execution import executing_by_numpy

CERTIFY = "jaxconv.verify.certify"  # the module; the package has the function under this name


@contextlib.contextmanager
def bare() -> Iterator[None]:
    """Proofs are found as ever, sooner."""
    told = mock.patch.object(sys.modules[CERTIFY], "explained", lambda claim, *_: claim)
    with told, executing_by_numpy():
        yield
