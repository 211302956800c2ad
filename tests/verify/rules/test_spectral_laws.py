"""Brute force on rules of spectra: random programs between a transform and its inverse, on every kind of spectrum.

Each program changes a spectrum along axes of random lengths. What is proved is executed on all shifts, and `recheck`
executes each equation by itself. Twins of the programs, which mix or move modes, must not be proved to move with x.
"""

from __future__ import annotations

import math
from functools import partial

import pytest
from support.claim_oracle import judged
from support.numpy_execution import executing_by_numpy
from support.profiles import NIGHTLY
from support.spectral_programs import AT_A_MODE, CONJUGATES, INVARIANT, LINEAR, PRODUCTS, TWINS, Case, contracted

import jaxconv as jc
from jaxconv.verify.claims import Verdict

SEEDS = range(6 if NIGHTLY else 3)


def program(programs, name, seed):
    """The case, and a function that draws the same numbers in each trace."""
    return Case(name, seed), lambda x: (case := Case(name, seed)) and programs[name](case, case.transformed(x))


def proved(programs, name, seed):
    """The cyclic claim of a program, which is proved, holds in every execution, and passes recheck."""
    case, fn = program(programs, name, seed)
    claim = judged(fn, case.x, case.axis, kinds=("cyclic",)).cyclic
    assert claim.verdict == Verdict.PROVED, claim.culprit
    with executing_by_numpy():
        certificate = jc.certify(fn, case.x, axes=(case.axis,), search=False)
        assert jc.recheck(certificate, fn, case.x) == ()
    return claim


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", LINEAR)
def test_what_keeps_the_phases_moves_with_its_input(name, seed):
    claim = proved(LINEAR, name, seed)
    assert (claim.shift, [abs(t) for _, t in claim.moves]) == (1, [1])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", INVARIANT)
def test_what_cancels_the_phases_is_invariant(name, seed):
    claim = proved(INVARIANT, name, seed)
    assert (claim.shift, claim.moves) == (1, ())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", AT_A_MODE)
def test_a_constant_at_a_mode_leaves_the_shifts_that_keep_its_phase(name, seed):
    """A shift by s of n cells multiplies mode k by exp(-2 pi i k s/n), which is 1 for multiples of n / gcd(k, n)."""
    mode, change = AT_A_MODE[name]
    case = Case(name, seed)
    _coarser({name: change}, name, seed, case.n // math.gcd(mode, case.n) if mode < case.modes else 1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_spectra_turn_around_more_than_once(name, seed):
    """A shift multiplies mode k by exp(-2 pi i c k/n), so the result moves by c, or by as much modulo n cells."""
    turns, change = PRODUCTS[name]
    n = Case(name, seed).n
    claim = proved({name: change}, name, seed)
    assert claim.shift == 1
    assert (sum(t for _, t in claim.moves) - turns) % n == 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CONJUGATES)
def test_a_mode_and_its_conjugate_agree_for_shifts_by_half(name, seed):
    n = Case(name, seed).n
    _coarser(CONJUGATES, name, seed, n // math.gcd(2, n))


@pytest.mark.parametrize("seed", SEEDS)
def test_inner_products_without_a_conjugate_change_unless_the_shift_is_half(seed):
    """A shift by half of the cells multiplies each mode by 1 or -1, and its square by 1."""
    programs = {"inner products": lambda case, y: contracted(case, y, y)}
    case, fn = program(programs, "inner products", seed)
    if case.n % 2 == 0:
        claim = proved(programs, "inner products", seed)
        assert (claim.shift, claim.moves) == (case.n // 2, ())
    else:
        claim = jc.certify(fn, case.x, axes=(case.axis,), search=False).leaves[0].axes[0].cyclic
        assert (claim.verdict, claim.culprit.primitive) == (Verdict.UNDECIDED, "dot_general")


def _coarser(programs, name, seed, shift):
    """Assert that exactly shifts by multiples of `shift` are proved; that nothing is, if these are whole turns."""
    case, fn = program(programs, name, seed)
    if shift < case.n:
        claim = proved(programs, name, seed)
        assert (claim.shift, [abs(t) for _, t in claim.moves]) == (shift, [shift])
        return
    claim = jc.certify(fn, case.x, axes=(case.axis,), search=False).leaves[0].axes[0].cyclic
    assert claim.verdict == Verdict.UNDECIDED
    assert "failed" not in claim.culprit.reason


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", TWINS)
def test_what_mixes_the_phases_is_not_proved(name, seed):
    case, fn = program(TWINS, name, seed)
    certify = partial(jc.certify, axes=(case.axis,), search=False)
    claim = certify(fn, case.x).leaves[0].axes[0].cyclic
    assert claim.verdict == Verdict.UNDECIDED
    assert "failed" not in claim.culprit.reason
