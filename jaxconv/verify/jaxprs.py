"""The one module that knows how jaxprs are laid out, and how JAX versions differ in it (0.10 to 0.12)."""

from __future__ import annotations

import os
import site
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.extend.core import Literal

from jaxconv.jaxprs.calls import called, opened

__all__ = [
    "blamed",
    "called",
    "executed",
    "frames",
    "is_literal",
    "laxs_name",
    "opened",
    "scan_sizes",
    "source",
    "trace",
]
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


def trace(fn: Callable, arguments: Sequence[Any]) -> tuple[Any, list[Any], Any]:
    """The jaxpr of `fn(*arguments)`, its constants, and the tree of its outputs' shapes."""
    closed, shapes = jax.make_jaxpr(fn, return_shape=True)(*arguments)
    return closed.jaxpr, list(closed.consts), shapes


def executed(equation: Any, operands: Sequence[Any]) -> list[Any]:
    """The results of one equation, a list also of one.

    >>> equation = jax.make_jaxpr(lambda x: 2 * x)(3.0).eqns[0]
    >>> executed(equation, [2.0, 5.0])
    [Array(10., dtype=float32, weak_type=True)]
    """
    # `shard_map` and others take other parameters than their equations have.
    params = equation.primitive.get_bind_params(equation.params)
    found = equation.primitive.bind(*operands, **params)
    return list(found) if equation.primitive.multiple_results else [found]


def scan_sizes(params: dict[str, Any]) -> tuple[int, int]:
    """How many of a scan's operands are constants and how many the carry; the others are scanned over."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    constants, carry, _ = params["ft_in"].unpack()  # 0.12
    return len(constants), len(carry)


# Our own primitives that compute what one of lax's does and carry its parameters (see `jaxconv/lowering`).
LAXS_NAMES = {
    "jaxconv_conv": "conv_general_dilated",
    "jaxconv_conv_dx": "conv_general_dilated",
    "jaxconv_conv_dkernel": "conv_general_dilated",
    "jaxconv_sum_pool": "reduce_window_sum",
    "jaxconv_sum_pool_dx": "reduce_window_sum",
    "jaxconv_max_pool": "reduce_window_max",
    "jaxconv_min_pool": "reduce_window_min",
    "jaxconv_max_pool_place": "select_and_scatter_add",
}


def laxs_name(equation: Any) -> str:
    """The name of the primitive, or of the one of lax's that computes the same."""
    name: str = equation.primitive.name
    return LAXS_NAMES.get(name, name)


def is_literal(atom: Any) -> bool:
    """Whether an operand is a number written into the jaxpr."""
    return isinstance(atom, Literal)


def frames(equation: Any) -> list[tuple[str, int, str]]:
    """The stack at which an equation was traced, innermost first, up to this file: file, line, function."""
    traceback = equation.source_info.traceback
    found = []
    for frame in traceback.frames if traceback is not None else ():
        if frame.file_name == __file__:
            break
        found.append((frame.file_name, frame.line_num, frame.function_name))
    return found


def is_users(file: str) -> bool:
    """Whether a file is the user's own rather than a library's."""
    return not file.startswith((*LIBRARIES, "<frozen")) and f"{os.sep}site-packages{os.sep}" not in file


def blamed(equation: Any, stack: Sequence[Any] = ()) -> tuple[str, int, str] | None:
    """The frame to name for an equation inside of the calls `stack`: the user's own innermost one.

    Without one, that of the function which was traced.
    """
    all_frames = [frame for one in (equation, *reversed(stack)) for frame in frames(one)]
    return next((frame for frame in all_frames if is_users(frame[0])), all_frames[-1] if all_frames else None)


def source(equation: Any, stack: Sequence[Any] = ()) -> str:
    """The line to name for an equation, "file.py:12 (function)"."""
    found = blamed(equation, stack)
    return f"{Path(found[0]).name}:{found[1]} ({found[2].rpartition('.')[2]})" if found else "unknown line"
