"""The table that chooses an algorithm for each window operation: the first row that fits, else lax.

Only the CPU has rows: on other platforms every operation is lax's own. `benchmarks/layers.py` measures the gains.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

from jaxconv.errors import explain, message, public
from jaxconv.lowering import saved_table
from jaxconv.lowering.algorithms import ALGORITHMS
from jaxconv.lowering.algorithms.chunked import FEWEST
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec
from jaxconv.lowering.machine import machine
from jaxconv.lowering.version import jax_in
from jaxconv.lowering.window_slices import is_global, overlap


@dataclass(frozen=True)
class Choice:
    """Use `algorithm` on the CPU for these operations where it fits and `when(spec, n, c, o)` holds.

    Attributes:
        algorithm: a key of `ALGORITHMS`.
        operations: operations of a convolution or of pooling.
        when: takes the spec, the batch size and the numbers of input and output channels.
        reason: why lax is slower.
        gain: lax's time over ours, as measured.
        jax: the range of JAX versions that the row is for; empty for all.
    """

    algorithm: str
    operations: tuple[str, ...]
    when: Callable[[ConvSpec, int, int, int], bool]
    reason: str
    gain: str
    jax: str = ""


Shape: TypeAlias = tuple[int, ...]
CONV = tuple(CONV_OPERANDS)


def _one_position(spec: ConvSpec) -> bool:
    return all(axis.out == 1 for axis in spec.axes)


def _unit_stride(spec: ConvSpec) -> bool:
    return all(axis.stride == 1 for axis in spec.axes)


def _large_product(spec: ConvSpec, n: int, c: int, o: int) -> bool:
    return _unit_stride(spec) and n * spec.output_size >= 2**12 and max(c, o) >= 32


def _has_padding(spec: ConvSpec) -> bool:
    return any((axis.pad.lo, axis.pad.hi) != (0, 0) for axis in spec.axes)


def _few_disjoint(spec: ConvSpec) -> bool:
    return not overlap(spec.axes) and spec.taps <= 25


def _few_overlapping(spec: ConvSpec, n: int) -> bool:
    return overlap(spec.axes) and spec.taps <= 9 and (n > 1 or _has_padding(spec))


def _few_per_axis(spec: ConvSpec) -> bool:
    return sum(axis.taps for axis in spec.axes) <= 32


def _few_plain_taps(spec: ConvSpec, n: int) -> bool:
    dilated = any(axis.dilation > 1 for axis in spec.axes)
    return spec.taps <= 9 and (n == 1 or not (dilated or _has_padding(spec)))


def _has_global_axis(spec: ConvSpec) -> bool:
    return any(map(is_global, spec.axes))


def _few_channels(spec: ConvSpec, n: int) -> bool:
    return len(spec.axes) == 2 and _unit_stride(spec) and n >= FEWEST


def _bytes(spec: ConvSpec, n: int, c: int, o: int) -> tuple[int, int]:
    """Bytes of x and of y in float32."""
    return 4 * n * spec.input_size * c, 4 * n * spec.output_size * o


def _exceeds_l3(fraction: float, spec: ConvSpec, n: int, c: int, o: int) -> bool:
    """Whether x and y together fill that part of the last-level cache, and neither is small beside the other."""
    x, y = _bytes(spec, n, c, o)
    limit = fraction * machine().l3_bytes
    return x + y >= limit and min(x, y) > limit / 4


def _exceeds_l2(spec: ConvSpec, n: int, c: int, o: int) -> bool:
    """Whether x and y exceed the second-level caches of the usable cores twice, so that lax's copies leave them.

    Below that a step of a ResNet on images of 32x32 takes as long by lax, and compiles in 1 s less.
    """
    return sum(_bytes(spec, n, c, o)) > 2 * machine().cores * machine().l2_bytes


def _batch_too_short(n: int, o: int) -> bool:
    """Whether lax, with the batch innermost, copies windows number by number, for too few output channels."""
    return n * o <= 64 and o < 32


def _wide_rows(spec: ConvSpec, c: int, o: int) -> bool:
    """Whether the product of rows of x and y has two sides that are long enough to fill the registers."""
    first, *others = spec.axes
    sides = c * math.prod(axis.taps for axis in others), o * math.ceil(first.taps / first.stride)
    return len(others) >= 1 and min(sides) >= 32


# Gains are lax's time over ours, for batches of 32 on two cores, by `benchmarks/layers.py` on JAX 0.10.2 and 0.12.0.1.
ROWS = [
    Choice(
        "matmul",
        ("conv", "conv_input_grad"),
        lambda spec, n, c, o: _one_position(spec) or (_large_product(spec, n, c, o) and c * o < 2**14),
        "one matrix product; lax is as fast for small products, and for many channels",
        "1.4-2.3; 16 for the input gradient of a kernel as large as x",
        jax=">=0.12",
    ),
    Choice(
        "matmul",
        ("conv", "conv_input_grad"),
        lambda spec, n, c, o: _one_position(spec) or _large_product(spec, n, c, o),
        "one matrix product; lax is as fast for small products",
        "1.4-2.3; 16 for the input gradient of a kernel as large as x",
        jax="<0.12",
    ),
    Choice(
        "matmul",
        ("conv_kernel_grad",),
        lambda spec, n, c, o: True,
        "one matrix product, which XLA does not make of lax's kernel gradient",
        "2.3-4.6",
    ),
    Choice(
        "depthwise",
        CONV,
        lambda spec, n, c, o: True,
        "lax's grouped convolution is a scalar loop per channel",
        "forward 11-110, with both gradients 5-45",
    ),
    Choice(
        "grouped",
        CONV,
        lambda spec, n, c, o: True,
        "lax's grouped convolution is a scalar loop, slower with more groups; dense convolutions are matrix products",
        "forward 3-8, input gradient 4-11, kernel gradient 50-600",
    ),
    Choice(
        "conv3d_as_2d",
        CONV,
        lambda spec, n, c, o: len(spec.axes) >= 3,
        "XLA has fast code for two spatial axes only",
        "forward 6-24, with both gradients 5-20",
    ),
    Choice(
        "toeplitz",
        ("conv",),
        lambda spec, n, c, o: _unit_stride(spec) and c <= 3 and o <= 32,
        "the product of one window with few channels is too small to be fast",
        "1.6-3.6",
    ),
    Choice(
        "toeplitz",
        ("conv_input_grad",),
        lambda spec, n, c, o: (
            _unit_stride(spec)
            and (c <= 3 or (c <= 6 and n * spec.output_size >= 2**11))
            and o <= 32
            and spec.axes[-1].taps <= 15
        ),
        "as for the convolution, and lax's input gradient of few channels is slower still",
        "2.5-8",
    ),
    Choice(
        "row_products",
        ("conv_kernel_grad",),
        lambda spec, n, c, o: (
            spec.taps <= 9 and _wide_rows(spec, c, o) and (_exceeds_l2(spec, n, c, o) or _batch_too_short(n, o))
        ),
        "XLA copies x and y with the batch innermost: slow beyond the second-level caches, and for few examples",
        "1.5-5",
    ),
    Choice(
        "chunked",
        ("conv_kernel_grad",),
        lambda spec, n, c, o: (2 <= c <= 3 and o >= 16 and _few_channels(spec, n)) or _exceeds_l3(1, spec, n, c, o),
        "XLA copies x, y and every window into other layouts, which is slow where they exceed the processor's caches",
        "1.4-5; with y and the input gradient 1.0-1.4, with few channels 1.8-2.5",
        jax=">=0.12",
    ),
    Choice(
        "chunked",
        ("conv_kernel_grad",),
        lambda spec, n, c, o: (2 <= c <= 8 and o >= 6 and _few_channels(spec, n)) or _exceeds_l3(1 / 4, spec, n, c, o),
        "as above",
        "2-9; with y and the input gradient 1.0-1.4, with few channels 1.8-2.5",
        jax="<0.12",
    ),
    Choice(
        "toeplitz",
        ("conv_kernel_grad",),
        lambda spec, n, c, o: _unit_stride(spec) and c <= 3,
        "as for the convolution",
        "1.1-3",
    ),
    Choice(
        "nhwc",
        ("conv_input_grad", "conv_kernel_grad"),
        lambda spec, n, c, o: True,
        "inside loops and branches XLA computes the layouts of lax's gradients by scalar loops",
        "1; 25-100 inside `lax.scan`, `lax.fori_loop`, `lax.cond`",
    ),
    Choice(
        "window_slices",
        ("max_pool", "min_pool"),
        lambda spec, n, c, o: True,
        "XLA's maxima over windows drop NaNs from some size on; slices keep them and are loops over contiguous cells",
        "1-8; 100 and more where windows of many taps overlap; 0.4-1 where large windows do not",
    ),
    Choice(
        "window_slices",
        ("sum_pool",),
        lambda spec, n, c, o: (
            sum(axis.taps for axis in spec.axes) <= 32
            and (overlap(spec.axes) or _has_global_axis(spec) or n * spec.input_size * c > 2**16)
        ),
        "lax iterates over windows; slices are loops over contiguous cells, but take longer to start",
        "1-8",
    ),
    Choice(
        "argmax_at_once",
        ("max_pool_scatter",),
        lambda spec, n, c, o: _few_disjoint(spec) or _few_overlapping(spec, n),
        "lax's select-and-scatter is a scalar loop; here each cell compares itself to the argmax, in a few passes",
        "3-40",
        jax=">=0.12",
    ),
    Choice(
        "argmax_at_once",
        ("max_pool_scatter",),
        lambda spec, n, c, o: _few_disjoint(spec) and c % 4 == 0,
        "as above; XLA computes the argmax again in each pass over overlapping windows",
        "3-40",
        jax="<0.12",
    ),
    Choice(
        "argmax_per_axis",
        ("max_pool_scatter",),
        lambda spec, n, c, o: _few_per_axis(spec),
        "as above; rows, then columns: fewer taps",
        "3-30",
        jax=">=0.12",
    ),
    Choice(
        "argmax_per_axis",
        ("max_pool_scatter",),
        lambda spec, n, c, o: _few_per_axis(spec) and _few_plain_taps(spec, n),
        "as above; XLA computes the argmax along an axis again for each of its taps",
        "3-30",
        jax="<0.12",
    ),
    Choice(
        "argmax_per_image",
        ("max_pool_scatter",),
        lambda spec, n, c, o: spec.taps <= 49,
        "as above; the argmax is stored image by image, which before 0.12 is the only way that XLA stores it",
        "1.3-10",
    ),
    Choice(
        "argmax_per_axis",
        ("max_pool_scatter",),
        lambda spec, n, c, o: True,
        "as above; and lax's NaNs lose",
        "2-14",
    ),
    Choice(
        "window_slices",
        ("sum_pool_grad",),
        lambda spec, n, c, o: overlap(spec.axes) or _has_global_axis(spec) or c < 32,
        "as for sums; for disjoint windows of many channels lax is as fast",
        "3-20; disjoint windows 1.5-4; one window over a whole axis, beside slices and their sums, 1-2",
    ),
]

TABLE = "table"  # no algorithm is forced: the table chooses
MANY = 2**10
_forced: ContextVar[str] = ContextVar("jaxconv algorithm", default=TABLE)


def algorithm_for(operation: str, spec: ConvSpec, n: Any, c: int, o: int) -> str:
    """The algorithm that the table has on the CPU for an operation, or "lax".

    The user's own table (`saved_table.py`) comes before the rows.

    Args:
        operation: an operation of a convolution or of pooling.
        spec: its geometry.
        n: batch size; one that is not known yet (`jax.export` of any batch) counts as many.
        c: input channels.
        o: output channels.
    """
    n = n if isinstance(n, int) else MANY
    path = os.environ.get(saved_table.VARIABLE)
    if path and (found := saved_table.saved(path, operation, spec, n, c, o)) is not None:
        return found
    rows = (row for row in ROWS if operation in row.operations and jax_in(row.jax))
    fitting = (row for row in rows if ALGORITHMS[row.algorithm].fits(spec, c, o))
    return next((row.algorithm for row in fitting if row.when(spec, n, c, o)), "lax")


def computes(algorithm: str, operation: str) -> bool:
    """Whether an algorithm, or "lax", computes an operation."""
    return algorithm == "lax" or operation in ALGORITHMS[algorithm].operations


def fits(algorithm: str, operation: str, spec: ConvSpec, lhs: Shape, rhs: Shape) -> bool:
    """Whether an algorithm, or "lax", computes a convolution operation on operands of these shapes."""
    return algorithm == "lax" or ALGORITHMS[algorithm].fits(spec, *spec.channels(operation, lhs, rhs))


@contextlib.contextmanager
@public
def use_algorithm(algorithm: str) -> Iterator[None]:
    """Compute every convolution or pooling traced inside by one algorithm, on every platform.

    It takes effect while a function is traced. A function that `jax.jit` has traced before keeps its algorithm, so make
    a new one: `jax.jit(lambda params, x: net(params, x))`. Gradients use the same algorithm. Where vmap makes a
    convolution that the algorithm does not fit (a batch of kernels becomes groups), lax computes that convolution.

    Args:
        algorithm: "lax" for lax's own operation (whose maxima may drop NaNs on the CPU); a name in
            `jaxconv.lowering.algorithms.ALGORITHMS`; or "table", the default outside: the table's choice on the CPU and
            lax elsewhere. An algorithm of convolutions leaves pooling to the table, and the other way round.

    Raises:
        ValueError: for an unknown algorithm; and inside, for a convolution that it does not fit.

    >>> import jaxconv as jc, jax.numpy as jnp
    >>> with use_algorithm("lax"):
    ...     y = jc.conv({"kernel": jnp.ones((1, 1, 1))}, jnp.ones((1, 3, 1)))
    """
    if algorithm not in ("lax", TABLE, *ALGORITHMS):
        expected = f"one of {', '.join(('lax', TABLE, *ALGORITHMS))}"
        cure = f'Write use_algorithm("{TABLE}") for the table\'s choice'
        raise ValueError(explain("algorithm", repr(algorithm), expected, cure))
    token = _forced.set(algorithm)
    try:
        yield
    finally:
        _forced.reset(token)


def forced() -> str:
    """The algorithm that `use_algorithm` forces, or `TABLE`."""
    return _forced.get()


def forced_algorithm(spec: ConvSpec, x: Shape, kernel: Shape) -> str | None:
    """The algorithm forced on a convolution of these shapes, or None if the table chooses."""
    algorithm = _forced.get()
    if algorithm == TABLE or not computes(algorithm, "conv"):
        return None
    if not fits(algorithm, "conv", spec, x, kernel):
        found = f"{algorithm!r}, which does not fit x {x} and kernel {kernel} in {spec.groups} groups"
        expected, cure = "an algorithm that does", 'Use "lax", or "table"'
        raise ValueError(message("use_algorithm", "algorithm", found, expected, cure))
    return algorithm


def forced_pool_algorithm() -> str | None:
    """The algorithm forced on pooling, or None if the table chooses, as it does if one of convolutions is forced."""
    algorithm = _forced.get()
    return algorithm if algorithm == "lax" or (algorithm != TABLE and not computes(algorithm, "conv")) else None
