"""Redirects everything that the user's code prints to stderr, so that stdout contains only the report."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

STDOUT, STDERR = 1, 2  # file descriptors, which C libraries and child processes write to


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Redirect stdout to stderr for Python, C libraries and child processes."""
    with contextlib.redirect_stdout(sys.stderr), _descriptor_to_stderr():
        yield


@contextlib.contextmanager
def _descriptor_to_stderr() -> Iterator[None]:
    try:
        saved = os.dup(STDOUT)
    except OSError:  # the process has no stdout
        yield
        return
    try:
        leave_stdout()
        yield
    finally:
        os.dup2(saved, STDOUT)
        os.close(saved)


def leave_stdout() -> None:
    """Redirect the descriptor of stdout to stderr permanently, including handlers at the end of the process."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # no stdout, or nobody reads it
        sys.stdout.flush()  # the help, which argparse leaves in a buffer
    with contextlib.suppress(OSError):  # the process has no stderr
        os.dup2(STDERR, STDOUT)
