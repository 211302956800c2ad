"""Files that several processes write: atomic replacement, and a lock."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from jaxconv.errors import message

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PAUSE = 0.02  # seconds between two attempts to acquire a lock
TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


def replace(path: Path, text: str) -> None:
    """Write a file atomically: after any failure it has either the new text or the old text.

    Args:
        path: the file. If it is a link, its target is replaced.
        text: the new content, written as UTF-8.

    Raises:
        OSError: the disk is full, or the folder is not writable. The file is unchanged.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with new.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # a full disk may raise an error only here
        if path.exists():
            shutil.copymode(path, new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, seconds: float = 30.0) -> Iterator[None]:
    """Hold a lock, so that other processes that also use it do not write a file.

    The operating system locks a file beside `path`, which is removed afterwards. The lock of a process that is killed
    is released.

    Args:
        path: the file to protect; it need not exist.
        seconds: how long to wait for the lock.

    Raises:
        OSError: the lock was not released in time, or the folder is not writable.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock_file = path.with_name(f".{path.name}.lock")
    descriptor = _acquire(lock_file, time.monotonic() + seconds)
    if descriptor is None:
        actual = f"locked for more than {seconds:g} s"
        raise TimeoutError(message("certificates", str(lock_file), actual, "free", "Try again"))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows does not remove open files
            lock_file.unlink()
        os.close(descriptor)


def _acquire(lock_file: Path, deadline: float) -> int | None:
    """A descriptor that holds the lock; None after the deadline."""
    while True:
        descriptor = os.open(lock_file, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            _lock(descriptor)
            if _is(descriptor, lock_file):  # the previous holder may have removed the file
                return descriptor
        except OSError as error:
            if error.errno not in TAKEN:
                os.close(descriptor)
                raise
        os.close(descriptor)
        if time.monotonic() > deadline:
            return None
        time.sleep(PAUSE)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
