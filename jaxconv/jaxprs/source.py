"""The source line that an equation was traced from."""

from __future__ import annotations

import functools
import itertools
import os
import re
import site
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeAlias, cast

from jax.extend.core import JaxprEqn

from jaxconv.jaxprs import layout

Frame: TypeAlias = tuple[str, int, str]  # file, line, function

PACKAGE = str(Path(__file__).parents[1])
# Folders whose frames are not the user's: packages that pip installed, Python's standard library, and this package.
# Each ends with a separator, so that a prefix match is a match of whole folders.
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


# Parts of paths of files whose functions only call others: JAX, and what wraps the modules of other libraries.
WRAPPERS = (
    *("/jax/", "/jaxlib/", "/contextlib.py", "/functools.py", "/jaxtyping/", "/beartype/"),
    *("/flax/linen/module.py", "/flax/linen/transforms.py", "/flax/core/"),
    *("/flax/nnx/object.py", "/flax/nnx/transforms/"),
    *("/equinox/_module", "/equinox/_jit.py", "/equinox/_vmap_pmap.py", "/equinox/_eval_shape.py", "/equinox/_ad.py"),
    *("/haiku/_src/module.py", "/haiku/_src/transform.py", "/haiku/_src/stateful.py", "/haiku/_src/base.py"),
    *("/keras/src/utils/traceback_utils.py", "/keras/src/layers/layer.py", "/keras/src/ops/operation.py"),
    *("/keras/src/ops/function.py", "/keras/src/backend/", "/keras/src/models/functional.py"),
)
TRACING = ("api", "core", "custom_", "interpreters", "linear_util", "pjit", "source_info_util", "traceback_util")
UNKNOWN = "a line that JAX does not record"


class _TracebackFrame(Protocol):
    file_name: str
    line_num: int
    function_name: str


class _Traceback(Protocol):
    frames: Sequence[_TracebackFrame]


def frames(equation: JaxprEqn) -> list[Frame]:
    """Return the stack frames of an equation, innermost first, without the frames that called the tracer."""
    traceback = cast("_Traceback | None", equation.source_info.traceback)
    stack_frames: list[Frame] = []
    for frame in traceback.frames if traceback is not None else ():
        if frame.file_name == layout.__file__:
            break
        stack_frames.append((frame.file_name, frame.line_num, frame.function_name))
    return stack_frames


@functools.cache
def is_users(file: str) -> bool:
    """Whether a file belongs to the user rather than to a library."""
    return not file.startswith((*LIBRARIES, "<frozen")) and f"{os.sep}site-packages{os.sep}" not in file


@functools.cache
def is_tracing(file: str) -> bool:
    """Whether a file belongs to JAX's tracing and transformations, which compute nothing themselves."""
    _, separator, module = file.rpartition(f"{os.sep}jax{os.sep}_src{os.sep}")
    return bool(separator) and module.startswith(TRACING)


@functools.cache
def is_wrapper(file: str) -> bool:
    """Whether a file belongs to JAX, to Python or to this package, or to the part of a library that wraps modules."""
    named = file.replace(os.sep, "/")
    in_site = "/site-packages/" in named
    return any(part in named for part in WRAPPERS) or (not in_site and file.startswith((*LIBRARIES, "<")))


def source_frame(equation: JaxprEqn, stack: Sequence[JaxprEqn] = ()) -> Frame | None:
    """Return the frame to report for an equation inside the calls `stack`: the user's innermost frame.

    If there is none, return the outermost frame of a library that is not a wrapper, or else the frame of the library
    function that was traced. A gradient rule written by the user has neither: JAX calls it while it transforms the
    function, and records none of its lines.
    """
    return reported(all_frames(equation, stack))


def all_frames(equation: JaxprEqn, stack: Sequence[JaxprEqn] = ()) -> list[Frame]:
    """Return the stack frames of an equation inside the calls `stack`, innermost first."""
    return [frame for enclosing in (equation, *reversed(stack)) for frame in frames(enclosing)]


def reported(all_frames: Sequence[Frame]) -> Frame | None:
    """Return which of the frames to report; see `source_frame`."""
    outermost_first = all_frames[::-1]
    candidates = itertools.chain(
        (frame for frame in all_frames if is_users(frame[0])),
        (frame for frame in outermost_first if not is_wrapper(frame[0])),
        (frame for frame in outermost_first if not is_tracing(frame[0])),
    )
    return next(candidates, None)


def call_path(frames: Sequence[str], source: str) -> list[str]:
    """Return the lines through which `source` calls the equation, outermost first, without JAX and wrappers.

    Args:
        frames: the stack as text, innermost first.
        source: the frame from which to start.

    >>> conv, net = "/lib/site-packages/flax/linen/linear.py:700 (_Conv.__call__)", "/home/me/net.py:34 (Net.__call__)"
    >>> call_path(["/lib/site-packages/jax/_src/lax/lax.py:182 (add)", conv, net], net)
    ['flax/linen/linear.py:700 (_Conv.__call__)']
    """
    inner = frames[: frames.index(source)] if source in frames else ()
    libraries = [line for line in reversed(inner) if not is_wrapper(line) and not is_users(line)]
    return [line.replace(os.sep, "/").rpartition("/site-packages/")[2] for line in libraries]


def module_path(equation: JaxprEqn, stack: Sequence[JaxprEqn] = ()) -> str:
    """Return the name scopes around an equation inside the calls `stack`, such as "Net/Conv_0"; "" if there are none.

    Libraries such as Flax name the scopes after modules. The names of transformations, as in "jvp(Net)", are dropped.
    """
    scopes = "/".join(str(enclosing.source_info.name_stack) for enclosing in (*stack, equation))
    while (unwrapped := re.sub(r"\w+\(([^()]*)\)", r"\1", scopes)) != scopes:
        scopes = unwrapped
    return "/".join(filter(None, scopes.split("/")))


def full_line(frame: Frame | None) -> str:
    """Return a frame as text with the full path, "/folder/file.py:12 (function)"."""
    return f"{frame[0]}:{frame[1]} ({frame[2]})" if frame else UNKNOWN


def source_line(equation: JaxprEqn, stack: Sequence[JaxprEqn] = ()) -> str:
    """Return the line to report for an equation as text, "file.py:12 (function)"."""
    frame = source_frame(equation, stack)
    return f"{Path(frame[0]).name}:{frame[1]} ({frame[2].rpartition('.')[2]})" if frame else UNKNOWN
