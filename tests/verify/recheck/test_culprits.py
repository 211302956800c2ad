"""The culprit of a claim that is not proved: that of the output's state, or an input that is too small."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from support.certificates_to_recheck import conv, filtered, with_claim

import jaxconv as jc
from jaxconv.verify.claims import Verdict
from jaxconv.verify.domain import main_state
from jaxconv.verify.recheck import recheck
from jaxconv.verify.recheck.culprits import culprits_of
from jaxconv.verify.worth_reporting import at_the_end

X, SHORT = (jax.ShapeDtypeStruct((1, length, 2), "float32") for length in (12, 4))
THE_OUTPUT = at_the_end("its receptive field, 13 cells, leaves too few outputs of 12 cells clear of the border", "")
NOTHING_SHOWN = {
    "verdict": Verdict.UNDECIDED,
    "shift": None,
    "moves": (),
    "region": (),
    "receptive_field": None,
    "coarsened": (),
}


def padded(x):
    return conv(x, padding="SAME")


FUNCTIONS = {  # function, its input, the culprits of its cyclic and interior claims: a primitive, or "" if proved
    "proved": (lambda x: conv(x, padding="CIRCULAR"), X, "", ""),
    "invariant": (lambda x: jnp.max(x, axis=1), X, "", "reduce_max"),
    "broken": (lambda x: x * jnp.arange(12.0)[None, :, None], X, "mul", "mul"),
    "broken twice": (lambda x: padded(jnp.cumsum(x, axis=1)), X, "cumsum", "cumsum"),
    "padded": (padded, X, "jaxconv_conv", ""),
    "padded twice": (lambda x: padded(padded(x)), X, "jaxconv_conv", ""),
    "too small": (lambda x: padded(padded(x)), SHORT, "jaxconv_conv", "output"),
    "too small, and broken": (lambda x: x[:, 3:] * x[:, :-3] + padded(x)[:, 3:], SHORT, "slice", "output"),
    "too small, strided": (lambda x: conv(x, stride=3), SHORT, "jaxconv_conv", "output"),
    "merged": (lambda x: jnp.swapaxes(x, 1, 2).reshape(1, -1), X, "reshape", "reshape"),
    "a spectrum": (lambda x: jnp.fft.fft(x, axis=1), X, "output", "fft"),
    "filtered": (filtered, X, "", "fft"),
    "one cell": (lambda x: x + 1, jax.ShapeDtypeStruct((1, 1, 2), "float32"), "output", "output"),
    "a large stride": (lambda x: jc.max_pool(x, (12,)), X, "output", "output"),
}
MADE = {name: jc.certify(fn, x, axes=(1,), search=False) for name, (fn, x, *_) in FUNCTIONS.items()}


def claims(name):
    return MADE[name].leaves[0].axes[0].claims


def forged(name, kind, **changes):
    """Return the certificate with another claim about its output."""
    (leaf,) = MADE[name].leaves
    (report,) = leaf.axes
    report = with_claim(report, kind, replace(claims(name)[kind], **changes))
    return replace(MADE[name], leaves=(replace(leaf, axes=(report,)),))


def objections(certificate, name):
    fn, x, *_ = FUNCTIONS[name]
    return recheck(certificate, fn, x)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_which_culprits_claims_name(name):
    expected = dict(zip(("cyclic", "interior"), FUNCTIONS[name][2:], strict=True))
    assert {kind: claim.culprit.primitive if claim.culprit else "" for kind, claim in claims(name).items()} == expected
    assert objections(MADE[name], name) == ()


@pytest.mark.parametrize("kind", ["cyclic", "interior"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_output_is_the_culprit_in_earnest_only(name, kind, unexecuted):
    """A certificate cannot replace a proof or an equation by an input that is too small."""
    actual = objections(forged(name, kind, culprit=THE_OUTPUT, **NOTHING_SHOWN), name)
    claim = claims(name)[kind]
    if claim.culprit and claim.culprit.primitive == "output":
        assert actual == ()
        return
    words = (
        f"the claim names output in row -1 as the culprit, but the output's state names {claim.culprit.primitive} in row"
        if claim.culprit
        else "the claim is UNDECIDED, but the output's state proves a law"
    )
    assert [words in objection for objection in actual] == [True]


@pytest.mark.parametrize("kind", ["cyclic", "interior"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_other_culprit_of_the_derivation_is_accepted(name, kind, unexecuted):
    """No culprit of a row is accepted, except the one because of which the output has no law."""
    walks = MADE[name].derivations[0]
    last = walks[kind][-1]
    breaks = {
        broken for row in walks["cyclic"] + walks["interior"] for state in row.outputs for broken in culprits_of(state)
    }
    claim = claims(name)[kind]
    right = {claim.culprit}
    if kind == "interior" and claim.culprit and claim.culprit.primitive == "output":
        right |= {b for state in last.outputs for b in culprits_of(main_state(state))}  # the size explains these
    for other in breaks - right:
        (objection,) = objections(forged(name, kind, culprit=other, **NOTHING_SHOWN), name)
        assert "as the culprit" in objection or "proves a law" in objection


# The equations that made a shift coarser


def strided(x):
    return conv(jnp.tanh(x[:, ::2]), padding="CIRCULAR")[:, ::2]


def test_forged_factors_are_objected_to(unexecuted):
    certificate = jc.certify(strided, X, axes=(1,), search=False)
    (one, *others) = certificate.leaves[0].axes[0].cyclic.coarsened
    wrong = {
        "the product": ((replace(one, factor=2 * one.factor), *others), "do not have the product"),
        "nobody": ((), "do not have the product"),
        "another row": ((replace(one, equation=one.equation + 1), *others), "other factors than the derivation"),
        "another primitive": ((replace(one, primitive="add"), *others), "other factors than the derivation"),
        "another line": ((replace(one, source="other.py:1 (f)"), *others), "but the claim names other.py:1 (f)"),
    }
    for coarsened, objection in wrong.values():
        leaf = certificate.leaves[0]
        axis = leaf.axes[0]
        claims = axis.claims | {"cyclic": replace(axis.cyclic, coarsened=coarsened)}
        forged_one = replace(certificate, leaves=(replace(leaf, axes=(replace(axis, claims=claims),)),))
        assert any(objection in said for said in jc.recheck(forged_one, strided, X)), objection
