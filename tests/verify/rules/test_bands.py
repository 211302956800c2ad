"""Reductions over a band of values that move along two axes: what is one known number elsewhere has no influence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.claim_oracle import judged

import jaxconv as jc
from jaxconv.verify.claims import Verdict

N = 12
X = jax.ShapeDtypeStruct((N, 3), jnp.float32)
ROW, COLUMN = np.arange(N)[:, None], np.arange(N)[None]
NEAR = abs(ROW - COLUMN) <= 2
INFINITY = np.float32(np.inf)


def interior(fn, x=X):
    """The interior claim about shifts of the first axis. Executions are checked not to refute it if it is proved."""
    return judged(fn, x, axis=0, kinds=("interior",)).interior


def number(mask):
    """A mask as numbers that the function computes: closed-over floats are parameters."""
    return jnp.asarray(mask).astype(jnp.float32)


def scores(x):
    return x @ x.T


def attention(x, mask, masked=-INFINITY):
    return jax.nn.softmax(jnp.where(mask, scores(x), masked), axis=1) @ x


def normalised(x, mask):
    weights = jnp.exp(scores(x)) * number(mask)
    return (weights / weights.sum(1, keepdims=True)) @ x


PROVED = {  # function of x, and the region
    "attention in a window": (lambda x: attention(x, NEAR), (2, N - 2)),
    "attention to three cells before": (lambda x: attention(x, (ROW >= COLUMN) & (ROW - COLUMN < 3)), (2, N)),
    "attention to cells ahead": (lambda x: attention(x, (COLUMN > ROW) & (COLUMN - ROW < 4)), (0, N - 3)),
    "attention to others only": (lambda x: attention(x, NEAR & (ROW != COLUMN)), (2, N - 2)),
    "attention whose weights are scaled and transposed": (
        lambda x: (0.5 * jax.nn.softmax(jnp.where(NEAR, scores(x), -INFINITY), axis=0)).T @ x,
        (2, N - 2),
    ),
    "weights times a mask": (lambda x: normalised(x, NEAR), (2, N - 2)),
    "columns": (lambda x: jnp.where(NEAR, scores(x), -INFINITY).max(0), (2, N - 2)),
    "the largest neighbour": (lambda x: jnp.where(NEAR[..., None], x, -INFINITY).max(1), (2, N - 2)),
    "the largest neighbour, or a constant": (lambda x: jnp.where(NEAR[..., None], x, -1e9).max(1), (2, N - 2)),
    "the smallest neighbour": (lambda x: jnp.where(NEAR[..., None], x, INFINITY).min(1), (2, N - 2)),
    "the product of neighbours": (lambda x: jnp.where(NEAR[..., None], x, 1.0).prod(1), (2, N - 2)),
    "a sum of differences": (lambda x: (number(NEAR[..., None]) * jnp.tanh(x[:, None] - x[None])).sum(1), (2, N - 2)),
    "any neighbour": (lambda x: (NEAR[..., None] & (x > 0)[None]).any(1), (2, N - 2)),
    "log-sum-exp": (lambda x: jax.nn.logsumexp(jnp.where(NEAR, scores(x), -INFINITY), axis=1), (2, N - 2)),
    "softmax with a mask": (lambda x: jax.nn.softmax(scores(x), axis=1, where=NEAR) @ x, (2, N - 2)),
    "over neighbours and channels": (
        lambda x: (number(NEAR[..., None]) * (x[:, None] * x[None])).sum((1, 2)),
        (2, N - 2),
    ),
}


@pytest.mark.parametrize("name", PROVED)
def test_a_reduction_over_a_band_moves(name):
    fn, region = PROVED[name]
    claim = interior(fn)
    assert claim.verdict == Verdict.PROVED, claim.culprit
    assert (claim.moves, claim.region) == (((0, 1),), ((0, *region),))


@pytest.mark.parametrize(
    "name",
    [
        "attention in a window",
        "attention whose weights are scaled and transposed",
        "weights times a mask",
        "softmax with a mask",
    ],
)
def test_the_checker_accepts_it(name):
    fn, _ = PROVED[name]
    assert jc.recheck(jc.certify(fn, X, axes=(0,), search=False), fn, X) == ()


def test_the_receptive_field_is_the_band():
    field = interior(PROVED["attention to three cells before"][0]).receptive_field
    assert (field.first, field.last) == (-2, 0)


def test_a_window_of_a_longer_sequence():
    """All 128 x 128 scores are named."""
    place = np.arange(128)
    near = abs(place[:, None] - place) <= 2
    x = jax.ShapeDtypeStruct((128, 3), jnp.float32)
    claim = jc.certify(lambda x: attention(x, near), x, axes=(0,), search=False).leaves[0].axes[0].interior
    assert (claim.verdict, claim.region) == ("PROVED", ((0, 2, 126),))


def test_heads_in_a_batch():
    def fn(x):
        q = x.reshape(N, 2, 2)
        weights = jax.nn.softmax(jnp.where(NEAR, jnp.einsum("ihd,jhd->hij", q, q), -INFINITY), axis=-1)
        return jnp.einsum("hij,jhd->ihd", weights, q)

    assert interior(fn, jax.ShapeDtypeStruct((N, 4), jnp.float32)).region == ((0, 2, N - 2),)


TWINS = {
    "every cell before": lambda x: attention(x, ROW >= COLUMN),
    "a finite number instead of -inf": lambda x: attention(x, NEAR, -1e9),
    "the largest finite number": lambda x: attention(x, NEAR, np.finfo(np.float32).min),
    "zeros under a maximum of weights": lambda x: jax.nn.softmax(scores(x) * number(NEAR), axis=1) @ x,
    "a window around the middle": lambda x: attention(x, abs(COLUMN - N // 2) <= 2 + 0 * ROW),
    "a window that turns around": lambda x: attention(x, abs(ROW + COLUMN - N) <= 2),
    "numbers that vary outside the band": lambda x: jnp.where(NEAR, scores(x), jnp.arange(N, dtype=jnp.float32)).max(1),
    "two numbers outside the band": lambda x: jnp.where(NEAR, scores(x), number(COLUMN < 3)).max(1),
    "one further cell": lambda x: (scores(x) * number(NEAR | (COLUMN == 0))).sum(1),
    "infinity outside the band": lambda x: jax.nn.softmax(jnp.where(NEAR, scores(x), INFINITY), axis=1) @ x,
    "an unknown number outside": lambda x: jnp.where(NEAR, scores(x), x[0, 0]).max(1),
    "a mask that the input has": lambda x: (scores(x) * number(x[:, :1] > 0)).sum(1),
    "one minus a mask": lambda x: ((1 - number(NEAR)) * scores(x)).sum(1),
    "exp of a mask": lambda x: jnp.exp(scores(x) * number(NEAR)) @ x,
}


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_without_a_band_is_not_proved(name):
    assert interior(TWINS[name]).verdict == Verdict.UNDECIDED


def test_bands_in_rows_of_other_widths_count_for_no_other_row():
    """Rows 4 to 7 have a band of three cells, and the others one of five."""
    width = np.where((ROW > 3) & (ROW < 8), 1, 2)
    claim = interior(lambda x: (scores(x) * number(abs(ROW - COLUMN) <= width)).sum(1))
    assert claim.verdict == Verdict.UNDECIDED or claim.region[0][1:] in {(4, 8), (8, 10), (2, 4)}


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=4, unique=True), st.data())
@settings(max_examples=25, deadline=None)
def test_nothing_false_is_proved_of_random_bands(offsets, data):
    """Bands of any cells, in which some cells are exchanged."""
    mask = np.isin(COLUMN - ROW, offsets)
    for _ in range(data.draw(st.integers(0, 2))):
        i, j = data.draw(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)))
        mask[i, j] = ~mask[i, j]
    reduce = data.draw(st.sampled_from(["max", "sum", "dot"]))
    fn = {
        "max": lambda x: jnp.where(mask, scores(x), -INFINITY).max(1),
        "sum": lambda x: (scores(x) * number(mask)).sum(1),
        "dot": lambda x: (scores(x) * number(mask)) @ x,
    }[reduce]
    interior(fn)


def test_an_empty_axis_has_no_band():
    empty = np.zeros((0, 0), bool)
    fn = lambda x: jnp.where(empty, scores(x[:0]), 0.0).sum(1)
    assert interior(fn).verdict in {Verdict.PROVED, Verdict.UNDECIDED}
