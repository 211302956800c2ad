"""Which way computes a window operation: the first row of this table that fits, else lax.

Only the CPU has rows: on every other platform an operation is lax's own. `benchmarks/layers.py` measures the gains.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

from jaxconv.errors import explain
from jaxconv.lowering.form import FACES, Face, Form
from jaxconv.lowering.ways import WAYS


@dataclass(frozen=True)
class Row:
    """Take `way` on the CPU for these operations, where it fits and the form is `when(form, c, o)`."""

    way: str
    operations: tuple[str, ...]  # faces of a convolution, or operations of `pooling`
    when: Callable[[Form, int, int], bool]
    reason: str
    gain: str


Shape: TypeAlias = tuple[int, ...]
ALL = tuple(FACES)
# Gains: lax's time / ours, JAX 0.10.2 and 0.12.0.1, on two shared cores (noisy: read them as orders of magnitude).
ROWS = [
    Row(
        "product",
        ALL,
        lambda form, c, o: True,
        "a kernel 1 wide is a matrix product, which lax's delta of the kernel is not computed as",
        "forward and x's delta 0.9-2.5, kernel's delta 2-4",
    ),
    Row(
        "taps",
        ALL,
        lambda form, c, o: True,
        "lax's grouped convolution is a scalar loop, for each channel",
        "forward 8-34, x's delta 3-190, kernel's delta 1.2-7",
    ),
    Row(
        "split",
        ALL,
        lambda form, c, o: True,
        "lax's grouped convolution is a scalar loop, the slower the more groups; dense ones are matrix products",
        "forward 3-8, x's delta 4-11, kernel's delta 50-600",
    ),
    Row(
        "slices",
        ALL,
        lambda form, c, o: len(form.axes) >= 3,
        "lax has fast code for two spatial axes",
        "6-12",
    ),
    Row(
        "banded",
        ("conv", "conv_dkernel"),
        lambda form, c, o: c <= 3,
        "windows of few channels are products too small to be fast",
        "forward 2-5, kernel's delta 1.5-3",
    ),
    Row(
        "banded",
        ("conv_dx",),
        lambda form, c, o: c <= 6,
        "likewise, and lax's delta of few channels is slower still",
        "2.5-8",
    ),
    Row(
        "taps",
        ("max_pool", "sum_pool"),
        lambda form, c, o: sum(axis.taps for axis in form.axes) <= 32,
        "lax walks over windows; slices are loops over cells that lie side by side",
        "1-10",
    ),
    Row(
        "taps",
        ("max_pool_place",),
        lambda form, c, o: math.prod(axis.taps for axis in form.axes) <= 25,
        "lax's select-and-scatter is a scalar loop",
        "8-70",
    ),
    Row(
        "taps",
        ("sum_pool_dx",),
        lambda form, c, o: any(axis.taps > axis.stride for axis in form.axes),
        "likewise where windows overlap; where they do not, lax's is as fast",
        "2.5-3",
    ),
]

TABLE = "table"  # the way that the table says
_forced: ContextVar[str] = ContextVar("jaxconv way", default=TABLE)


def way_for(operation: str, form: Form, c: int, o: int) -> str:
    """The way that the table has on the CPU for an operation on c channels of x and o of y; "lax" where no row fits."""
    fits = lambda row: operation not in FACES or WAYS[row.way].fits(form, c, o)
    rows = (row for row in ROWS if operation in row.operations and fits(row) and row.when(form, c, o))
    return next((row.way for row in rows), "lax")


def fits(way: str, face: Face, form: Form, one: Shape, other: Shape) -> bool:
    """Whether a way computes this face of operands of these shapes."""
    return way == "lax" or WAYS[way].fits(form, *form.channels(face, one, other))


@contextlib.contextmanager
def forced(way: str) -> Iterator[None]:
    """Compute every convolution and pooling that is traced inside in one way, on every platform.

    It takes effect when a function is traced. One that `jax.jit` has traced before keeps the way that it was traced
    with, so make a new one: `jax.jit(lambda params, x: net(params, x))`. Gradients go the same way. Where vmap turns a
    convolution into one that the way does not fit (two kernels at once are two groups), that one is left to lax.

    Args:
        way: "lax" for lax's own operation, a name of `jaxconv.lowering.ways.WAYS`, or "table" (the default outside) for
            what the table says on the CPU, and lax elsewhere. Of pooling there is the way "taps"; others leave it to
            the table.

    Raises:
        ValueError: an unknown way; and inside, a convolution that it does not fit.

    >>> import jaxconv as jc, jax.numpy as jnp
    >>> with forced("lax"):
    ...     y = jc.conv({"kernel": jnp.ones((1, 1, 1))}, jnp.ones((1, 3, 1)))
    """
    if way not in ("lax", TABLE, *WAYS):
        raise ValueError(explain("forced", "way", repr(way), f"one of {', '.join(('lax', TABLE, *WAYS))}"))
    token = _forced.set(way)
    try:
        yield
    finally:
        _forced.reset(token)


def forced_way(form: Form, x: Shape, kernel: Shape) -> str | None:
    """The way that is forced on a convolution of these shapes, or None: then the table says."""
    way = _forced.get()
    if way == TABLE:
        return None
    if not fits(way, "conv", form, x, kernel):
        found = f"{way!r}, which does not fit x {x} and kernel {kernel} in {form.groups} groups"
        raise ValueError(explain("forced", "way", found, "one that does", 'Force "lax", or "table"'))
    return way


def forced_on_pools() -> str | None:
    """The way that is forced on pooling, "lax" or "taps"; or None: then the table says, as it does if another is."""
    way = _forced.get()
    return way if way in ("lax", "taps") else None
