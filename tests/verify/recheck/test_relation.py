"""The relation between two runs: `recheck` objects to a state that does not follow from the operands' states."""

import math
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.certificates_to_recheck import KERNEL, X, carrying, certify, loss_gradient, network_of, number_of, with_row

import jaxconv as jc
from jaxconv.verify.domain import Factor, Motion, Moving, Pieces
from jaxconv.verify.recheck import recheck, relation
from jaxconv.verify.recheck.moving_cells import sees
from jaxconv.verify.recheck.named_cells import DRAWS, EXTREMES, kind_of
from jaxconv.verify.recheck.values import Held, Trials

STATES = [  # primitive, walk, change of the state, text of the objection
    ("jaxconv_conv", "interior", lambda s: carrying(s, lo=0), "shifting the input by 1, cell"),
    ("jaxconv_conv", "interior", lambda s: carrying(s, hi=12), "shifting the input by 1, cell"),
    ("jaxconv_conv", "interior", lambda s: carrying(s, field=((0, 1),)), "which is outside the receptive field"),
    ("jaxconv_conv", "interior", lambda s: carrying(s, field=((-1, 0),)), "which is outside the receptive field"),
    ("jaxconv_conv", "interior", lambda s: carrying(s, signal="argument 0"), "the result differs from the signal of the same name"),
    ("jaxconv_conv", "interior", lambda s: carrying(s, rate=-1), "shifting the input by 1, cell"),
    ("jaxconv_conv", "interior", lambda s: carrying(s, hi=13), "axis 1 has 12 positions, but the region is [1, 13)"),
    ("jaxconv_conv", "interior", lambda s: carrying(s, turns=2), "axis 1 turns around 2 times, but only a cyclic walk has turns"),
    ("jaxconv_conv", "cyclic", lambda s: carrying(s, lo=0, hi=12), "shifting the input by 1, cell"),
    ("jaxconv_max_pool", "interior", lambda s: carrying(s, lo=0), "shifting the input by 2, cell"),
    ("jaxconv_max_pool", "interior", lambda s: replace(s, shift=1), "axis 1 moves by 1/2 cells"),
    ("jaxconv_max_pool", "interior", lambda s: replace(carrying(s, rate=Fraction(1)), shift=1), "shifting the input by 1, cell"),
    ("jaxconv_max_pool", "interior", lambda s: replace(s, axes=s.axes[:2]), "a state of shape (1, 6), shift 2 and cycle None does not fit"),
    ("jaxconv_max_pool", "interior", lambda s: carrying(s, rate=Fraction(0)), "the numbers of the state contradict each other or the shape"),
    ("jaxconv_max_pool", "interior", lambda s: replace(s, axes=((Factor(1, 0),), *s.axes[1:])), "has a factor of negative length, or a"),
    ("jit", "interior", lambda s: carrying(s, lo=0), "shifting the input by 1, cell"),
]  # fmt: skip


@pytest.mark.parametrize(("primitive", "kind", "change", "words"), STATES)
def test_a_state_that_does_not_follow_is_objected_to(primitive, kind, change, words):
    certificate = certify(network_of, X)
    number = number_of(certificate, primitive, kind)
    (objection, *_) = recheck(with_row(certificate, kind, number, change), network_of, X)
    assert objection.startswith(f"{kind} walk for shifts of ((0, 1),), row {number} ({primitive}): ")
    assert words in objection


def test_an_invariance_that_is_none_is_objected_to():
    fn = lambda x: jnp.sum(jnp.square(x), 1)
    certificate = certify(fn, X)
    last = len(certificate.derivations[0]["cyclic"]) - 1
    (objection,) = recheck(with_row(certificate, "cyclic", last, lambda s: replace(s, depends=False)), fn, X)
    assert f"row {last} (reduce_sum): after changing cell" in objection
    (objection,) = recheck(
        with_row(certificate, "interior", last, lambda s: certificate.derivations[0]["cyclic"][last].outputs[0]), fn, X
    )
    assert (
        f"row {last} (reduce_sum): a state of shape (1, 2), shift 1 and cycle 12 does not fit the shape (1, 2)"
        in objection
    )
    still = replace(certificate.derivations[0]["cyclic"][last].outputs[0], cycle=None)
    (objection, *_) = recheck(with_row(certificate, "interior", last, lambda s: still), fn, X)
    assert f"row {last} (reduce_sum): after shifting the input by 1, cell" in objection


def test_a_field_around_the_circle_is_seen():
    state = Moving(1, 12, ())
    carry = Motion(Fraction(1, 2), 0, 24, ((Fraction(-1), Fraction(1, 2)),), "signal")
    around, within = (sees(one, carry, 24, np.array([0, 6])) for one in (state, replace(state, cycle=None)))
    assert list(map(list, map(np.flatnonzero, around))) == [[0, 1, 2, 23], [11, 12, 13, 14]]
    assert list(map(list, map(np.flatnonzero, within))) == [[0, 1, 2], [11, 12, 13, 14]]


def test_sums_of_pieces_are_not_lost_in_the_rounding_of_large_cells_that_cancel(executes_by_numpy):
    """The gradient of two wrap pads: every value with a Pieces state passes its check as drawn, at all magnitudes."""
    fn = loss_gradient(lambda x: jc.conv({"kernel": KERNEL[:, None, :1] + KERNEL[None, :, :1]}, x, padding="circular"))
    x = jax.ShapeDtypeStruct((1, 12, 16, 1), "float32")
    certificate = certify(fn, x)
    states = [
        state for row in certificate.derivations[0]["cyclic"] for state in row.outputs if isinstance(state, Pieces)
    ]
    assert states
    draw, judge = relation.KINDS[Pieces]
    for number, state in enumerate(states):
        lengths = tuple(math.prod(factor.length for factor in axis) for axis in state.value.axes)
        held = Held(number, number, state, jax.ShapeDtypeStruct(lengths, "float32"))
        for seed in range(30):
            draws = tuple(draw for draw in range(DRAWS * seed, DRAWS * (seed + 1)) if kind_of(draw) != EXTREMES)
            trials = Trials(draws, state.folded.shift)
            assert judge([(held, [draw(held, trials, run) for run in (0, 1)])], trials) == [""] * len(draws)
    assert recheck(certificate, fn, x) == ()
