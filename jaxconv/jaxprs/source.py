"""Which line of whose code an equation comes from."""

from __future__ import annotations

import os
import site
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxconv.jaxprs import layout

PACKAGE = str(Path(__file__).parents[1])
# Frames of libraries are not the user's: what pip installed, Python's own modules, and this package. Each ends with a
# separator, so that a prefix is a folder.
LIBRARIES = tuple(
    {
        f"{Path(path)}{os.sep}"
        for path in (
            *site.getsitepackages(),
            site.getusersitepackages(),
            sysconfig.get_path("stdlib"),
            sysconfig.get_path("purelib"),
            PACKAGE,
        )
    }
)


TRACING = ("api", "core", "custom_", "interpreters", "linear_util", "pjit", "source_info_util", "traceback_util")
UNKNOWN = "a line that JAX does not record"


def frames(equation: Any) -> list[tuple[str, int, str]]:
    """The stack that called for an equation, innermost first, without the frames of who traced the function.

    Each frame is a file, a line and a function.
    """
    traceback = equation.source_info.traceback
    found = []
    for frame in traceback.frames if traceback is not None else ():
        if frame.file_name == layout.__file__:
            break
        found.append((frame.file_name, frame.line_num, frame.function_name))
    return found


def is_users(file: str) -> bool:
    """Whether a file is the user's own rather than a library's."""
    return not file.startswith((*LIBRARIES, "<frozen")) and f"{os.sep}site-packages{os.sep}" not in file


def is_tracing(file: str) -> bool:
    """Whether a file is of JAX's own tracing and transformations, which compute nothing by themselves."""
    _, found, within = file.rpartition(f"{os.sep}jax{os.sep}_src{os.sep}")
    return bool(found) and within.startswith(TRACING)


def source_frame(equation: Any, stack: Sequence[Any] = ()) -> tuple[str, int, str] | None:
    """The frame to name for an equation inside the calls `stack`: the user's own innermost one.

    Without one, that of the library function which was traced. A gradient rule that the user wrote has neither: JAX
    calls it while it transforms the function, and records no line of it.
    """
    all_frames = [frame for one in (equation, *reversed(stack)) for frame in frames(one)]
    of_libraries = [frame for frame in all_frames if not is_tracing(frame[0])]
    return next((frame for frame in all_frames if is_users(frame[0])), of_libraries[-1] if of_libraries else None)


def full_line(frame: tuple[str, int, str] | None) -> str:
    """A frame in words, "/folder/file.py:12 (function)"."""
    return f"{frame[0]}:{frame[1]} ({frame[2]})" if frame else UNKNOWN


def source_line(equation: Any, stack: Sequence[Any] = ()) -> str:
    """The line to name for an equation, "file.py:12 (function)"."""
    found = source_frame(equation, stack)
    return f"{Path(found[0]).name}:{found[1]} ({found[2].rpartition('.')[2]})" if found else UNKNOWN
