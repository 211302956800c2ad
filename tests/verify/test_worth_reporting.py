"""Which proofs are reported as laws: small shifts, regions of several positions, and patterns that occur twice."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv as jc
from jaxconv.verify import smallest_size
from jaxconv.verify.claims import Claim, Verdict
from jaxconv.verify.interpret import Walk

certify = partial(jc.certify, search=False)  # proofs only


def signal(length):
    return jax.ShapeDtypeStruct((length,), "float32")


def report(fn, length=16, **options):
    return certify(fn, signal(length), axes=(0,), **options).leaves[0].axes[0]


def lattice(claim):
    return (claim.shift, claim.moves) if claim.verdict == Verdict.PROVED else None


CELLS = np.arange(16)
BY_CHANCE = {
    "a pattern that begins anew in the last three cells": lambda x: x * (CELLS % 13).astype(np.float32),
    "one cell more than half": lambda x: x + jnp.asarray(np.where(CELLS % 9 == 0, 5, CELLS % 9)),
}
ON_A_RUN = {  # the function, and where its constant is uniform
    "a mask with two alike ends": (lambda x: jnp.where((CELLS > 2) & (CELLS < 14), x, 0), (3, 14)),
    "divided by how many cells a window sees": (
        lambda x: x / jnp.convolve(jnp.ones(16), jnp.ones(3), mode="same"),
        (1, 15),
    ),
}
IN_EARNEST = {
    "a checkerboard": (lambda x: x * jnp.asarray(CELLS % 2), 2),
    "a sine": (lambda x: x * jnp.asarray(np.round(4 * np.sin(CELLS * np.pi / 4)).astype(np.int32)), 8),
    "twice three and a rest": (lambda x: x + jnp.asarray(CELLS % 3), 3),
}


@pytest.mark.parametrize("name", BY_CHANCE)
def test_a_period_that_is_not_seen_twice_is_chance(name):
    """Each of them once gave a law, such as "by 14 -> 14"."""
    with jax.numpy_dtype_promotion("standard"):
        claims = report(BY_CHANCE[name])
    assert (claims.cyclic.verdict, claims.interior.verdict) == (Verdict.UNDECIDED, Verdict.UNDECIDED)
    assert "fixed and position-dependent" in claims.interior.culprit.reason


@pytest.mark.parametrize("name", ON_A_RUN)
def test_a_constant_with_alike_ends_makes_a_law_only_where_it_is_uniform(name):
    """Each once gave the law of a chance period between its ends, 14 -> 14 on all cells."""
    fn, run = ON_A_RUN[name]
    with jax.numpy_dtype_promotion("standard"):
        claims = report(fn)
    assert claims.cyclic.verdict == Verdict.UNDECIDED
    assert lattice(claims.interior) == (1, ((0, 1),))
    assert claims.interior.region == ((0, *run),)


@pytest.mark.parametrize("name", IN_EARNEST)
def test_a_period_that_is_seen_twice_makes_a_law(name):
    fn, period = IN_EARNEST[name]
    with jax.numpy_dtype_promotion("standard"):
        assert lattice(report(fn).interior) == (period, ((0, period),))


# Small shifts, and regions that are large enough


@pytest.mark.parametrize("stride", [2, 3, 5])
def test_a_shift_is_at_most_half_of_the_input(stride):
    """A stride of s has an interior law on 4*s cells and a cyclic law on 2*s cells, but no cyclic law on s cells."""
    inside = lambda x: jc.conv({"kernel": jnp.ones((1, 1, 1))}, x[None, :, None], stride=stride)[0, :, 0]
    around = lambda x: jc.max_pool(x[None, :, None], (stride,))[0, :, 0]
    assert lattice(report(inside, 4 * stride).interior) == (stride, ((0, 1),))
    assert lattice(report(around, 2 * stride).cyclic) == (stride, ((0, 1),))
    claim = report(around, stride).cyclic
    assert (claim.verdict, claim.culprit.primitive) == (Verdict.UNDECIDED, "output")
    assert claim.culprit.reason.startswith(
        f"the smallest proved shift is {stride}, which is more than half of {stride}"
    )


@pytest.mark.parametrize(("length", "proved"), [(8, True), (7, False), (6, False)])
def test_a_region_holds_as_many_pairs_as_the_shift_moves(length, proved):
    """A move by four cells needs eight positions, so that the region holds four pairs of positions."""
    claim = report(lambda x: jnp.repeat(x[:2], 4)[:length], 16).interior
    assert (claim.verdict == Verdict.PROVED) == proved


@pytest.mark.parametrize(("cells", "proved"), [(3, True), (2, False), (1, False)])
def test_a_region_holds_two_pairs(cells, proved):
    """A few cells of the input are surrounded by zeros."""
    claim = report(lambda x: jnp.zeros(16).at[5 : 5 + cells].set(x[5 : 5 + cells])).interior
    assert (claim.verdict == Verdict.PROVED) == proved
    assert proved or claim.culprit.primitive == "scatter"


CONSTANT = {
    "zeros": lambda x: jnp.zeros(5),
    "a shape": lambda x: jnp.ones(x.shape) * x.shape[0],
    "a parameter": lambda x: jnp.arange(3.0) + jnp.float32(x.size),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_what_does_not_depend_on_the_input_is_invariant(name):
    axis = report(CONSTANT[name])
    assert [lattice(claim) for claim in (axis.cyclic, axis.interior)] == [(1, ()), (1, ())]


def test_what_moves_and_sees_nothing_is_no_law():
    """The outputs are the zeros between the cells of a dilated input."""
    stuffed = lambda x: jax.lax.pad(x, jnp.float32(0), ((0, 1, 1),))[1::2]
    claims = report(stuffed)
    assert claims.interior.verdict == Verdict.PROVED or "does not depend on the input" in claims.interior.culprit.reason


# Inputs that are smaller than the receptive field


def smoothed(pad):
    return lambda x: jc.conv({"kernel": jnp.ones((3, 1, 1))}, x, padding=pad)


def chain(pad, x):
    """Nine convolutions: the receptive field of each output is 19 cells."""
    for _ in range(9):
        x = smoothed(pad)(x)
    return x


def unet(pad, x):
    """Two poolings, and two up-samplings with skip connections."""
    conv = smoothed(pad)
    first = jnp.tanh(conv(x))
    second = jnp.tanh(conv(jc.max_pool(first, (2,))))
    third = conv(conv(jc.max_pool(second, (2,))))
    second = conv(jnp.repeat(third, 2, axis=1)) + second
    return conv(jnp.repeat(second, 2, axis=1) + first)


@pytest.mark.parametrize("pad", ["circular", "same"])
@pytest.mark.parametrize(("net", "length", "works"), [(chain, 16, 21), (chain, 20, 21), (unet, 16, 40), (unet, 36, 40)])
def test_an_image_smaller_than_the_receptive_field_is_told_the_size_that_works(pad, net, length, works):
    """No wrap pad is named as the culprit, and the cyclic law does not require that size."""
    at = lambda n: certify(partial(net, pad), jax.ShapeDtypeStruct((1, n, 1), "float32"), axes=(1,)).leaves[0].axes[0]
    claim = at(length).interior
    assert (claim.verdict, claim.culprit.primitive) == (Verdict.UNDECIDED, "output")
    assert "receptive field" in claim.culprit.reason
    along = f"{works} cells along axis 1 of argument 0"
    assert (
        claim.culprit.cure
        == {
            chain: f"Use at least {along}, the smallest size that works",
            unet: f"Use {along}, the smallest multiple of 4 that works",
        }[net]
    )
    assert at(works).interior.verdict == Verdict.PROVED
    assert (at(length).cyclic.verdict == Verdict.PROVED) == (pad == "circular")
    for smaller in range(length, works):
        if smaller % 4 == 0 or net is chain:
            assert at(smaller).interior.verdict == Verdict.UNDECIDED


def test_a_size_between_the_multiples_of_the_shift_is_not_excluded():
    """Eight cells work as well as nine, so nine are not called the smallest size."""
    pooled = lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (2,), (3,), "VALID")
    at = lambda n: certify(pooled, jax.ShapeDtypeStruct((n,), "float32"), axes=(0,)).leaves[0].axes[0].interior
    assert at(8).verdict == Verdict.PROVED
    assert at(5).culprit.cure == "Use 9 cells along axis 0 of argument 0, the smallest multiple of 3 that works"


def test_outputs_that_are_too_small_share_the_traces_at_other_sizes(monkeypatch):
    """The receptive field tells the size, so one trace and one walk at that size suffice, for both outputs."""
    lengths, walks, run = [], [], Walk.run
    monkeypatch.setattr(Walk, "run", lambda walk, *function: walks.append(walk) or run(walk, *function))

    def both(x):
        lengths.append(x.shape[1])
        y = chain("circular", x)
        return y, 2 * y

    certificate = certify(both, jax.ShapeDtypeStruct((1, 16, 1), "float32"), axes=(1,), search=False)
    assert lengths == [16, 21]
    assert len(walks) == 3
    assert all("at least 21 cells" in leaf.axes[0].interior.culprit.cure for leaf in certificate.leaves)


@pytest.mark.parametrize(
    ("spare", "first", "tried"), [(True, 21, [21]), (True, 24, [24, 21]), (True, 18, [18, 26, 21]), (False, 24, [24])]
)
def test_the_size_is_found_in_few_trials(spare, first, tried):
    """The region of a larger proof tells how much too large it is. If it does not, that size is taken."""
    sizes = []

    def claim_at(size):
        sizes.append(size)
        if size < 21:
            return Claim(Verdict.UNDECIDED)
        return Claim(Verdict.PROVED, 1, ((1, 1),), ((1, 9, 12 + (size - 21) * spare),))

    assert smallest_size._smallest(16, 26, 1, first, claim_at) == (21 if spare else first)
    assert sizes == tried


def test_a_function_of_one_size_is_told_a_size_that_is_enough():
    def fixed(x):
        if x.shape[1] != 16:
            raise ValueError
        return chain("circular", x)

    claim = certify(fixed, jax.ShapeDtypeStruct((1, 16, 1), "float32"), axes=(1,)).leaves[0].axes[0].interior
    assert claim.culprit.cure == "22 cells along axis 1 of argument 0 would be enough"


def test_what_fails_for_another_reason_is_not_told_to_grow():
    """A sum with the reversed signal has no law at any size."""
    fn = lambda x: chain("circular", x) + jnp.flip(x, 1)
    claim = certify(fn, jax.ShapeDtypeStruct((1, 16, 1), "float32"), axes=(1,)).leaves[0].axes[0].interior
    assert "receptive field" not in claim.culprit.reason
