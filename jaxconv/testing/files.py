"""Files that several processes change: replaced as a whole or not at all, one process at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from jaxconv.errors import explain

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PAUSE = 0.02  # seconds between two attempts to take a lock
TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


def replace(path: Path, text: str) -> None:
    """Write a file as a whole: it has the new text or the old one, whatever fails meanwhile.

    Args:
        path: of the file; of a link to one, the file that it leads to is replaced.
        text: what it should hold, as UTF-8.

    Raises:
        OSError: the disk is full, or the folder cannot be written to. The file is as it was.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with new.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # a full disk may show here only
        if path.exists():
            shutil.copymode(path, new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, seconds: float = 30.0) -> Iterator[None]:
    """Keep other processes from changing a file that they lock, too.

    The lock is the operating system's, on a file beside `path`, which is removed again: a process that is killed
    leaves no lock behind.

    Args:
        path: the file to protect; it need not exist.
        seconds: how long to wait for others.

    Raises:
        OSError: others hold the lock for longer, or the folder cannot be written to.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.lock")
    descriptor = _taken(beside, time.monotonic() + seconds)
    if descriptor is None:
        message = explain("certificates", str(beside), f"locked for more than {seconds:g} s", "free", "Try again")
        raise TimeoutError(message)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no file that is open
            beside.unlink()
        os.close(descriptor)


def _taken(beside: Path, deadline: float) -> int | None:
    """A descriptor that holds the lock; None where the deadline passes."""
    while True:
        descriptor = os.open(beside, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            _lock(descriptor)
            if _is(descriptor, beside):  # and not a file that its last holder has removed
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
