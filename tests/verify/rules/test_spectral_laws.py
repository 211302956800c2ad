"""Brute force on rules of spectra: random programs between a transform and its inverse, on every kind of spectrum.

Each program changes a spectrum along axes of random lengths. What is proved is executed on all shifts, and `recheck`
executes each equation by itself. Twins of the programs, which mix or move modes, must not be proved to move with x.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.claim_oracle import judged
from support.numpy_execution import executing_by_numpy

import jaxconv as jc
from jaxconv.verify.claims import Verdict

SEEDS = range(6)


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


def at_mode(case, mode, number, dtype):
    """A number at one mode, and zeros at the others, whose sign is that of the number."""
    return ((jnp.arange(case.modes) == mode).astype(dtype) * jnp.asarray(number, dtype)).reshape(
        case.lifted(np.zeros(case.modes)).shape
    )


LINEAR = {
    "added to mode 0": added_at_mode_0,
    "another spectrum added": another_spectrum_added,
    "a bias in mode 0": lambda case, y: case.back(y + at_mode(case, 0, -3, y.dtype)),
    "a difference with a bias": lambda case, y: case.back(at_mode(case, 0, 3, y.dtype) - y),
    "weights that are zero": lambda case, y: case.back(y + jnp.conj(y) * at_mode(case, 0, -2, y.dtype)),
    "mode 0 replaced": lambda case, y: case.back(jnp.where(case.lifted(np.arange(case.modes)) == 0, 3, y)),
    "mode 0 set": lambda case, y: case.back(y.at[(slice(None),) * case.axis + (0,)].set(2)),
    "a sum": summed,
    "a mean": lambda case, y: case.back(y.mean(case.others[0], keepdims=True)),
    "a running sum": lambda case, y: case.back(lax.cumsum(y, case.others[0], reverse=bool(case.random.integers(2)))),
    "a stack": stacked,
    "parts of a stack": unstacked,
    "copies": tiled,
    "copies of modes, cut": padded_by_a_tile,
}
TWINS = {
    "added to mode 1": lambda case, y: case.back(y.at[(slice(None),) * case.axis + (1,)].add(2)),
    "added to modes 0 and 1": lambda case, y: case.back(y.at[(slice(None),) * case.axis + (slice(2),)].add(2)),
    "another mode added": lambda case, y: case.back(
        y.at[(slice(None),) * case.axis + (0,)].add(y[(slice(None),) * case.axis + (1,)])
    ),
    "a bias in mode 1": lambda case, y: case.back(y + at_mode(case, 1, -3, y.dtype)),
    "other weights that are zero": lambda case, y: case.back(y + jnp.conj(y) * at_mode(case, 1, -2, y.dtype)),
    "all but mode 0 replaced": lambda case, y: case.back(jnp.where(case.lifted(np.arange(case.modes)) != 0, 3, y)),
    "mode 1 replaced": lambda case, y: case.back(jnp.where(case.lifted(np.arange(case.modes)) == 1, 3, y)),
    "mode 0 replaced where another axis is 0": lambda case, y: case.back(
        jnp.where((np.indices(y.shape)[case.others[0]] == 0) | (case.lifted(np.arange(case.modes)) == 1), 3, y)
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


def program(programs, name, seed):
    """The case, and a function that draws the same numbers in each trace."""
    return Case(name, seed), lambda x: (case := Case(name, seed)) and programs[name](case, case.transformed(x))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", LINEAR)
def test_what_keeps_the_phases_moves_with_its_input(name, seed):
    case, fn = program(LINEAR, name, seed)
    claim = judged(fn, case.x, case.axis, kinds=("cyclic",)).cyclic
    assert claim.verdict == Verdict.PROVED, claim.broken
    assert (claim.shift, [abs(t) for _, t in claim.moves]) == (1, [1])
    with executing_by_numpy():
        certificate = jc.certify(fn, case.x, axes=(case.axis,), search=False)
        assert jc.recheck(certificate, fn, case.x) == ()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", TWINS)
def test_what_mixes_the_phases_is_not_proved(name, seed):
    case, fn = program(TWINS, name, seed)
    certify = partial(jc.certify, axes=(case.axis,), search=False)
    claim = certify(fn, case.x).leaves[0].axes[0].cyclic
    assert claim.verdict == Verdict.UNDECIDED
    assert "failed" not in claim.broken.reason
