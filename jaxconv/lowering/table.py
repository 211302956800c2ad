"""Which way computes a window operation: the first row of this table that fits, else lax.

Only the CPU has rows: on every other platform an operation is lax's own. `benchmarks/layers.py` measures the gains.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

from jaxconv.errors import explain
from jaxconv.lowering.form import FACES, Face, Form
from jaxconv.lowering.taps import is_whole, overlap
from jaxconv.lowering.version import OLD
from jaxconv.lowering.ways import WAYS
from jaxconv.lowering.ways.portions import LEAST


@dataclass(frozen=True)
class Row:
    """Take `way` on the CPU for these operations, where it fits and `when(form, n, c, o)`.

    Of n examples, and c channels of x to o of y.
    """

    way: str
    operations: tuple[str, ...]  # faces of a convolution, or operations of `pooling`
    when: Callable[[Form, int, int, int], bool]
    reason: str
    gain: str


Shape: TypeAlias = tuple[int, ...]
ALL = tuple(FACES)


def _one_position(form: Form) -> bool:
    return all(axis.out == 1 for axis in form.axes)


def _unit_stride(form: Form) -> bool:
    return all(axis.stride == 1 for axis in form.axes)


def _worth_a_product(form: Form, n: int, c: int, o: int) -> bool:
    return n * form.positions >= 2**12 and max(c, o) >= 32 and (OLD or c * o < 2**14)


def _padded(form: Form) -> bool:
    return any((axis.pad.lo, axis.pad.hi) != (0, 0) for axis in form.axes)


def _worth_all_taps_at_once(form: Form, n: int, c: int) -> bool:
    """Since 0.12 XLA stores winners; before, it computes them anew for each pass: where windows overlap, each tap."""
    if not overlap(form.axes):
        return form.taps <= 25 and (not OLD or c % 4 == 0)
    return not OLD and form.taps <= 9 and (n > 1 or _padded(form))


def _worth_an_axis_at_a_time(form: Form, n: int) -> bool:
    """Before 0.12 the winners of an axis are computed anew for each of its taps: few ones, without padding."""
    dilated = any(axis.dilation > 1 for axis in form.axes)
    return not OLD or (form.taps <= 9 and (n == 1 or not (dilated or _padded(form))))


def _whole(form: Form) -> bool:
    return any(map(is_whole, form.axes))


def _worth_portions(form: Form, n: int, c: int, o: int) -> bool:
    few_channels = 2 <= c <= (8 if OLD else 3) and o >= (6 if OLD else 16)
    if few_channels and len(form.axes) == 2 and _unit_stride(form) and n >= LEAST:
        return True
    x, y, large = n * form.cells * c, n * form.positions * o, 2**21 if OLD else 2**23
    return x + y >= large and min(x, y) > large // 4


# Gains: lax's time / ours, for batches of 32, on two cores: JAX 0.10.2 and 0.12.0.1 by `benchmarks/layers.py`.
ROWS = [
    Row(
        "product",
        ("conv", "conv_dx"),
        lambda form, n, c, o: _one_position(form) or (_unit_stride(form) and _worth_a_product(form, n, c, o)),
        "one matrix product; lax is as fast where it is small, and in 0.12 where it is large",
        "1.4-2.3; 16 for x's delta of a kernel as large as x",
    ),
    Row(
        "product",
        ("conv_dkernel",),
        lambda form, n, c, o: True,
        "one matrix product, which lax's delta of the kernel is not computed as",
        "2.3-4.6",
    ),
    Row(
        "taps",
        ALL,
        lambda form, n, c, o: True,
        "lax's grouped convolution is a scalar loop, for each channel",
        "forward 11-110, with both deltas 5-45",
    ),
    Row(
        "split",
        ALL,
        lambda form, n, c, o: True,
        "lax's grouped convolution is a scalar loop, the slower the more groups; dense ones are matrix products",
        "forward 3-8, x's delta 4-11, kernel's delta 50-600",
    ),
    Row(
        "slices",
        ALL,
        lambda form, n, c, o: len(form.axes) >= 3,
        "lax has fast code for two spatial axes",
        "forward 6-24, with both deltas 5-20",
    ),
    Row(
        "banded",
        ("conv",),
        lambda form, n, c, o: _unit_stride(form) and c <= 3 and o <= 32,
        "windows of few channels are products too small to be fast",
        "1.6-3.6",
    ),
    Row(
        "banded",
        ("conv_dx",),
        lambda form, n, c, o: (
            _unit_stride(form)
            and (c <= 3 or (c <= 6 and n * form.positions >= 2**11))
            and o <= 32
            and form.axes[-1].taps <= 15
        ),
        "likewise, and lax's delta of few channels is slower still",
        "2.5-8",
    ),
    Row(
        "portions",
        ("conv_dkernel",),
        _worth_portions,
        "XLA lays x and y out anew and copies windows, which is slow where that is larger than the processor's caches",
        "1.4-5, 2-9 before 0.12; with y and x's delta 1.0-1.4, of few channels 1.8-2.5",
    ),
    Row(
        "banded",
        ("conv_dkernel",),
        lambda form, n, c, o: _unit_stride(form) and c <= 3,
        "as of the convolution",
        "1.1-3",
    ),
    Row(
        "canonical",
        ("conv_dx", "conv_dkernel"),
        lambda form, n, c, o: True,
        "inside of loops and branches XLA computes the layouts of lax's gradients by scalar loops",
        "1; 25-100 inside of `lax.scan`, `lax.fori_loop`, `lax.cond`",
    ),
    Row(
        "taps",
        ("max_pool", "min_pool"),
        lambda form, n, c, o: True,
        "XLA's maxima over windows drop NaNs from some size on; slices keep them, in loops over cells side by side",
        "1-8; 100 and more where windows of many taps overlap; 0.4-1 where large ones do not",
    ),
    Row(
        "taps",
        ("sum_pool",),
        lambda form, n, c, o: (
            sum(axis.taps for axis in form.axes) <= 32
            and (overlap(form.axes) or _whole(form) or n * form.cells * c > 2**16)
        ),
        "lax walks over windows; slices are loops over cells that lie side by side, but start more slowly",
        "1-8",
    ),
    Row(
        "cells",
        ("max_pool_place",),
        lambda form, n, c, o: _worth_all_taps_at_once(form, n, c),
        "lax's select-and-scatter is a scalar loop; here each cell asks, in a pass or a few, who wins its window",
        "3-40",
    ),
    Row(
        "axes",
        ("max_pool_place",),
        lambda form, n, c, o: sum(axis.taps for axis in form.axes) <= 32 and _worth_an_axis_at_a_time(form, n),
        "likewise; the winners of rows, then of columns: fewer taps",
        "3-30",
    ),
    Row(
        "taps",
        ("max_pool_place",),
        lambda form, n, c, o: form.taps <= 49,
        "likewise; the winners stored image by image, which is how XLA stores them before 0.12",
        "1.3-10",
    ),
    Row(
        "axes",
        ("max_pool_place",),
        lambda form, n, c, o: True,
        "likewise; and lax's lets NaNs lose",
        "2-14",
    ),
    Row(
        "taps",
        ("sum_pool_dx",),
        lambda form, n, c, o: overlap(form.axes) or _whole(form) or c < 32,
        "likewise, or one window is a whole axis, as of adaptive pooling; elsewhere lax's is as fast for many channels",
        "3-20, where windows do not overlap 1.5-4; of a whole axis, beside slices and their sums, 1-2",
    ),
]

TABLE = "table"  # the way that the table says
MANY = 2**10
_forced: ContextVar[str] = ContextVar("jaxconv way", default=TABLE)


def way_for(operation: str, form: Form, n: Any, c: int, o: int) -> str:
    """The way that the table has on the CPU for an operation on n examples of c channels of x and o of y, or "lax".

    A number of examples that is not known yet (`jax.export` of any batch) counts as many.
    """
    n = n if isinstance(n, int) else MANY
    fits = lambda row: operation not in FACES or WAYS[row.way].fits(form, c, o)
    rows = (row for row in ROWS if operation in row.operations and fits(row) and row.when(form, n, c, o))
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
        way: "lax" for lax's own operation (whose maxima may drop NaNs on the CPU), a name of
            `jaxconv.lowering.ways.WAYS`, or "table" (the default outside) for what the table says on the CPU, and lax
            elsewhere. Of pooling there is the way "taps"; others leave it to the table.

    Raises:
        ValueError: an unknown way; and inside, a convolution that it does not fit.

    >>> import jaxconv as jc, jax.numpy as jnp
    >>> with forced("lax"):
    ...     y = jc.conv({"kernel": jnp.ones((1, 1, 1))}, jnp.ones((1, 3, 1)))
    """
    if way not in ("lax", TABLE, *WAYS):
        expected, cure = f"one of {', '.join(('lax', TABLE, *WAYS))}", f'Write forced("{TABLE}") for the table\'s own'
        raise ValueError(explain("forced", "way", repr(way), expected, cure))
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
