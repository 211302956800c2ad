"""`recheck` objects to a receptive field that is one cell too narrow, both in the claim and in the last row."""

from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.certificates_to_recheck import carrying, number_of, with_claim, with_row

import jaxconv as jc
from jaxconv.verify.domain import Factor, Motion, Moving
from jaxconv.verify.receptive_fields import NOTHING
from jaxconv.verify.recheck import recheck
from jaxconv.verify.recheck.moving_cells import edges
from jaxconv.verify.recheck.steps import Steps

SIGNAL = jax.ShapeDtypeStruct((17,), "float32")


def pooled(taps, stride, reduce=lax.max, initial=-jnp.inf):
    return lambda x: lax.reduce_window(x, np.float32(initial), reduce, (taps,), (stride,), "VALID")


FUNCTIONS = {
    "max pooling": pooled(3, 2),
    "max pooling by four": pooled(4, 1),
    "min pooling": pooled(4, 1, lax.min, jnp.inf),
    "sum pooling": pooled(3, 1, lax.add, 0.0),
    "a median": lambda x: jnp.sort(jnp.stack([x[:-2], x[1:-1], x[2:]]), 0)[1],
    "repeated": lambda x: jnp.repeat(jnp.maximum(x[1:], x[:-1]), 2),
}


def narrowed(certificate, before, after):
    """Return the certificate with receptive fields narrowed by these numbers of cells at either end."""
    leaf = certificate.leaves[0]
    axis, walks = leaf.axes[0], certificate.derivations[0]
    field = axis.interior.receptive_field
    field = replace(field, phases=tuple((first + before, last - after) for first, last in field.phases))
    leaf = replace(leaf, axes=(with_claim(axis, "interior", replace(axis.interior, receptive_field=field)),))
    inside = lambda motion: tuple((first + before, last - after) for first, last in motion.field)
    *others, last = walks["interior"]
    last = replace(last, outputs=(carrying(last.outputs[0], field=inside),))
    return replace(certificate, leaves=(leaf,), derivations=(walks | {"interior": (*others, last)},))


def execute_only(state, monkeypatch):
    """Execute only the rows whose first result has this state."""
    examine = Steps.examine

    def one_row(self, run, operands, results, **settings):
        if results[0].state is state:
            return examine(self, run, operands, results, **settings)
        return [("", (run, operands, fact)) for fact in enumerate(results)]

    monkeypatch.setattr(Steps, "examine", one_row)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_narrowed_field_is_objected_to(name, monkeypatch):
    """At least nine of ten seeds object, at either end: the tested position is random."""
    fn = FUNCTIONS[name]
    certificate = jc.certify(fn, SIGNAL, axes=(0,), search=False)
    assert recheck(narrowed(certificate, 0, 0), fn, SIGNAL) == ()
    for forged in (narrowed(certificate, 1, 0), narrowed(certificate, 0, 1)):
        with monkeypatch.context() as patch:
            execute_only(forged.derivations[0]["interior"][-1].outputs[0], patch)
            assert sum(recheck(forged, fn, SIGNAL, seed=seed) != () for seed in range(10)) >= 9


def test_one_cell_that_is_said_to_depend_on_nothing_is_objected_to():
    fn = lambda x: jnp.concatenate([x, x[:1]])
    certificate = jc.certify(fn, SIGNAL, axes=(0,), search=False)
    at = number_of(certificate, "slice")
    nothing = with_row(certificate, "interior", at, lambda state: carrying(state, field=NOTHING))
    assert any("outside the receptive field" in objection for objection in recheck(nothing, fn, SIGNAL))


def test_the_cells_next_to_a_field_are_those_of_one_position():
    motion = Motion(Fraction(2), 1, 3, ((Fraction(-1), Fraction(1)),), "signal")
    neighbours = {tuple(edges(Moving(2, None, ((Factor(4, motion=motion),),)), draw, 8)) for draw in range(20)}
    assert neighbours == {(0, 4), (2, 6)}  # the receptive field of position 1 is 1 to 3, of position 2 it is 3 to 5
    assert edges(Moving(2, 8, ((Factor(4, motion=replace(motion, lo=0, hi=1)),),)), 0, 8) == [6, 2]
    assert edges(Moving(2, 8, ((Factor(4, motion=replace(motion, field=NOTHING)),),)), 0, 8)[0] in (2, 4)
    assert edges(Moving(2, 8, ((Factor(4, motion=replace(motion, field=None)),),)), 0, 8) == []


PIECES = {  # zeros between the cells, and fewer cells than one period
    "the gradient of average pooling": jax.grad(lambda x: jnp.sum(jnp.sin(pooled(2, 2, lax.add, 0.0)(x)))),
    "the gradient of pooling with gaps": jax.grad(lambda x: jnp.sum(jnp.sin(pooled(2, 3, lax.add, 0.0)(x)))),
    "zeros between": lambda x: lax.pad(x, np.float32(0), ((0, 2, 1),)),
    "two zeros between": lambda x: lax.pad(x, np.float32(0), ((0, 2, 2),)),
    "zeros around": lambda x: lax.pad(x, np.float32(0), ((1, 1, 1),))[1:],
    "cells taken away": lambda x: lax.pad(x, np.float32(0), ((-2, 0, 1),)),
}


@pytest.mark.parametrize("name", PIECES)
def test_pieces_of_fewer_cells_than_a_period_are_no_objection(name):
    fn, x = PIECES[name], jax.ShapeDtypeStruct((12,), "float32")
    certificate = jc.certify(fn, x, axes=(0,), search=False)
    for seed in range(3):
        assert recheck(certificate, fn, x, seed=seed) == ()


def test_infinite_quotients_of_complex_numbers_are_no_objection():
    """Which part of the quotient is NaN depends on the position of a cell in the array."""
    fn = lambda x: jnp.fft.ifft(jnp.fft.fft(x, axis=0) / jnp.abs(jnp.fft.fft(x, axis=0)).astype("complex64"), axis=0)
    x = jax.ShapeDtypeStruct((12, 3), "float32")
    certificate = jc.certify(fn, x, axes=(0,), search=False)
    assert certificate.cyclic == "PROVED"
    for seed in range(5):
        assert recheck(certificate, fn, x, seed=seed) == ()
