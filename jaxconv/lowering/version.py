"""JAX versions that differ in what is fast (measured: 0.10.2 and 0.12.0.1): 0.12 generates other code for CPUs."""

from __future__ import annotations

import operator
import re
from functools import cache

import jax

_COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}


@cache
def jax_in(versions: str, version: tuple[int, ...] = jax.__version_info__) -> bool:
    """Whether this JAX is in a range of versions. An empty range is any version.

    >>> jax_in(">=0.10,<0.12", (0, 11, 1)), jax_in(">=0.12", (0, 11, 1)), jax_in("")
    (True, False, True)
    """
    for clause in filter(None, versions.split(",")):
        match = re.fullmatch(r"(<=|>=|==|<|>)(\d+(?:\.\d+)*)", clause.strip())
        if match is None:
            raise ValueError(f"jax_in: versions is {versions!r}, but should be a range such as '>=0.10,<0.12'")
        bound = tuple(map(int, match[2].split(".")))
        if not _COMPARISONS[match[1]](version[: len(bound)], bound):
            return False
    return True


# `jax.jit(inline=...)` that puts the function's equations into the jaxpr instead of a call. (Since 0.12 True inlines
# later and leaves a call in the jaxpr.)
INLINE = jax.Inline.JAX_EARLY if hasattr(jax, "Inline") else True
