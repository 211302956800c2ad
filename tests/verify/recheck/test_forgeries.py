"""Certificates with one forged statement: `recheck` must object to each."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.certificates_to_recheck import X, carrying, certify, conv, with_claim, with_row
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv.verify.claims import Claim, Verdict
from jaxconv.verify.domain import Factor, Moving
from jaxconv.verify.recheck import recheck

# False invariance that only large numbers, NaN, infinities or the sign of zero refute


def thresholds(dtype):
    """Return functions that are constant on small numbers."""
    return {
        "maximum": lambda x: jnp.maximum(x, jnp.asarray(1e5, dtype)),
        "clamp": lambda x: lax.clamp(jnp.asarray(1e5, dtype), x, jnp.asarray(1e6, dtype)),
        "above 1e5": lambda x: x > jnp.asarray(1e5, dtype),
        "above 1e30": lambda x: x > jnp.asarray(1e30, dtype),
    }


UNSEEN = thresholds("float32") | {
    "isnan": jnp.isnan,
    "isfinite": jnp.isfinite,
    "isinf": jnp.isinf,
    "bfloat16": lambda x: x.astype(jnp.bfloat16) > jnp.bfloat16(1e5),
    "float16": lambda x: x.astype(jnp.float16) > jnp.float16(4e4),
    "whole numbers": lambda x: x.astype(jnp.int32) > 100_000,
    "complex numbers": lambda x: lax.complex(x, x),
    "the sign of zero": lambda x: lax.atan2(jnp.zeros_like(x), x * 0),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_a_forged_invariance_is_objected_to(name):
    """The last row and the claim state that shifts change nothing."""
    fn = UNSEEN[name]
    certificate = certify(fn, X)
    assert recheck(certificate, fn, X) == ()
    last = len(certificate.derivations[0]["cyclic"]) - 1
    still = lambda state: Moving(1, state.cycle, tuple((Factor(length),) for length in X.shape))
    for kind in ("cyclic", "interior"):
        objections = recheck(with_row(certificate, kind, last, still), fn, X)
        assert any(
            f"{kind} walk" in objection and f"row {last} (" in objection and "shifting the input by 1" in objection
            for objection in objections
        )


def test_a_refutation_for_one_cell_needs_a_witness_too():
    """An axis of one cell has no shift for a witness to omit or to refute."""
    x = jax.ShapeDtypeStruct((1, 1, 2), "float32")
    certificate = certify(jnp.sin, x)
    (leaf,) = certificate.leaves
    forged = with_claim(leaf.axes[0], "interior", Claim(Verdict.REFUTED))
    objections = recheck(replace(certificate, leaves=(replace(leaf, axes=(forged,)),)), jnp.sin, x)
    assert any("the claim is REFUTED, but has no witness" in objection for objection in objections)


def test_a_witness_refutes_each_of_its_shifts():
    """The weights repeat after 3 cells: the witness refutes shifts by 1 and 2, but not by 3."""
    x = jax.ShapeDtypeStruct((1, 6, 2), "float32")
    weighted = lambda weights: lambda x: x * jnp.float32(weights)[None, :, None]
    anywhere, repeating = weighted(range(6)), weighted([0, 1, 2, 0, 1, 2])
    certificate = jc.certify(anywhere, x, axes=(1,))
    (leaf,) = certificate.leaves
    witness = leaf.axes[0].cyclic.witness
    assert witness.shifts == (1, 2, 3)
    (argument,) = witness.samples[0].arguments
    off = lambda axis, by: np.abs(repeating(np.roll(argument, 1, 1)) - np.roll(repeating(argument), by, axis))
    error = min(off(axis, by).max() for axis, length in enumerate(x.shape) for by in range(length))
    position = np.unravel_index(off(1, 1).argmax(), x.shape)
    forged = replace(witness, error=float(error), position=tuple(map(int, position)))
    report = with_claim(leaf.axes[0], "cyclic", replace(leaf.axes[0].cyclic, witness=forged))
    objections = recheck(replace(certificate, leaves=(replace(leaf, axes=(report,)),)), repeating, x)
    assert [objection for objection in objections if objection.startswith("cyclic")] == [
        "cyclic walk for shifts of ((0, 1),), claim about output 0: the witness does not refute shifts by 3: the output "
        "is rolled by [0, 3, 0]"
    ]


def test_each_of_many_branches_is_executed():
    """A certificate for equal branches is checked against a function whose last branch sets a cell to 0."""
    still = lambda x: jnp.sin(x).at[:, 3].set(0)
    chosen = lambda last: lambda which, x: lax.switch(which, [*[jnp.sin] * 40, last], x)
    which = jax.ShapeDtypeStruct((), "int32")
    certificate = jc.certify(chosen(jnp.sin), which, X, axes={1: (1,)}, search=False)
    assert recheck(certificate, chosen(jnp.sin), which, X) == ()
    objections = recheck(certificate, chosen(still), which, X)
    assert any("(cond): " in objection and "shifting the input by 1" in objection for objection in objections)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: conv(x, padding="SAME"),
        lambda x: x[:, ::-1] - jnp.mean(x, axis=1, keepdims=True),
        lambda x: jnp.einsum("nac,ab->nbc", x, jnp.asarray(np.eye(12) + np.eye(12, k=1), jnp.float32)),
        lambda x: jnp.cumsum(x, axis=2) / jnp.max(x, axis=2, keepdims=True),
        lambda x: jax.nn.softmax(x, axis=-1),
        lambda x: jnp.fft.irfft(jnp.fft.rfft(x, axis=1), n=12, axis=1),
    ],
)
def test_extremes_refute_nothing_that_is_arithmetic_between_positions(fn):
    """Zero times infinity causes no objection to the product with a banded matrix."""
    for values in (False, True):
        certificate = certify(fn, X, values=values)
        for seed in range(3) if NIGHTLY else [values]:  # more operands in the nightly profile
            assert recheck(certificate, fn, X, seed=int(seed)) == ()


N = 12
NEAR = abs(np.arange(N)[:, None] - np.arange(N)) <= 2
WIDE = {  # functions in which most cells of a window have no influence
    "maximum in a window": lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (7,), (1,), "SAME"),
    "minimum in a window": lambda x: lax.reduce_window(x, jnp.inf, lax.min, (7,), (1,), "SAME"),
    "maximum in a band": lambda x: jnp.where(NEAR, x[None], -jnp.inf).max(1),
    "any cell in a band": lambda x: (NEAR & (x > 0)[None]).any(1),
    "all cells in a band": lambda x: jnp.where(NEAR, (x > 0)[None], True).all(1),
}


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("side", ["lo", "hi"])
def test_a_region_that_is_one_cell_too_wide_is_objected_to(name, side):
    """Only content that enters or leaves, and is larger than all other cells of a window, shows the fault."""
    fn, x = WIDE[name], jax.ShapeDtypeStruct((N,), "float32")
    certificate = jc.certify(fn, x, axes=(0,), search=False)
    last = len(certificate.derivations[0]["interior"]) - 1
    wider = (lambda motion: motion.lo - 1) if side == "lo" else (lambda motion: motion.hi + 1)
    forged = with_row(certificate, "interior", last, lambda state: carrying(state, **{side: wider}))
    for seed in range(3):
        assert recheck(certificate, fn, x, seed=seed) == ()
        objections = recheck(forged, fn, x, seed=seed)
        assert any(f"row {last} (" in objection and "after shifting" in objection for objection in objections)
