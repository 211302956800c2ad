"""Files of the result: disk space for them, and whether they outlive the process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxconv.apply.record import unwritten
from jaxconv.errors import explain
from jaxconv.jaxprs.typing import PyTree

BLOCK = 512  # bytes of a block of `os.stat_result.st_blocks`


def reserved(results: Sequence[PyTree]) -> None:
    """Reserve the disk space of memory-mapped results, where the system can do that.

    A file that was just created has no space. A write to its memory would end the process if the disk is full.

    Raises:
        OSError: the disk does not have the space.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    for result in results:
        name = getattr(result, "filename", None) if isinstance(result, np.memmap) else None
        if name is None or result.mode not in ("r+", "w+"):
            continue
        state = Path(name).stat()
        if state.st_blocks * BLOCK < state.st_size:
            try:
                with Path(name).open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, state.st_size)
            except OSError as error:
                raise unwritten(f"out ({name}, {state.st_size} bytes)", error) from error


def in_files(results: Sequence[PyTree]) -> None:
    """Raise ValueError if a result is in memory, where nobody finds it after the process was killed."""
    if any(isinstance(result, np.ndarray) and not isinstance(result, np.memmap) for result in results):
        cure = 'Open a file: numpy.lib.format.open_memmap("result.npy", "w+", dtype, shape)'
        raise ValueError(explain("out", "an array in memory", "in files, since there is a record", cure))
