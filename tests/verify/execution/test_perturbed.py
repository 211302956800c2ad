"""Test that rounding is not a counterexample: functions equivariant in exact arithmetic, but ill-conditioned in floats.

Each law is true by algebra. A cancellation leaves only rounding errors, which the function turns into a jump, a large
number or an overflow. The expected laws are written by hand, not derived by the certifier.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.bare_proofs import bare
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv.verify.claims import Verdict
from jaxconv.verify.execution import program

LENGTH = 12
WIDE, ALL = ("float32", "float64"), ("float16", "bfloat16", "float32", "float64")


def both(x):
    """Numbers whose sum is 0."""
    return jnp.concatenate([x, -x])


def nothing(x):
    """0, in exact arithmetic."""
    return jnp.cumsum(both(x))[-1]


def cosines(x):
    """An orthogonal matrix: the discrete cosine transform."""
    i = np.arange(x.size)
    matrix = np.cos(np.pi / x.size * (i + 0.5)[None] * i[:, None]) * np.sqrt(2 / x.size)
    matrix[0] /= np.sqrt(2)
    return jnp.asarray(matrix, x.dtype)


def there_and_back(x):
    return cosines(x).T @ (cosines(x) @ x)


def solved(x):
    matrix = jnp.eye(x.size, dtype=x.dtype) * 3 + cosines(x)
    return jnp.linalg.solve(matrix, matrix @ x)


def convolved(x):
    full = lambda y, kernel: lax.conv_general_dilated(y[None, None], kernel[None, None], (1,), "VALID")[0, 0]
    return full(both(x), jnp.full(2 * x.size, 0.1, x.dtype))[0]


def summed_in_a_loop(x):
    return lax.scan(lambda total, cell: (total + cell, None), jnp.zeros((), x.dtype), both(x) * 0.1)[0]


def variance(x):
    """The difference of two formulas for the variance, which are equal in exact arithmetic."""
    return jnp.cumsum(x * x)[-1] / x.size - (jnp.cumsum(x)[-1] / x.size) ** 2 - jnp.mean((x - jnp.mean(x)) ** 2)


def quotients(x):
    """0 in exact arithmetic: whole numbers, unaffected by rounding of x, are divided and multiplied by the same number."""
    whole, by = jnp.round(4 * x) + 7, jnp.arange(3, x.size + 3, dtype=x.dtype)
    return jnp.sign(whole / by * by - whole)


def scaled_up_and_down(x):
    """16x in exact arithmetic: all but five cells are multiplied and divided by an eighth of the largest float."""
    scale = jnp.where(jnp.arange(x.size) < 5, 1, float(jnp.finfo(x.dtype).max) / 8).astype(x.dtype)
    return 16 * x * scale / scale


# name: (function, dtypes, whether the interior claim is also true)
TRUE = {
    "sign of a cumulative sum": (lambda x: jnp.sign(nothing(x)), ALL, True),
    "sign of a sum": (lambda x: jnp.sign(jnp.sum(both(x))), ALL, True),
    "sign of a product with ones": (lambda x: jnp.sign(both(x) @ jnp.ones(2 * x.size, x.dtype)), ALL, True),
    "sign of a convolution": (lambda x: jnp.sign(convolved(x)), ALL, True),
    "sign of a loop's sum": (lambda x: jnp.sign(summed_in_a_loop(x)), ALL, True),
    "sign of a scatter": (
        lambda x: jnp.sign(jnp.zeros((), x.dtype).at[()].add(jnp.sum(both(x))) + 0 * nothing(x)),
        ALL,
        True,
    ),
    "sign of a window's sum": (
        lambda x: jnp.sign(lax.reduce_window(both(x), np.zeros((), x.dtype), lax.add, (2 * x.size,), (1,), "VALID")),
        ALL,
        True,
    ),
    "an amplified sum": (lambda x: x + nothing(x) * 1e4, ALL, True),
    "an amplified sum, more": (lambda x: x + nothing(x) * 1e9, WIDE, True),
    "sign of two formulas": (lambda x: jnp.sign(variance(x)), ALL, True),
    "a tie of two sums": (lambda x: jnp.argmax(jnp.stack([nothing(x), nothing(x[::-1])])) * 0 + x, ALL, True),
    "a branch": (lambda x: jnp.where(jnp.cumsum(x)[-1] == jnp.cumsum(x[::-1])[-1], x, x), ALL, True),
    "quotients in a branch": (lambda x: lax.cond(jnp.sum(x * x) >= 0, quotients, jnp.cos, x), WIDE, True),
    "quotients in a loop": (lambda x: lax.fori_loop(0, 2, lambda _, y: quotients(y + x), x), WIDE, True),
    "whether two sums are equal": (lambda x: (jnp.cumsum(x)[-1] == jnp.cumsum(x[::-1])[-1]).astype(x.dtype), ALL, True),
    "order of two sums": (lambda x: jnp.argsort(jnp.stack([nothing(x), jnp.zeros((), x.dtype)])), ALL, False),
    "floor of a cosine transform": (lambda x: jnp.floor(jax.scipy.fft.idct(jax.scipy.fft.dct(x))), WIDE, True),
    "ceil of a product": (lambda x: jnp.ceil(there_and_back(x)), ALL, True),
    "integers of a product": (lambda x: there_and_back(x).astype("int32"), ALL, True),
    "floor of a Fourier transform": (lambda x: jnp.floor(jnp.fft.ifft(jnp.fft.fft(x)).real), WIDE, True),
    "sign of an imaginary part": (lambda x: jnp.sign(jnp.fft.ifft(jnp.fft.fft(x)).imag), WIDE, True),
    "floor of a solution": (lambda x: jnp.floor(solved(x)), WIDE, True),
    "an overflow of partial sums": (lambda x: jnp.cumsum(x * 20000)[-1], ALL, False),
    "an overflow of partial products": (lambda x: jnp.log(jnp.cumprod(jnp.abs(x) * 30)[-1]), ALL, False),
    "an overflow of a square": (lambda x: jnp.sqrt(jnp.cumsum((x * 300) ** 2)[-1]), ALL, False),
    "an exponential that overflows": (lambda x: jnp.cumsum(jnp.exp(x * 3) - jnp.exp(x * 3))[-1], ALL, True),
    "an overflow of most cells": (scaled_up_and_down, ("float32", "float16"), True),
    "the sum of large numbers": (lambda x: jnp.cumsum(both(x * jnp.finfo(x.dtype).max / 8))[-1], ALL, True),
}


def cases():
    """Each function in one of its dtypes, in turn, and overflows in float16; nightly runs take all dtypes."""
    for number, (name, (_, dtypes, _)) in enumerate(TRUE.items()):
        by_day = "float16" if "float16" in dtypes and "overflow" in name else dtypes[number % len(dtypes)]
        yield from ((name, dtype) for dtype in (dtypes if NIGHTLY else [by_day]))


@pytest.fixture
def shares(monkeypatch):
    """All searches of one test share compiled programs."""
    known = []

    def shared(*traced):
        known.append(program.program_of(*traced))
        return known[0]

    monkeypatch.setattr(sys.modules["jaxconv.verify.certify"], "program_of", shared)


def certified(name, dtype, seed=0):
    fn, _, inside = TRUE[name]
    with jax.enable_x64(dtype == "float64"), jax.numpy_dtype_promotion("standard"):
        x = jax.ShapeDtypeStruct((LENGTH,), dtype)
        report = jc.certify(fn, x, axes=(0,), seed=seed).leaves[0].axes[0]
    return [report.cyclic, report.interior] if inside else [report.cyclic]


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.usefixtures("shares")
@pytest.mark.parametrize(("name", "dtype"), list(cases()))
def test_what_is_true_in_exact_arithmetic_is_never_refuted(name, dtype):
    for seed in range(2):
        for claim in certified(name, dtype, seed):
            assert claim.verdict != Verdict.REFUTED
            assert claim.witness is None, claim.witness.shifts


BROKEN = [("sign of a cumulative sum", "float32"), ("sign of a cumulative sum", "float64"),
          ("floor of a cosine transform", "float64"), ("ceil of a product", "float64"),
          ("an overflow of partial sums", "float16"), ("an overflow of most cells", "float32"),
          ("an amplified sum, more", "float32"),
          ("sign of a convolution", "float32"), ("floor of a solution", "float64")]  # fmt: skip


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize(("name", "dtype"), BROKEN)
def test_without_doubt_rounding_would_refute_it_and_recheck_objects(name, dtype, monkeypatch):
    """The broken variant: without rounding bounds, the certificate has counterexamples caused by rounding."""
    monkeypatch.setattr(program, "NOISES", [])
    fn, x = TRUE[name][0], jax.ShapeDtypeStruct((LENGTH,), dtype)
    with jax.enable_x64(dtype == "float64"), jax.numpy_dtype_promotion("standard"):
        certificate = jc.certify(fn, x, axes=(0,))
        assert certificate.leaves[0].axes[0].cyclic.verdict == Verdict.REFUTED
        with bare():
            objections = jc.recheck(certificate, fn, x)
    assert any("cyclic walk" in text and "does not refute" in text for text in objections), objections


def test_whole_numbers_do_not_round():
    """If the floor of a whole number counted as a tie, recheck would object to the witness."""
    steps, x = jnp.where(jnp.arange(LENGTH) < 5, 3.0, 5.0), jax.ShapeDtypeStruct((LENGTH,), "float32")
    fn = lambda x: jnp.floor(jnp.round(x) + steps)
    certificate = jc.certify(fn, x, axes=(0,))
    assert certificate.leaves[0].axes[0].cyclic.witness is not None
    assert jc.recheck(certificate, fn, x) == ()
