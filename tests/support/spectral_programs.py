"""Random programs between a Fourier transform and its inverse, on every kind of spectrum, by what they do to a shift."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


class Case:
    """A random array, the axis along which it is shifted, and a transform along it, half or full."""

    def __init__(self, name, seed):
        self.random = np.random.default_rng([seed, *name.encode()])
        rank = int(self.random.integers(3, 5))
        self.shape = [int(self.random.integers(2, 4)) for _ in range(rank)]
        self.axis = int(self.random.integers(rank))
        self.n = self.shape[self.axis] = 4 + seed  # odd and even
        self.half = bool(self.random.integers(2))
        others = [number for number in range(rank) if number != self.axis]
        self.others = [int(number) for number in self.random.permutation(others)]
        self.x = jax.ShapeDtypeStruct(tuple(self.shape), jnp.float32)

    def transformed(self, x):
        """The spectrum of x."""
        return (jnp.fft.rfft if self.half else jnp.fft.fft)(x, axis=self.axis)

    def back(self, y, axis=None):
        """The inverse transform of y along an axis, the shifted one if none is given."""
        axis = self.axis if axis is None else axis
        return jnp.fft.irfft(y, n=self.n, axis=axis) if self.half else jnp.fft.ifft(y, axis=axis).real

    def lifted(self, values):
        """Values along the spectral axis."""
        spread = [1] * len(self.shape)
        spread[self.axis] = -1
        return np.reshape(values, spread)

    def before(self, mode):
        """The index of the modes before one."""
        return (*[slice(None)] * self.axis, slice(mode))

    def after(self, mode):
        """The index of a mode and all after it."""
        return (*[slice(None)] * self.axis, slice(mode, None))

    @property
    def modes(self):
        """Number of modes."""
        return self.n // 2 + 1 if self.half else self.n


def summed(case, y):
    """Sums over one axis or over all axes but the spectral one."""
    axes = case.others[: int(case.random.integers(1, len(case.others) + 1))]
    return case.back(y.sum(tuple(axes)), case.axis - sum(number < case.axis for number in axes))


def stacked(case, y):
    number = int(case.random.integers(len(case.shape) + 1))
    both = jnp.stack([y, 3 * y, jnp.zeros_like(y)], number)
    return case.back(both, case.axis + (number <= case.axis))


def unstacked(case, y):
    number = case.others[0]
    _, second, *_ = jnp.unstack(y, axis=number)
    return case.back(second, case.axis - (number < case.axis))


def tiled(case, y):
    copies = [int(case.random.integers(1, 4)) for _ in case.shape]
    copies[case.axis] = 1
    return case.back(jnp.tile(y, copies))


def padded_by_a_tile(case, y):
    """Repeated along the spectral axis, and cut to the first copy."""
    copies = [2 if number == case.axis else 1 for number in range(len(case.shape))]
    return case.back(lax.slice_in_dim(jnp.tile(y, copies), 0, case.modes, axis=case.axis))


def added_at_mode_0(case, y):
    """The same number for all, one for each cell, or one for each index along another axis; at an index or a slice."""
    number = jnp.asarray(-3.0, y.dtype)
    at = [slice(None)] * len(case.shape)
    at[case.axis] = 0 if case.random.integers(2) else slice(0, 1)
    if case.random.integers(2):
        at[case.others[0]] = int(case.random.integers(case.shape[case.others[0]]))
    return case.back(y.at[tuple(at)].add(number))


def another_spectrum_added(case, y):
    """A window of modes added to the same window of another spectrum, at an index along another axis."""
    lo = int(case.random.integers(case.modes))
    at = [slice(None)] * len(case.shape)
    at[case.axis], at[case.others[0]] = slice(lo, None), 0
    return case.back((2 * y).at[tuple(at)].add(y[tuple(at)]))


def along(case, number, index):
    """Indices of x: `index` along one axis, everything along the others."""
    return (*[slice(None)] * number, index)


def window_at(case, y, start):
    """Two positions along the first other axis, from one on that may be computed."""
    starts = [jnp.asarray(start if number == case.others[0] else 0, jnp.int32) for number in range(y.ndim)]
    sizes = [2 if number == case.others[0] else cells for number, cells in enumerate(y.shape)]
    return lax.dynamic_slice(y, starts, sizes)


def contracted(case, y, other):
    """out[..., c, d] = sum_k y[..., k, c] other[..., k, d] for all other axes, c the last one of y and d that of `other`."""
    first, second = (jnp.moveaxis(v, case.axis, 0).reshape(case.modes, -1) for v in (y, other))
    return lax.dot_general(first, second, (((0,), (0,)), ((), ())))


def at_mode(case, mode, number, dtype):
    """A number at one mode, and zeros at the others, whose sign is that of the number."""
    return ((jnp.arange(case.modes) == mode).astype(dtype) * jnp.asarray(number, dtype)).reshape(
        case.lifted(np.zeros(case.modes)).shape
    )


def damping(case, y):
    """A weight for each mode."""
    return jnp.linspace(1.0, 0.5, case.modes).astype(y.dtype).reshape(case.lifted(np.zeros(case.modes)).shape)


def stepped(case, y):
    """An exponential integrator: the square of the values, computed in space, drives damped modes."""
    length = int(case.random.choice([1, 3, 70]))
    drive = lambda s: 0.01 * case.transformed(jnp.sin(case.back(s)))
    return case.back(lax.fori_loop(0, length, lambda i, s: s * damping(case, s) + drive(s), y))


def collected(case, y):
    """The spectra after each iteration, each with weights of its own."""
    steps = jnp.arange(3.0).astype(y.dtype)
    _, each = lax.scan(lambda s, step: ((next_ := s * damping(case, s) + step * s), next_), y, steps)
    return case.back(each, case.axis + 1)


def along_another_axis(case, y):
    """A loop over the slices along another axis."""
    number = case.others[0]
    slices = jnp.moveaxis(y, number, 0)
    _, sums = lax.scan(lambda s, v: (s + v, s - 2 * v), jnp.zeros_like(slices[0]) + slices[0], slices)
    return case.back(jnp.moveaxis(sums, 0, number))


def modes_so_far(y):
    """The sum of the slices before each one."""
    return lax.scan(lambda s, v: (s + v, s), jnp.zeros_like(y[0]), y)[1]


def until_small(case, y):
    """A loop that ends at a number that depends on all positions."""
    return case.back(lax.while_loop(lambda s: jnp.max(jnp.abs(s)) > 3, lambda s: s / 2, y))


def each_until_small(case, y):
    """Loops of different lengths, one for each index along another axis."""
    number = case.others[0]
    loop = lambda s: lax.while_loop(lambda s: jnp.max(jnp.abs(s)) > 3, lambda s: s / 2, s)
    return case.back(jax.vmap(loop, number, number)(y))


LINEAR = {
    "an integrator": stepped,
    "the steps of a loop": collected,
    "a loop over channels": along_another_axis,
    "a loop of unknown length": until_small,
    "loops of unknown lengths": each_until_small,
    "conjugates in turn": lambda case, y: case.back(lax.fori_loop(0, 2 + case.n % 2, lambda i, s: jnp.conj(s) * 2, y)),
    "one of two": lambda case, y: case.back(
        lax.cond(jnp.max(jnp.abs(y)) > 3, lambda s: s * damping(case, s), lambda s: -s, y)
    ),
    "added to mode 0": added_at_mode_0,
    "another spectrum added": another_spectrum_added,
    "a bias in mode 0": lambda case, y: case.back(y + at_mode(case, 0, -3, y.dtype)),
    "a difference with a bias": lambda case, y: case.back(at_mode(case, 0, 3, y.dtype) - y),
    "weights that are zero": lambda case, y: case.back(y + jnp.conj(y) * at_mode(case, 0, -2, y.dtype)),
    "mode 0 replaced": lambda case, y: case.back(jnp.where(case.lifted(np.arange(case.modes)) == 0, 3, y)),
    "mode 0 set": lambda case, y: case.back(y.at[(slice(None),) * case.axis + (0,)].set(2)),
    "every mode by its index": lambda case, y: case.back(jnp.take(y, np.arange(case.modes), case.axis)),
    "places of another axis": lambda case, y: case.back(jnp.take(y, np.array([1, 0, 1]), case.others[0])),
    "a window of another axis": lambda case, y: case.back(window_at(case, y, 0)),
    "a window at a computed place": lambda case, y: case.back(window_at(case, y, jnp.max(jnp.abs(y)))),
    "low modes by a slice": lambda case, y: case.back(
        jnp.zeros_like(y).at[case.before(2)].set(lax.dynamic_slice_in_dim(y, 0, 2, case.axis))
    ),
    "high modes by a slice": lambda case, y: case.back(
        jnp.zeros_like(y).at[case.after(1)].set(lax.dynamic_slice_in_dim(y, 1, case.modes - 1, case.axis))
    ),
    "signs": lambda case, y: case.back(jnp.sign(y)),
    "a power over magnitudes": lambda case, y: case.back(y**3 / (1 + jnp.square(jnp.abs(y))).astype(y.dtype) / y**2),
    "a sum": summed,
    "a mean": lambda case, y: case.back(y.mean(case.others[0], keepdims=True)),
    "a running sum": lambda case, y: case.back(lax.cumsum(y, case.others[0], reverse=bool(case.random.integers(2)))),
    "a stack": stacked,
    "parts of a stack": unstacked,
    "copies": tiled,
    "copies of modes, cut": padded_by_a_tile,
}
INVARIANT = {
    "a correlation with itself": lambda case, y: case.back(y * jnp.conj(y)),
    "all but mode 0 replaced": lambda case, y: case.back(jnp.where(case.lifted(np.arange(case.modes)) != 0, 3, y)),
    "a power that is no power": lambda case, y: case.back(y**0),
    "inner products": lambda case, y: contracted(case, y, jnp.conj(2 * y)),
    "inner products of weighted modes": lambda case, y: contracted(case, y * y * damping(case, y), jnp.conj(y) ** 2),
    "mode 0 by its index": lambda case, y: y[along(case, case.axis, np.array([0, 0]))].real,
    "a correlation": lambda case, y: case.back(y * jnp.conj(case.transformed(jnp.sin(case.back(y))))),
    "the imaginary part of weighted powers": lambda case, y: (
        (y * jnp.conj(2 * y) * (1 + 2j) * at_mode(case, 1, 3, y.dtype) + 4).imag
    ),
}
AT_A_MODE = {  # the mode at which what is added or replaced leaves a coarser lattice
    "added to mode 2": (2, lambda case, y: case.back(y.at[(slice(None),) * case.axis + (2,)].add(2))),
    "a bias in mode 2": (2, lambda case, y: case.back(y + at_mode(case, 2, -3, y.dtype))),
    "a bias in mode 3": (3, lambda case, y: case.back(at_mode(case, 3, -3, y.dtype) - y)),
    "mode 2 replaced": (2, lambda case, y: case.back(jnp.where(case.lifted(np.arange(case.modes)) == 2, 3, y))),
    "a mode added to in a loop": (
        2,
        lambda case, y: case.back(lax.fori_loop(0, 3, lambda i, s: s * 2 + at_mode(case, 2, 1, s.dtype), y)),
    ),
    "a channel of constants at a mode": (
        2,
        lambda case, y: case.back(jnp.stack([y, jnp.zeros_like(y) + at_mode(case, 2, 1, y.dtype)]), case.axis + 1),
    ),
    "a constant at mode 2, in a branch": (
        2,
        lambda case, y: case.back(
            lax.cond(jnp.max(jnp.abs(y)) > 3, lambda s: s + at_mode(case, 2, 1, s.dtype), lambda s: s, y)
        ),
    ),
    # The phase of mode 1 and of its conjugate differ by that of mode 2.
    "a conjugate at mode 1": (2, lambda case, y: case.back(y + jnp.conj(y) * at_mode(case, 1, -2, y.dtype))),
}
PRODUCTS = {  # how often the result turns around while x does once
    "a convolution": (2, lambda case, y: case.back(y * y * damping(case, y))),
    "a convolution of three": (3, lambda case, y: case.back(y * damping(case, y) * (y * y))),
    "a product in a loop": (2, lambda case, y: case.back(lax.fori_loop(0, 1, lambda i, s: s * y, y))),
    "a convolution, low modes": (2, lambda case, y: case.back((y * y).at[case.after(2)].set(0))),
    "a convolution, high modes": (2, lambda case, y: case.back((y * y).at[case.before(2)].set(0))),
    "a correlation of a convolution": (1, lambda case, y: case.back(y * y * jnp.conj(2 * y))),
    "a square": (2, lambda case, y: case.back(jnp.square(y * damping(case, y)))),
    "a power": (3, lambda case, y: case.back(y**3)),
    "a negative power": (-2, lambda case, y: case.back(y**-2)),
    "a power of low modes": (
        2,
        lambda case, y: case.back(jnp.zeros_like(y).at[case.before(2)].set(y[case.before(2)]) ** 2),
    ),
    "a reversed convolution": (-2, lambda case, y: case.back(jnp.conj(y * damping(case, y) * y))),
    "a convolution, transformed again": (3, lambda case, y: case.back(case.transformed(case.back(y * y)) * y)),
    "a convolution, rolled": (2, lambda case, y: jnp.roll(case.back(y * y), 1, case.axis) + 2 * case.back(y * y)),
    "a convolution over a correlation": (2, lambda case, y: case.back(y * y / (1 + jnp.abs(y)).astype(y.dtype))),
    "a quotient": (3, lambda case, y: case.back(y * y / (damping(case, y) * jnp.conj(y)))),
}
CONJUGATES = {  # a shift by half of the cells multiplies each mode and its conjugate by 1 or -1
    "conjugates in turn, at an unknown end": lambda case, y: case.back(
        lax.while_loop(lambda s: jnp.max(jnp.abs(s)) > 3, lambda s: jnp.conj(s) / 2, y)
    ),
    "one of two, which turn the other way": lambda case, y: case.back(
        lax.cond(jnp.max(jnp.abs(y)) > 3, jnp.conj, lambda s: s, y)
    ),
    "twice the real part": lambda case, y: case.back(y + jnp.conj(y)),
}
TWINS = {
    "modes by other indices": lambda case, y: case.back(jnp.take(y, np.roll(np.arange(case.modes), 1), case.axis)),
    "modes by two indices": lambda case, y: case.back(
        y[along(case, case.axis, np.arange(case.modes)[:, None] * np.ones((1, 2), int))][along(case, case.axis + 1, 0)]
        + y[along(case, case.axis, np.arange(case.modes)[::-1])]
    ),
    "a constant where there is no mode": lambda case, y: case.back(
        y.at[along(case, case.axis, np.arange(1, case.modes + 1))].get(mode="fill", fill_value=2)
    ),
    "a constant in place of channels": lambda case, y: case.back(
        y.at[along(case, case.others[0], np.array([0, 99]))].get(mode="fill", fill_value=2)
    ),
    "channels at unknown places, or a constant": lambda case, y: case.back(
        y.at[along(case, case.others[0], jnp.max(jnp.abs(y)).astype(jnp.int32)[None])].get(mode="fill", fill_value=2)
    ),
    "a window of modes at a computed place": lambda case, y: case.back(
        jnp.zeros_like(y)
        .at[case.before(2)]
        .set(lax.dynamic_slice_in_dim(y, jnp.max(jnp.abs(y)).astype(jnp.int32), 2, case.axis))
    ),
    "inner products with what stays": lambda case, y: contracted(case, y, jnp.ones_like(y)),
    "inner products with another mode": lambda case, y: contracted(case, y, jnp.conj(jnp.roll(y, 1, case.axis))),
    "a root": lambda case, y: case.back(jnp.sqrt(y)),
    "a power that is not whole": lambda case, y: case.back(y ** (0.5 + 0j)),
    "a correlation with other modes": lambda case, y: case.back(y * jnp.conj(jnp.roll(y, 1, case.axis))),
    "modes rolled in a loop": lambda case, y: case.back(lax.fori_loop(0, 3, lambda i, s: jnp.roll(s, 1, case.axis), y)),
    "a mode added to in a loop": lambda case, y: case.back(
        lax.fori_loop(0, 3, lambda i, s: s + at_mode(case, 1, 1, s.dtype), y)
    ),
    "conjugates in turn, many": lambda case, y: case.back(lax.fori_loop(0, 70, lambda i, s: jnp.conj(s), y)),
    "a spectrum or what stays": lambda case, y: case.back(
        lax.cond(jnp.max(jnp.abs(y)) > 3, jnp.ones_like, lambda s: s, y)
    ),
    "a loop over modes": lambda case, y: case.back(
        jnp.moveaxis(modes_so_far(jnp.moveaxis(y, case.axis, 0)), 0, case.axis)
    ),
    "each mode until it is small": lambda case, y: case.back(
        lax.while_loop(lambda s: jnp.max(jnp.abs(s)) > 3, lambda s: jnp.roll(s, 1, case.axis) / 2, y)
    ),
    "added to mode 1": lambda case, y: case.back(y.at[(slice(None),) * case.axis + (1,)].add(2)),
    "added to modes 0 and 1": lambda case, y: case.back(y.at[(slice(None),) * case.axis + (slice(2),)].add(2)),
    "another mode added": lambda case, y: case.back(
        y.at[(slice(None),) * case.axis + (0,)].add(y[(slice(None),) * case.axis + (1,)])
    ),
    "a bias in mode 1": lambda case, y: case.back(y + at_mode(case, 1, -3, y.dtype)),
    "mode 1 replaced": lambda case, y: case.back(jnp.where(case.lifted(np.arange(case.modes)) == 1, 3, y)),
    "all modes replaced at one place of another axis": lambda case, y: case.back(
        jnp.where(np.indices(y.shape)[case.others[0]] == 1, 3, y)
    ),
    "modes replaced by others": lambda case, y: case.back(
        jnp.where(case.lifted(np.arange(case.modes)) < 2, jnp.roll(y, 1, case.axis), y)
    ),
    "a sum of modes": lambda case, y: case.back(y.sum(case.axis, keepdims=True) + jnp.zeros_like(y)),
    "a running sum of modes": lambda case, y: case.back(lax.cumsum(y, case.axis)),
    "a stack of different modes": lambda case, y: case.back(
        jnp.stack([y, jnp.roll(y, 1, case.axis)], 0), case.axis + 1
    ),
    "a stack with what stays": lambda case, y: case.back(jnp.stack([y, jnp.ones_like(y)], 0), case.axis + 1),
    "a mode for all": lambda case, y: case.back(jnp.stack([jnp.unstack(y, axis=case.axis)[1]] * case.modes, case.axis)),
    "copies of modes": lambda case, y: case.back(
        jnp.tile(y, [2 if number == case.axis else 1 for number in range(len(case.shape))])[
            tuple(slice(1, case.modes + 1) if number == case.axis else slice(None) for number in range(len(case.shape)))
        ]
    ),
}
