"""Signals that turn around more than once while the scene does once: convolutions of the input with itself.

`turned(x, c)` moves by c cells where x moves by one, and repeats after as many cells as x. So a signal at the same rate
may repeat c times as late. What is proved is executed on all shifts, and `recheck` executes each equation by itself.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.claim_oracle import judged
from support.numpy_execution import executing_by_numpy

import jaxconv as jc
from jaxconv.verify.claims import Verdict

KERNEL = jnp.arange(1.0, 13.0).reshape(3, 2, 2)


def turned(x, turns):
    """A convolution of x [1, n, 2] with functions of it, `turns` factors in all."""
    spectrum = product = jnp.fft.rfft(x, axis=1)
    for _ in range(turns - 1):
        product = product * spectrum
    return jnp.fft.irfft(product, n=x.shape[1], axis=1)


def advancing(n, by, distance):
    """Indices below n for which index i + distance is index i plus `by`, modulo n."""
    first = np.random.default_rng(0).integers(0, n, distance)
    return np.array([(first[i % distance] + by * (i // distance)) % n for i in range(n * distance)])


def circulant(n, by, distance):
    """A matrix of which column j + distance is column j, rolled by `by` rows."""
    first = np.random.default_rng(1).integers(1, 5, (n, distance))
    return jnp.asarray([np.roll(first[:, j % distance], by * (j // distance)) for j in range(n * distance)], "float32")


def read(by, distance):
    return lambda z, x: z[:, advancing(z.shape[1], by, distance)]


def mixed(by, distance):
    return lambda z, x: jnp.einsum("nic,ji->njc", z, circulant(z.shape[1], by, distance))


PROGRAMS = {
    "itself": lambda z, x: z,
    "rolled": lambda z, x: jnp.roll(z, 1, 1) + z,
    "reversed": lambda z, x: z[:, ::-1],
    "every other cell": lambda z, x: z[:, ::2],
    "every third cell": lambda z, x: jnp.tile(z, (1, 3, 1))[:, ::3],
    "repeated": lambda z, x: jnp.repeat(z, 2, axis=1),
    "copies, every other cell": lambda z, x: jnp.tile(z, (1, 2, 1))[:, ::2],
    "zeros between": lambda z, x: lax.pad(z, 0.0, ((0, 0, 0), (0, 1, 1), (0, 0, 0))),
    "pairs": lambda z, x: jnp.tile(z, (1, 2, 1)).reshape(1, -1, 2, 2).max(2),
    "a mask": lambda z, x: z * (jnp.arange(z.shape[1]) % 2).astype(z.dtype)[None, :, None],
    "a mask of a coprime period": lambda z, x: (
        jnp.tile(z, (1, 3, 1)) * (jnp.arange(3 * z.shape[1]) % 3).astype(z.dtype)[None, :, None]
    ),
    "a convolution": lambda z, x: jc.conv({"kernel": KERNEL}, z, padding="circular"),
    "a convolution of stride 2": lambda z, x: jc.conv({"kernel": KERNEL}, z, padding="circular", stride=2),
    "pooled": lambda z, x: jc.max_pool(z, (2,)),
    "a mean": lambda z, x: z.mean(1),
    "a mean without the last": lambda z, x: z[:, :-1].mean(1),
    "magnitudes of the spectrum": lambda z, x: jnp.abs(jnp.fft.fft(z, axis=1)),
    "sorted": lambda z, x: jnp.sort(z, 1),
    "scores": lambda z, x: jnp.einsum("nic,njc->nij", z, z),
    "a kernel over copies of itself": lambda z, x: jc.conv(
        {"kernel": jnp.moveaxis(z, 0, -1)}, jnp.tile(z, (1, 2, 1))[:, :-1]
    ),
    "a kernel over what repeats later": lambda z, x: jc.conv(
        {"kernel": jnp.moveaxis(z, 0, -1)}, jnp.tile(jnp.repeat(x, 2, axis=1), (1, 2, 1))
    ),
    "added to what repeats later": lambda z, x: jnp.concatenate([z, z], 1) + jnp.repeat(x, 2, axis=1),
    "a mean with what repeats later": lambda z, x: (z * jnp.repeat(x, 2, axis=1)[:, : z.shape[1]]).mean(1),
    "joined to what moves more slowly": lambda z, x: z + x,
    "the gradient of a wrap pad": lambda z, x: jax.grad(
        lambda v: jnp.sum(jnp.sin(jc.conv({"kernel": KERNEL}, v, padding="circular")))
    )(z),
    "steps of 2": read(2, 1),
    "steps of 2, three at a time": read(2, 3),
    "steps of 3": read(3, 1),
    "steps of 3, three at a time": read(3, 3),
    "a circulant of steps of 2": mixed(2, 1),
    "a circulant of steps of 3, three at a time": mixed(3, 3),
}
# For two turns of 8 cells, the claims that are proved: moves for shifts by one.
MOVES = {
    "itself": 2,
    "rolled": 2,
    "reversed": -2,
    "every other cell": 1,
    "repeated": 4,
    "copies, every other cell": 1,
    "zeros between": 4,
    "pairs": 1,
    "a convolution": 2,
    "a convolution of stride 2": 1,
    "pooled": 1,
    "added to what repeats later": 2,
    "steps of 2": 1,
    "steps of 2, three at a time": 3,
    "a circulant of steps of 2": 1,
}
INVARIANT = ("a mean", "magnitudes of the spectrum", "sorted", "a kernel over copies of itself")
NOT_PROVED = (
    "a mean without the last",
    "a kernel over what repeats later",
    "a mean with what repeats later",
    "joined to what moves more slowly",
    "steps of 3, three at a time",
    "a circulant of steps of 3, three at a time",
)
FRACTIONS_OF_9 = (
    *NOT_PROVED[:4],
    "every other cell",
    "copies, every other cell",
    "pairs",
    "pooled",
    "a convolution of stride 2",
    "steps of 2",
    "a circulant of steps of 2",
)


def claim_of(name, turns, n):
    """The cyclic claim of a program, which no execution refutes, and to which `recheck` does not object."""
    fn = lambda x: PROGRAMS[name](turned(x, turns), x)
    x = jax.ShapeDtypeStruct((1, n, 2), jnp.float32)
    claim = judged(fn, x, kinds=("cyclic",), values=True).cyclic
    with executing_by_numpy():
        assert jc.recheck(jc.certify(fn, x, axes=(1,), search=False, values=True), fn, x) == ()
    return claim


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_made_of_a_convolution_of_two(name):
    claim = claim_of(name, 2, 8)
    if name in NOT_PROVED:
        assert claim.verdict == Verdict.UNDECIDED
        assert "failed" not in claim.culprit.reason
    if name in INVARIANT:
        assert (claim.verdict, claim.shift, claim.moves) == (Verdict.PROVED, 1, ())
    if name in MOVES:
        assert (claim.verdict, claim.shift, claim.moves) == (Verdict.PROVED, 1, ((1, MOVES[name]),))


@pytest.mark.parametrize(("turns", "n"), [(2, 9), (3, 8)])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_step_that_does_not_divide_the_period_proves_nothing_false(name, turns, n):
    """After two turns of 9 cells, a step of 2 fits; after three turns of 8 cells, a step of 3. The periods do not."""
    claim = claim_of(name, turns, n)
    if name in (NOT_PROVED if n == 8 else FRACTIONS_OF_9):
        assert claim.verdict == Verdict.UNDECIDED
        assert "failed" not in claim.culprit.reason
