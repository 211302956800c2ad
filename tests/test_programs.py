"""Random programs run, keep the law of their world where no step breaks it, and mostly lose it where one does."""

import contextlib
from functools import cache
from random import Random

import jax
import numpy as np
import pytest
from hypothesis import given
from support.claim_oracle import equivariant_somehow, maximal_interior, violation
from support.geometries import examples
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY
from support.random_programs import ENDS, FAULTS, STEPS, WORLDS, programs, random_program, start

from jaxconv.verify.certificate import Claim, Verdict


@cache
def several():
    """Programs for all tests."""
    return [random_program(seed) for seed in range(100 if NIGHTLY else 40)]


def axes():
    """Of sixty programs at most each axis and what is expected along it."""
    return [(p, axis, expected) for p in several()[:60] for axis, expected in zip(p.axes, p.expected, strict=True)]


sound = lambda world: [(p, axis, expected) for p, axis, expected in axes() if p.world == world and expected]
broken = lambda world: [(p, axis) for p, axis, expected in axes() if p.world == world and not expected]


def ran(program, number):
    """The output, of one program in ten by XLA, as of those with a primitive that NumPy has no row for."""
    if number % 10:
        with contextlib.suppress(NotImplementedError):
            return evaluated(program.fn)(*program.arguments)
    return jax.jit(program.fn)(*program.arguments)


def test_programs_run():
    for number, program in enumerate(several()):
        y = ran(program, number)
        assert np.isfinite(y).all(), program
        assert y.size, program


def test_a_seed_is_a_program():
    for seed in range(10):
        one, other = random_program(seed), random_program(seed)
        assert one.source == other.source
        assert all(np.array_equal(a, b) for a, b in zip(one.arguments, other.arguments, strict=True))


def test_sound_axes_of_the_cyclic_world_are_equivariant():
    for program, axis, expected in sound("cyclic"):
        claim = Claim(Verdict.UNDECIDED, *expected)
        assert violation(program.fn, program.arguments, 0, axis, 0, claim, "cyclic") is None, program


def test_most_faults_leave_no_cyclic_equivariance():
    """A few do: behind a fault, a later step may hide it, such as a mask that is zero just there."""
    found = [equivariant_somehow(p.fn, p.arguments, 0, axis, 0, samples=4) for p, axis in broken("cyclic")]
    assert len(found) > 10
    assert sum(map(bool, found)) <= len(found) // 8


def interior(program, axis, shift, moves):
    lo, hi = maximal_interior(program.fn, program.arguments, 0, axis, 0, shift, moves, samples=4)
    return hi - lo


def test_sound_axes_of_the_interior_world_have_an_interior():
    """All but those few whose receptive field is as wide as the input: two positions a step apart."""
    cases = sound("interior")
    proper = [interior(p, axis, *expected) > abs(expected[1][0][1]) for p, axis, expected in cases]
    assert len(proper) > 10
    assert sum(proper) >= 0.95 * len(proper)


@pytest.mark.parametrize("faulty", [True, False])
@pytest.mark.parametrize("world", WORLDS)
def test_what_was_asked_for_is_what_comes(world, faulty):
    for seed in range(20):
        program = random_program(seed, faulty, world)
        assert program.world == world
        assert (program.faulty is not None) is faulty
        assert (None in program.expected) is faulty


@pytest.mark.parametrize("world", WORLDS)
def test_no_step_is_too_particular_to_fit_any_program(world):
    steps = {name: step for table in (STEPS, ENDS, FAULTS) for family in table[world] for name, step in family.items()}
    for name, step in steps.items():
        assert any(start(Random(seed), world).take(name, step) for seed in range(100)), name


def test_jax_knows_the_line_of_the_fault():
    for program in (random_program(seed, faulty=True) for seed in range(20)):
        assert program.faulty is not None
        equations = jax.make_jaxpr(program.fn)(*program.arguments).jaxpr.eqns
        frames = [(f.file_name, f.line_num) for e in equations for f in e.source_info.traceback.frames]
        assert (program.filename, program.fault_line) in frames, program


@examples(10)
@given(program=programs())
def test_programs_can_be_drawn(program):
    jax.eval_shape(program.fn, *program.arguments)
