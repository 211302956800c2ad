"""Keeps stdout for the report: what the user's code prints goes to stderr, whoever prints it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

STDOUT, STDERR = 1, 2  # file descriptors, through which C libraries and child processes print


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send to stderr what is printed meanwhile: by Python, by C libraries and by child processes."""
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
    """Send to stderr what is printed through the descriptor from now on, by handlers at the end of the process too."""
    with contextlib.suppress(OSError):  # the process has no stderr
        os.dup2(STDERR, STDOUT)
