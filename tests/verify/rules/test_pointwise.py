"""Pointwise functions of masks and of several windows: execution does not refute what is proved."""

import itertools
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from support.numpy_twins import certified, judge_line, refutation

from jaxconv.verify.domain import CannotProve, Factor, Motion, Moving
from jaxconv.verify.receptive_fields import ONE_CELL
from jaxconv.verify.rules.pointwise import widened


def test_a_known_mask_leaves_the_shifts_that_it_repeats_after():
    for n in range(2, 7):
        for cells in itertools.product((1, 2), repeat=n):
            mask = np.array(cells, np.int32)[None]
            claims = certified(lambda x: x * mask, (1, n))
            assert refutation(lambda x: x * mask, (1, n), claims) is None, cells
            period = next(p for p in range(1, n + 1) if np.array_equal(np.roll(mask, p), mask))
            if period < n:
                assert claims["cyclic"].shift == period, cells


def test_a_mask_on_channels_or_on_the_batch_costs_nothing():
    mask = np.arange(1, 4, dtype=np.int32)
    claims = certified(lambda x: x * mask[None, None, :] + 3, (1, 5, 3))
    assert (claims["cyclic"].shift, claims["interior"].region) == (1, ((1, 0, 5),))


def test_a_strided_mask_and_a_strided_signal_meet_at_a_common_multiple():
    mask = np.array([1, 2, 1, 2, 1, 2], np.int32)[None]
    fn = lambda x: x[:, ::2] * mask
    claims = certified(fn, (1, 12))
    assert refutation(fn, (1, 12), claims) is None
    assert (claims["cyclic"].shift, claims["cyclic"].moves) == (4, ((1, 2),))


# Functions of one line on [b, 6, 2]; `n` is jnp or np.
LINES = {
    "outer axes": lambda n, x: x[:, :, None, :] - x[:, None, :, :],
    "outer axes, swapped": lambda n, x: n.swapaxes(x[:, :, None, :] - 2 * x[:, None, :, :], 1, 2),
    "outer axes, one reversed": lambda n, x: (x[:, :, None, :] - 2 * x[:, None, :, :])[:, ::-1],
    "outer axes, one strided": lambda n, x: x[:, ::2, None, :] - x[:, None, :, :],
    "own reversal": lambda n, x: x + x[:, ::-1],
    "own half": lambda n, x: x[:, :3] - x[:, 3:],
    "even and odd": lambda n, x: x[:, ::2] - x[:, 1::2],
    "differences": lambda n, x: n.diff(x, axis=1),
    "compared": lambda n, x: n.where(x > n.roll(x, 1, 1), x, 5),
    "clipped": lambda n, x: n.clip(x, -1000, 1000),
    "chosen by a checkerboard": lambda n, x: n.where(n.array([1, 0] * 3)[None, :, None] > 0, x, -x),
    "chosen by places": lambda n, x: n.where(n.arange(6)[None, :, None] < 3, x, -x),
}
# No shift preserves these. The judge refutes any proof of one, and the test also asserts that there is none.
HOPELESS = {"own reversal"}
# Both kinds of shifts preserve these.
SURE = {"outer axes", "outer axes, one reversed", "outer axes, one strided", "even and odd", "clipped"}


@pytest.mark.parametrize("name", LINES)
def test_one_line_proves_nothing_that_is_false(name):
    judge_line(LINES[name], hopeless=name in HOPELESS, sure=name in SURE)


def test_two_powers_of_one_signal_are_two_signals():
    power = lambda first, second: lambda x: jnp.concatenate([(x**first)[:, 4:], (x**second)[:, :4]], axis=1)
    assert certified(power(3, 3), (1, 8))["cyclic"].shift == 1
    assert certified(power(3, 5), (1, 8))["cyclic"].verdict == "UNDECIDED"


def test_one_cell_of_what_moves_is_not_repeated():
    motion = Motion(Fraction(1), 0, 1, ONE_CELL, "x")
    with pytest.raises(CannotProve, match="broadcasts one position of the shifted axis along it"):
        widened(Moving(1, 8, ((Factor(1, motion=motion),),)), (8,))
