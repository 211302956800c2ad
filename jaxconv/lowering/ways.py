"""Ways to compute a convolution by other means than lax's: for each of its three faces a formula.

Every way fits some forms only, and says which. None of them multiplies a cell by a number that is not in the kernel: an
infinite cell reaches the outputs that see it, and no others. Half-precision floats are added up in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.form import Face, Form, by_lax
from jaxconv.window import Pad

Formula = Callable[[Form, Array, Array], Array]


@dataclass(frozen=True)
class Way:
    """`fits(form, c, o)`: whether the formulas hold, of c channels of x and o of y. Each has its face's operands."""

    fits: Callable[[Form, int, int], bool]
    conv: Formula
    conv_dx: Formula
    conv_dkernel: Formula

    def __call__(self, face: Face, form: Form, one: Array, other: Array) -> Array:
        """One face, in whichever dtype its sums were made."""
        return getattr(self, face)(form, one, other)


def accumulator(form: Form, operand: Array) -> jnp.dtype:
    """The dtype to multiply and add in: the preferred one, and 32 bits or more for floats."""
    dtype = jnp.dtype(form.preferred or operand.dtype)
    return jnp.dtype(jnp.float32) if dtype in (jnp.float16, jnp.bfloat16) else dtype


def padded(form: Form, x: Array) -> Array:
    """x with the form's zeros around it."""
    if not any((axis.pad.lo, axis.pad.hi) != (0, 0) for axis in form.axes):
        return x
    config = [(0, 0, 0), *((axis.pad.lo, axis.pad.hi, 0) for axis in form.axes), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def under(form: Form, x: Array, tap: tuple[int, ...]) -> Array:
    """The cells [n, *out, c] of a padded x that one tap of the window meets, one for each position."""
    for number, (axis, u) in enumerate(zip(form.axes, tap, strict=True), start=1):
        start = u * axis.dilation
        x = lax.slice_in_dim(x, start, start + (axis.out - 1) * axis.stride + 1, axis.stride, axis=number)
    return x


def over(form: Form, y: Array, tap: tuple[int, ...]) -> Array:
    """The transpose of `under` and `padded`: y [n, *out, c] on the cells of x that the tap meets, zeros elsewhere."""
    config = [(0, 0, 0)]
    for axis, u in zip(form.axes, tap, strict=True):
        first = u * axis.dilation - axis.pad.lo
        config.append((first, axis.length - first - ((axis.out - 1) * axis.stride + 1), axis.stride - 1))
    return lax.pad(y, jnp.zeros((), y.dtype), [*config, (0, 0, 0)])


def taps_of(form: Form) -> list[tuple[int, ...]]:
    """Every tap of the window, in row-major order."""
    return list(product(*(range(axis.taps) for axis in form.axes)))


def contracted(form: Form, one: Array, other: Array, axes: Sequence[int], others: Sequence[int]) -> Array:
    """The sum of products over some axes of one array and of the other."""
    numbers = ((tuple(axes), tuple(others)), ((), ()))
    wide = accumulator(form, one)
    return lax.dot_general(one, other, numbers, precision=form.precision, preferred_element_type=wide)


def _summed(terms: Sequence[Array]) -> Array:
    return sum(terms[1:], start=terms[0])


# A kernel that is 1 wide: one matrix product, of the cells where the window stands.


def _pointwise(form: Form, x: Array, kernel: Array) -> Array:
    """`y[n,j,o] = sum_c x[n, j*stride - lo, c] kernel[0,c,o]`."""
    cells = under(form, padded(form, x), (0,) * len(form.axes))
    return contracted(form, cells, kernel.reshape(kernel.shape[-2:]), [x.ndim - 1], [0])


def _pointwise_dx(form: Form, y: Array, kernel: Array) -> Array:
    """`x[n, j*stride - lo, c] = sum_o y[n,j,o] kernel[0,c,o]`, and 0 where no window stands."""
    cells = contracted(form, y, kernel.reshape(kernel.shape[-2:]), [y.ndim - 1], [1])
    return over(form, cells, (0,) * len(form.axes))


# Any kernel with one group: a matrix product for each tap.


def _dkernel_by_tap(form: Form, x: Array, y: Array) -> Array:
    """`kernel[u,c,o] = sum_{n,j} x[n, j*stride + u*dilation - lo, c] y[n,j,o]`."""
    x, y = padded(form, x), y.reshape(-1, y.shape[-1])
    cells = [under(form, x, tap).reshape(-1, x.shape[-1]) for tap in taps_of(form)]
    found = jnp.stack([contracted(form, one, y, [0], [0]) for one in cells])
    return found.reshape(*(axis.taps for axis in form.axes), *found.shape[1:])


# Every channel by itself (depthwise): a sum over taps, of which XLA makes one loop.


def _depthwise(form: Form, x: Array, kernel: Array) -> Array:
    """`y[n,j,c] = sum_u x[n, j*stride + u*dilation - lo, c] kernel[u,0,c]`."""
    wide = accumulator(form, x)
    x, weights = padded(form, x).astype(wide), _weights(kernel.astype(wide))
    return _summed([under(form, x, tap) * weights[tap] for tap in taps_of(form)])


def _depthwise_dx(form: Form, y: Array, kernel: Array) -> Array:
    """`x[n,i,c] = sum_u y[n,j,c] kernel[u,0,c]` over the taps that stand on i, at j*stride + u*dilation - lo == i."""
    wide = accumulator(form, y)
    y, weights = y.astype(wide), _weights(kernel.astype(wide))
    return _summed([over(form, y * weights[tap], tap) for tap in taps_of(form)])


def _depthwise_dkernel(form: Form, x: Array, y: Array) -> Array:
    """`kernel[u,0,c] = sum_{n,j} x[n, j*stride + u*dilation - lo, c] y[n,j,c]`, row after row of y.

    Along a row nothing is added until the end, so every tap's products are one loop over cells that lie side by side.
    (A sum for each tap reads x and y once for each of them: 2 times slower for 3 x 3 taps, 6 times for 7 x 7.)
    """
    wide = accumulator(form, x)
    x, y = padded(form, x).astype(wide), y.astype(wide)
    *rows, last = form.axes
    counts, row = (*(axis.out for axis in rows), 1, 1), (last.out, x.shape[-1])
    one_row = replace(form, axes=(*(replace(axis, length=axis.span, pad=Pad(0, 0)) for axis in rows), last))

    def add(number: Array, total: Array) -> Array:
        position: list[Array] = []
        for count in reversed(counts):
            number, j = number // count, number % count
            position.insert(0, j)
        starts = [j * stride for j, stride in zip(position, (*(axis.stride for axis in rows), 1, 1), strict=True)]
        cells = lax.dynamic_slice(x, (number, *starts), (1, *(axis.span for axis in rows), *x.shape[-2:]))
        deltas = lax.dynamic_slice(y, (number, *position), (1,) * (len(rows) + 1) + row).reshape(row)
        return total + jnp.stack([under(one_row, cells, tap).reshape(row) * deltas for tap in taps_of(form)])

    taps = tuple(axis.taps for axis in form.axes)
    number_of_rows = x.shape[0] * math.prod(counts)
    nothing = jnp.zeros((math.prod(taps), *row), wide)
    if over_mesh := tuple(sorted(jax.typeof(x).manual_axis_type.varying)):  # inside shard_map: a loop keeps its types
        nothing = lax.pcast(nothing, over_mesh, to="varying")
    total = lax.fori_loop(0, number_of_rows, add, nothing)
    return jnp.sum(total, axis=1, dtype=wide).reshape(*taps, 1, x.shape[-1])


def _weights(kernel: Array) -> Array:
    """kernel [*window, 1, c] as [*window, 1, *ones, c], to be multiplied with x."""
    *window, _, c = kernel.shape
    return kernel.reshape(*window, *[1] * (len(window) + 1), c)


# Few groups of many channels: every group is a convolution of its own.


def _each_group(compute: Formula) -> Formula:
    """A face, group by group."""

    def run(form: Form, one: Array, other: Array) -> Array:
        alone = replace(form, groups=1)
        ones, others = (jnp.split(a, form.groups, axis=-1) for a in (one, other))
        return jnp.concatenate([compute(alone, a, b) for a, b in zip(ones, others, strict=True)], axis=-1)

    return run


def _by_lax(face: Face) -> Formula:
    return lambda form, one, other: by_lax(face, form, one, other)


WAYS: dict[str, Way] = {
    "product": Way(
        lambda form, c, o: form.groups == 1 and all(axis.taps == 1 for axis in form.axes),
        _pointwise,
        _pointwise_dx,
        _dkernel_by_tap,
    ),
    "taps": Way(
        lambda form, c, o: form.groups == c == o,
        _depthwise,
        _depthwise_dx,
        _depthwise_dkernel,
    ),
    "split": Way(
        lambda form, c, o: form.groups > 1,
        _each_group(_by_lax("conv")),
        _each_group(_by_lax("conv_dx")),
        _each_group(_dkernel_by_tap),
    ),
}
