"""Certificates of tiles: `recheck` accepts what was proved, and objects to every forged statement."""

import pickle
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import pytest
from support.tiled_functions import CHANNELS, NOT_PROVED, PROVED, conv

import jaxconv as jc
from jaxconv.verify.tiling.certificate import TilingCertificate
from jaxconv.verify.tiling.states import EQUAL, NONE, PairRow, Window

WHOLE, TILE = 28, 12
X = jax.ShapeDtypeStruct((1, WHOLE, 6, CHANNELS), "float32")


def certified(fn, x=X):
    return jc.certify_tiling(fn, x, tile=TILE, axes=(1,))


@pytest.mark.parametrize("name", [*PROVED, *NOT_PROVED])
def test_a_true_certificate_has_no_objections(name):
    fn = PROVED[name] if name in PROVED else NOT_PROVED[name][0]
    certificate = certified(fn)
    assert jc.recheck(certificate, fn, X) == ()
    assert TilingCertificate.from_json(certificate.to_json()) == certificate


def test_several_axes_arguments_and_outputs():
    fn = lambda params, a, b: {"sum": jc.conv(params, a + b, padding="same"), "pooled": jc.max_pool(a, (2, 2))}
    params = jax.eval_shape(lambda key: jc.init_conv(key, (3, 3), CHANNELS, 2), jax.random.key(0))
    certificate = jc.certify_tiling(fn, params, X, X, tile=(12, 4), axes={1: (1, 2), 2: (1, 2)})
    assert len(certificate.derivations) == 2
    assert jc.recheck(certificate, fn, params, X, X) == ()
    assert jc.recheck(certificate, fn, params, X, X, seed=3) == ()
    other = lambda params, a, b: fn(params, a, -b)
    assert any("the function has" in text for text in jc.recheck(certificate, other, params, X, X))


def with_state(certificate, number, state, result=0):
    """The certificate with another state of one result in one row."""
    rows = list(certificate.derivations[0])
    outputs = list(rows[number].outputs)
    outputs[result] = state
    rows[number] = replace(rows[number], outputs=tuple(outputs))
    return replace(certificate, derivations=(tuple(rows),))


def widened(window, name):
    """The window with one cell more that agrees, at each end of an interval where the tile has one."""
    lo, hi = getattr(window, name)
    for interval in ((lo - 1, hi), (lo, hi + 1)):
        if (lo, hi) != NONE and interval[0] >= 0 and interval[1] <= window.tile:
            yield f"{name} {interval}", replace(window, **{name: interval})


def forgeries(window):
    """False states, of a value that moves: each of them claims too much."""
    for name in ("inner", "first", "last"):
        yield from widened(window, name)
    if window.rate is not None and window.inner != NONE:
        for by in (-1, 1):
            yield f"offset {by}", replace(window, offset=window.offset + by)
        yield "rate", replace(window, rate=window.rate * 2)
        yield "reversed", replace(window, rate=-window.rate)
        if window.shift > 1:
            yield "shift", replace(window, shift=1)
    yield "equal", EQUAL
    for axis in {window.axis + 1, 3, 4} - {window.axis}:
        yield f"axis {axis}", replace(window, axis=axis)


@pytest.mark.parametrize(
    "name", ["a U-Net", "reflection", "two strides", "up-sampling", "average pooling that counts", "reversed"]
)
def test_every_state_that_claims_too_much_is_refused(name):
    fn = PROVED[name]
    certificate = certified(fn)
    accepted, count = [], 0
    for number, row in enumerate(certificate.derivations[0]):
        for result, state in enumerate(row.outputs):
            for what, forged in forgeries(state) if isinstance(state, Window) else ():
                count += 1
                found = jc.recheck(with_state(certificate, number, forged, result), fn, X)
                # The claim does not fit either if the row is the last: that does not count.
                if not any(f"row {row.path} ({row.primitive})" in text for text in found):
                    accepted.append((row.path, row.primitive, what))
    assert count > 5
    assert accepted == []


def test_a_consistent_forgery_of_the_last_row_and_the_claim_is_refused():
    """Discard one cell less at the start of each tile: the seam is there in the execution."""
    fn = PROVED["zero padding"]
    certificate = certified(fn)
    last = len(certificate.derivations[0]) - 1
    state = certificate.derivations[0][last].outputs[0]
    inner = (state.inner[0] - 1, state.inner[1])
    forged = with_state(certificate, last, replace(state, inner=inner))
    (axis,) = certificate.leaves[0].axes
    forged = with_claim(forged, replace(axis, inner=inner))
    (objection,) = jc.recheck(with_state(forged, 0, replace(state, inner=inner)), fn, X)
    assert "row (0,) (jaxconv_conv): result 0 of a tile at cell" in objection
    assert "does not agree: cell 0 is" in objection


def with_claim(certificate, *axes):
    return replace(certificate, leaves=(replace(certificate.leaves[0], axes=axes),))


CLAIMS = {
    "discard less at the start": lambda axis: replace(axis, inner=(axis.inner[0] - 1, axis.inner[1])),
    "discard less at the end": lambda axis: replace(axis, inner=(axis.inner[0], axis.inner[1] + 1)),
    "discard more": lambda axis: replace(axis, inner=(axis.inner[0] + 1, axis.inner[1])),
    "first": lambda axis: replace(axis, first=(0, axis.output_tile)),
    "last": lambda axis: replace(axis, last=(axis.last[0] + 1, axis.last[1])),
    "start": lambda axis: replace(axis, start=axis.start + 1),
    "shift": lambda axis: replace(axis, shift=1),
    "step": lambda axis: replace(axis, step=axis.step + 1),
    "output_axis": lambda axis: replace(axis, output_axis=2),
    "output_whole": lambda axis: replace(axis, output_whole=axis.output_whole + 1),
    "no output axis": lambda axis: replace(axis, output_axis=None),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_forged_claim_is_refused(name):
    fn = PROVED["two strides"]
    certificate = certified(fn)
    (axis,) = certificate.leaves[0].axes
    (objection,) = jc.recheck(with_claim(certificate, CLAIMS[name](axis)), fn, X)
    assert "along axis 1 of argument 0, claim about output 0: its " in objection
    assert "but the output's state implies" in objection


@pytest.mark.parametrize("name", ["a global mean", "positions", "a running sum", "a tile without inner cells"])
def test_a_culprit_that_is_removed_is_missed(name):
    fn, _ = NOT_PROVED[name]
    certificate = certified(fn)
    (axis,) = certificate.leaves[0].axes
    assert jc.recheck(with_claim(certificate, replace(axis, culprit=None)), fn, X) != ()
    proved = replace(
        axis,
        culprit=None,
        output_axis=1,
        output_whole=WHOLE,
        output_tile=TILE,
        step=1,
        inner=(0, TILE),
        first=(0, TILE),
    )
    assert jc.recheck(with_claim(certificate, proved), fn, X) != ()


def test_a_culprit_of_another_line_is_refused():
    fn, _ = NOT_PROVED["a global mean"]
    certificate = certified(fn)
    (axis,) = certificate.leaves[0].axes
    other = replace(axis.culprit, source="elsewhere.py:1 (fn)", frames=("elsewhere.py:1 (fn)",))
    number = next(n for n, row in enumerate(certificate.derivations[0]) if row.primitive == axis.culprit.primitive)
    forged = certificate
    for n in range(number, len(certificate.derivations[0])):
        state = certificate.derivations[0][n].outputs[0]
        if getattr(state, "culprit", None) == axis.culprit:
            forged = with_state(forged, n, replace(state, culprit=other))
    found = jc.recheck(with_claim(forged, replace(axis, culprit=other)), fn, X)
    assert any(
        "names reduce_sum at elsewhere.py:1 (fn) as the culprit, but it was not traced there" in t for t in found
    )


def test_rows_that_are_missing_repeated_invented_or_of_another_primitive_are_refused():
    fn = PROVED["a U-Net"]
    certificate = certified(fn)
    rows = certificate.derivations[0]
    forged = {
        "but the derivation has no row": (*rows[:2], *rows[3:]),
        "a row is repeated": (*rows, rows[0]),
        "the function has no such equation": (*rows, PairRow((99,), "add", (EQUAL,))),
        "but the derivation has sub with 1 results": (replace(rows[0], primitive="sub"), *rows[1:]),
    }
    for match, own in forged.items():
        found = jc.recheck(replace(certificate, derivations=(own,)), fn, X)
        assert any(match in text for text in found), (match, found)


def test_another_function_or_shape_is_refused():
    certificate = certified(PROVED["zero padding"])
    (first, *_) = jc.recheck(certificate, lambda x: conv(x, padding="reflect"), X)
    assert "the function has slice here, but the derivation has jaxconv_conv with 1 results" in first
    other = jax.ShapeDtypeStruct((1, 30, 6, CHANNELS), "float32")
    (objection,) = jc.recheck(certificate, PROVED["zero padding"], other)
    assert objection == "the certificate tiles axis 1 of argument 0, of 28 cells, which does not exist"
    (objection,) = jc.recheck(certificate, lambda x: (x, x), X)
    assert "the certificate has other outputs than the function" in objection


def test_outlines_that_do_not_fit_are_refused():
    certificate = certified(conv)
    (axis,) = certificate.leaves[0].axes
    assert jc.recheck(replace(certificate, derivations=()), conv, X) == (
        "the certificate has no outputs or no derivations",
    )
    for tile in (0, WHOLE):
        (objection,) = jc.recheck(with_claim(certificate, replace(axis, tile=tile)), conv, X)
        assert f"a tile of {tile} of {WHOLE} cells along ((0, 1),) is none" in objection
    twice = replace(with_claim(certificate, axis, axis), derivations=certificate.derivations * 2)
    assert jc.recheck(twice, conv, X) == ("the certificate tiles [(0, 1), (0, 1)], which has a duplicate",)
    (objection,) = jc.recheck(with_claim(certificate, axis, axis), conv, X)
    assert objection == "the outputs disagree about the axes that are tiled"


UNSEEN = {
    "above 1e5": lambda x: x > 1e5,
    "below one": lambda x: (x > 0) & (x < 1),
    "isnan": jnp.isnan,
    "clamp": lambda x: jnp.clip(x, 1e5, 1e6),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_a_state_that_only_other_numbers_than_small_whole_ones_refute_is_refused(name):
    fn = UNSEEN[name]
    certificate = certified(fn)
    last = len(certificate.derivations[0]) - 1
    state = certificate.derivations[0][last].outputs[0]
    false = replace(state, offset=state.offset + 1, inner=(1, 5), first=NONE, last=NONE)
    found = jc.recheck(with_state(certificate, last, false), fn, X)
    assert any("does not agree" in text for text in found)


def test_a_function_whose_value_for_a_tile_is_another_constant():
    """The values are not equal, and no row may say so."""
    fn = lambda x: jnp.full((3,), x.shape[1], x.dtype)
    certificate = certified(fn)
    assert not certificate.proved
    assert jc.recheck(certificate, fn, X) == ()
    (axis,) = certificate.leaves[0].axes
    forged = with_claim(certificate, replace(axis, culprit=None))
    assert "claim about output 0: " in jc.recheck(forged, fn, X)[-1]
    last = len(certificate.derivations[0]) - 1
    assert any("does not agree" in text or "no row" in text or "implies" in text
               for text in jc.recheck(with_state(forged, last, EQUAL), fn, X))  # fmt: skip


def test_an_equation_that_is_too_large_is_an_objection():
    x = jax.ShapeDtypeStruct((1, 4096, 2048, 1), "float32")
    fn = lambda x: x + 1
    (objection,) = jc.recheck(jc.certify_tiling(fn, x, tile=512, axes=(1,)), fn, x)
    assert "the equation is too large; certify the function at smaller sizes" in objection


def test_a_malformed_field_is_an_error_with_its_path():
    certificate = certified(conv)
    (axis,) = certificate.leaves[0].axes
    with pytest.raises(ValueError, match=r"recheck: certificate.leaves\[0\].axes\[0\].shift is 'two', but should be"):
        jc.recheck(with_claim(certificate, replace(axis, shift="two")), conv, X)


def test_certificates_as_data():
    certificate = certified(PROVED["a U-Net"])
    text = certificate.to_json()
    assert text.startswith('{"format": 1, "name": "unet"')
    read = TilingCertificate.from_json(text)
    assert read == certificate == pickle.loads(pickle.dumps(certificate))
    assert hash(read) == hash(certificate)
    assert read.leaves[0].axes[0].discarded == certificate.leaves[0].axes[0].discarded
    assert isinstance(read.derivations[0][0].outputs[0].rate, Fraction)
    with pytest.raises(ValueError, match="from_json: the format is 4, but should be 1"):
        TilingCertificate.from_json(text.replace('"format": 1', '"format": 4'))
    with pytest.raises(ValueError, match=r"from_json: certificate.leaves\[0\].path is 3, but should be a string"):
        TilingCertificate.from_json(text.replace('"path": ""', '"path": 3', 1))
