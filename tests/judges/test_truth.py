"""The truths of small functions, worked out by hand, and that a false or weaker claim is recognised as such."""

from dataclasses import replace
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.verify.claims import Claim, ReceptiveField, Verdict
from judges.executions import executions
from judges.judge import Judge
from judges.laws import Law, changing, cyclic_laws, dependence, interior_laws
from judges.truth import Truth
from judges.verdicts import compared


def samples(fn, *shape, dtype="float32"):
    """The executions of `fn(x)` for shifts along axis 0; x has float32 numbers here, since x64 is off."""
    judge = Judge("judge", "group", shape, 0, dtype, False, True, "jax", lambda: (fn, ()), fn)
    return [leaves[0] for leaves in executions(judge, 4)]


LAWS = {
    "itself": (lambda x: x, (Law(1, ((0, 1),)),), (Law(1, ((0, 1),), (((0, 6),),)),)),
    "reversed": (lambda x: x[::-1], (Law(1, ((0, -1),)),), (Law(1, ((0, -1),), (((0, 6),),)),)),
    "every second cell": (lambda x: x[::2], (Law(2, ((0, 1),)),), (Law(2, ((0, 1),), (((0, 3),),)),)),
    "each cell twice": (lambda x: jnp.repeat(x, 2), (Law(1, ((0, 2),)),), (Law(1, ((0, 2),), (((0, 12),),)),)),
    "a difference": (lambda x: x - jnp.roll(x, 1), (Law(1, ((0, 1),)),), (Law(1, ((0, 1),), (((1, 6),),)),)),
    "zeros around": (lambda x: jnp.pad(x, 1)[:6], (), (Law(1, ((0, 1),), (((1, 6),),)),)),
    "a maximum": (lambda x: x.max(), (Law(1, ()),), ()),
    "positions": (lambda x: x + jnp.arange(6.0), (), ()),
    "nothing": (lambda x: jnp.arange(6.0), (Law(1, ()),), (Law(1, ()),)),
    "an outer product": (
        lambda x: x[:, None] * x,
        (Law(1, ((0, 1), (1, 1))),),
        (Law(1, ((0, 1), (1, 1)), (((0, 6), (0, 6)),)),),
    ),
}


@pytest.mark.parametrize(("fn", "cyclic", "interior"), LAWS.values(), ids=LAWS)
def test_laws_are_those_worked_out_by_hand(fn, cyclic, interior):
    executed = samples(fn, 6)
    assert tuple(cyclic_laws(executed)) == cyclic
    assert tuple(interior_laws(executed)) == interior


def test_dependence_is_the_receptive_field():
    executed = samples(lambda x: jnp.maximum(x[1:], x[:-1]), 6)
    assert changing(executed).all()
    assert (dependence(executed, 0) == [[i in (j, j + 1) for i in range(6)] for j in range(5)]).all()


def test_rounding_is_no_difference_but_nan_and_infinity_are():
    (leaf, *_) = samples(lambda x: x, 3)
    a = np.array([1.0, 0.0, np.nan, np.inf])
    assert not leaf.differs(a, a + np.array([1e-6, 1e-6, 0, 0])).any()
    assert leaf.differs(a, np.array([1.001, 0.001, 1.0, -np.inf])).all()


# Outputs 1 to 4 of 6 see inputs j - 1 to j + 1, and shifts by 2 move them by 2.
TRUTH = Truth(
    6, (6,), (Law(2, ((0, 2),), (((1, 5),),)),), tuple(frozenset({j - 1, j, j + 1} & {*range(6)}) for j in range(6))
)
CLAIM = Claim(Verdict.PROVED, 2, ((0, 2),), ((0, 1, 5),), ReceptiveField(Fraction(1), 1, ((-1, 1),)))
COMPARED = {
    "the truth": ({}, (), ()),
    "a smaller shift": ({"shift": 1, "moves": ((0, 1),)}, ("shift",), ()),
    "another move": ({"moves": ((0, 1),)}, ("shift",), ()),
    "a larger region": ({"region": ((0, 0, 5),)}, ("region",), ()),
    "a smaller receptive field": (
        {"receptive_field": ReceptiveField(Fraction(1), 1, ((0, 1),))},
        ("receptive field",),
        (),
    ),
    "a larger shift": ({"shift": 4, "moves": ((0, 4),)}, (), ("shift",)),
    "a smaller region": ({"region": ((0, 1, 4),)}, (), ("region",)),
    "a larger receptive field": (
        {"receptive_field": ReceptiveField(Fraction(1), 1, ((-1, 2),))},
        (),
        ("receptive field",),
    ),
    "no receptive field": ({"receptive_field": None}, (), ("receptive field",)),
    "nothing": ({"verdict": Verdict.UNDECIDED}, (), ("law",)),
}


@pytest.mark.parametrize(("change", "falsehoods", "omissions"), COMPARED.values(), ids=COMPARED)
def test_claims_are_compared_with_the_truth(change, falsehoods, omissions):
    claim = replace(CLAIM, **change)
    assert compared(claim, TRUTH, TRUTH.laws[0], "interior") == (falsehoods, omissions if not falsehoods else ())
