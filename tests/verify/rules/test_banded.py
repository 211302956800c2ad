"""Products with known matrices: resampling and circulant matrices are convolutions; other matrices are not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.claim_oracle import judged
from support.numpy_twins import certified

from jaxconv.verify.claims import Verdict

N = 8
X = jax.ShapeDtypeStruct((1, N, 6, 2), jnp.float32)
ROW, COLUMN = jnp.arange(N)[:, None], jnp.arange(N)[None]


def report(fn, x=X, **settings):
    """Both claims about the only output. Executions are checked not to refute a proved one."""
    return judged(fn, x, **settings)


def times(matrix):
    """x times a constant matrix [n, m] that the function computes, along the height."""
    return lambda x: jnp.einsum("nhwc,hk->nkwc", x, matrix().astype(jnp.float32))


def resized(method, length, **settings):
    return lambda x: jax.image.resize(x, (1, length, 6, 2), method, **settings)


@pytest.mark.parametrize(
    ("method", "length", "shift", "moves", "region"),
    [
        ("bilinear", 16, 1, 2, (1, 15)),
        ("bilinear", 32, 1, 4, (2, 30)),
        ("cubic", 16, 1, 2, (3, 13)),
        ("lanczos3", 16, 1, 2, (5, 11)),
    ],
)
def test_resizing_is_equivariant_where_it_does_not_see_the_border(method, length, shift, moves, region):
    """Keys' kernels of two, four and six taps, at scales that are powers of two, where the weights are exact."""
    claim = report(resized(method, length)).interior
    assert (claim.shift, claim.moves, claim.region) == (shift, ((1, moves),), ((1, *region),))


def test_down_scaling_needs_pairs_clear_of_the_border():
    """Positions 1 and 2 of 4 do not read the border, which is one pair. Of 6 positions there are three pairs."""
    assert report(resized("bilinear", 4)).interior.verdict == Verdict.UNDECIDED
    claim = report(resized("bilinear", 6), jax.ShapeDtypeStruct((1, 12, 6, 2), jnp.float32)).interior
    assert (claim.shift, claim.moves, claim.region) == (2, ((1, 1),), ((1, 1, 5),))


def test_bilinear_resizing_sees_two_cells():
    field = report(resized("bilinear", 16)).interior.receptive_field
    # Output 2i + 1 reads i and i + 1; output 2i reads i - 1 and i.
    assert (field.rate, field.first, field.last) == (0.5, -1, 0.5)


@pytest.mark.parametrize("n", [3, 4, 5, 8])
@pytest.mark.parametrize("m", [2, 3, 4, 6, 8, 9, 12])
def test_no_resizing_is_claimed_to_be_more_than_it_is(n, m):
    """No execution refutes a proof. Most of these lengths round, so nothing is proved."""
    report(resized("bilinear", m), jax.ShapeDtypeStruct((1, n, 6, 2), jnp.float32))


BANDED = {
    "circulant": (lambda: ((ROW - COLUMN) % N) ** 2, (1, ((1, 1),)), None),
    "circulant and reversed": (lambda: ((ROW + COLUMN) % N) ** 2, (1, ((1, -1),)), None),
    "circulant in twos": (lambda: jnp.where((ROW - COLUMN) % N < 3, 1 + ROW % 2, 0), (2, ((1, 2),)), (2, ((1, 2),))),
    "differences": (lambda: jnp.eye(N) - jnp.eye(N, k=1), None, (1, ((1, 1),))),
    "mirrored": (lambda: jnp.eye(N)[::-1], (1, ((1, -1),)), (1, ((1, -1),))),
    "every other cell": (lambda: jnp.eye(N)[:, ::2], (2, ((1, 1),)), (2, ((1, 1),))),
    "triangular": (lambda: jnp.tri(N), None, None),
    "a cosine transform": (lambda: jnp.cos((ROW * COLUMN).astype(jnp.float32)), None, None),
    "one weight off": (lambda: jnp.eye(N).at[4, 4].set(2.0), None, (1, ((1, 1),))),
    "two bands, one of which changes": (lambda: jnp.eye(N) + jnp.diag(1 + jnp.arange(7.0), 1), None, None),
    "zeros": (lambda: jnp.zeros((N, 5)), (1, ()), None),
}


@pytest.mark.parametrize(("matrix", "cyclic", "interior"), BANDED.values(), ids=BANDED)
def test_what_a_known_matrix_does(matrix, cyclic, interior):
    claims = report(times(matrix))
    for claim, expected in ((claims.cyclic, cyclic), (claims.interior, interior)):
        assert ((claim.shift, claim.moves) if claim.verdict == Verdict.PROVED else None) == expected


def test_one_weight_off_shows_in_the_region():
    """An identity matrix with one other column is the identity on either side of it. The longer side is claimed."""
    assert report(times(BANDED["one weight off"][0])).interior.region == ((1, 0, 4),)


@pytest.mark.parametrize("seed", range(30))
def test_random_bands_in_every_place(seed):
    """The matrix is the first or second operand, with bands of random width and step; channels are mixed or not."""
    draw = np.random.default_rng(seed)
    distance, by, taps = draw.integers(1, 3), draw.choice([-2, -1, 1, 2]), draw.integers(1, 4)
    m = int(draw.integers(3, 12))
    matrix = np.zeros((N, m, 2), np.float32)
    weights = draw.integers(-4, 5, (distance, taps, 2))
    for j in range(m):
        for u in range(taps):
            k = (j // distance) * by + u + (0 if by > 0 else N - 1)
            if 0 <= k < N:
                matrix[k, j] = weights[j % distance, u]
    equation = ["nhwc,hkc->nkwc", "hkc,nhwc->knwc", "nhwc,hkd->nwkcd"][draw.integers(3)]
    build = lambda: jnp.asarray(matrix)
    fn = lambda x: jnp.einsum(equation, *((build(), x) if equation.startswith("hkc") else (x, build())))
    report(fn, values=True)


def test_weights_that_may_be_any_break():
    """A matrix that is closed over is a parameter: without its values, no shift is proved."""
    matrix = jnp.eye(N)
    fn = lambda x: jnp.einsum("nhwc,hk->nkwc", x, matrix)
    claim = report(fn).interior
    assert claim.verdict == Verdict.UNDECIDED
    assert "different weights at each position" in claim.culprit.reason
    assert report(fn, values=True).interior.verdict == Verdict.PROVED


def test_a_band_that_reads_the_border_is_no_part_of_the_region():
    """Two zeros enter at the start, so the first two of ten cells, and of eight sums of three, depend on the border."""
    sums = np.array([[0 <= k - j < 3 for j in range(8)] for k in range(10)])
    late = lambda x: jnp.pad(x, ((0, 0), (2, 0)))[:, :-2]
    claims = certified(lambda x: late(x) @ jnp.asarray(sums).astype(x.dtype), (1, 10))
    assert claims["interior"].region == ((1, 2, 8),)
