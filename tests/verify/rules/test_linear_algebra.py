"""Decompositions and solvers of the matrices along batch axes: execution does not refute what is proved."""

import jax.numpy as jnp
import numpy as np
import pytest
from support.numpy_twins import by_kinds, certified, proved, refutation

SHAPE = (1, 6, 2)
UNIT = np.array([[1, 0], [3, 1]], np.float32)  # with an integral inverse, so that solutions are exact
LONG = np.tril(np.ones((6, 6), np.float32))


def real(x):
    return x.astype("float32" if isinstance(x, jnp.ndarray) else "float64")


def columns(x):
    return x.swapaxes(1, 2)


def definite(n, matrices):
    """The matrices plus a multiple of the identity."""
    return matrices + 2**20 * n.broadcast_to(n.eye(matrices.shape[-1], dtype=matrices.dtype), matrices.shape)


def squares(n, x):
    """A positive definite matrix at each position."""
    x = real(x)
    return definite(n, x[..., :, None] * x[..., None, :])


def covariance(n, x):
    x = real(x)
    return definite(n, columns(x) @ x)


def small(x):
    """x in units in which rounding errors of its singular values are far below 1e-6."""
    return real(x) / 2**20


def singular(n, matrices):
    return n.round(n.linalg.svd(matrices, compute_uv=False), 6)


def over_positions(n, x):
    x = real(x)
    return definite(n, x @ columns(x))


# Functions of x [b, 6, 2]; `n` is jnp or np. The axis of 6 positions is shifted.
BOTH = {
    "cholesky": lambda n, x: n.linalg.cholesky(squares(n, x)),
    "eigenvalues": lambda n, x: n.linalg.eigvalsh(squares(n, x)),
    "eigenvectors": lambda n, x: n.linalg.eigh(squares(n, x))[1],
    "singular values": lambda n, x: n.linalg.svd(squares(n, x), compute_uv=False),
    "singular vectors": lambda n, x: n.linalg.svd(squares(n, x))[0],
    "qr": lambda n, x: n.linalg.qr(squares(n, x))[1],
    "inverse": lambda n, x: n.linalg.inv(squares(n, x)),
    "determinant": lambda n, x: n.linalg.det(squares(n, x)),
    "a system at each position": lambda n, x: n.linalg.solve(squares(n, x), real(x)[..., None]),
    "a system with a right-hand side at each position": lambda n, x: n.linalg.solve(
        n.asarray(UNIT)[None], columns(real(x))
    ),
}
CYCLIC = {
    "singular values of positions": lambda n, x: singular(n, small(x)),
    "singular values of positions, transposed": lambda n, x: singular(n, columns(small(x))),
    "singular values of scores": lambda n, x: singular(n, small(x) @ columns(small(x)) + 5),
    "values beside the vectors": lambda n, x: n.round(n.linalg.svd(small(x), full_matrices=False)[1], 6),
    "largest singular value": lambda n, x: n.round(n.linalg.norm(small(x), ord=2, axis=(1, 2)), 6),
    "nuclear norm": lambda n, x: n.round(n.linalg.norm(small(x), ord="nuc", axis=(1, 2)), 6),
    "condition number": lambda n, x: n.round(n.linalg.cond(small(x)), 6),
    "covariance, decomposed": lambda n, x: n.linalg.cholesky(covariance(n, x)),
}
NEITHER = {
    "singular values of the first positions": lambda n, x: singular(n, small(x)[:, :4]),
    "singular values of weighted positions": lambda n, x: singular(
        n, small(x) * n.asarray(np.arange(6, dtype="float32"))[None, :, None]
    ),
    "singular vectors of positions": lambda n, x: n.linalg.svd(real(x), full_matrices=False)[0],
    "singular vectors of channels": lambda n, x: n.linalg.svd(real(x), full_matrices=False)[2],
    "positions, decomposed": lambda n, x: n.linalg.cholesky(over_positions(n, x)),
    "a system over positions": lambda n, x: n.linalg.solve(n.asarray(LONG)[None], real(x)),
    "a matrix for each position": lambda n, x: n.linalg.solve(
        squares(n, n.asarray(np.arange(12, dtype="int32").reshape(1, 6, 2))), real(x)[..., None]
    ),
}


@pytest.mark.parametrize(("line", "kinds"), by_kinds(BOTH, CYCLIC, NEITHER))
def test_what_is_proved_is_what_holds(line, kinds):
    claims = certified(lambda x: line(jnp, x), SHAPE)
    assert refutation(lambda x: line(np, x), SHAPE, claims, samples=4) is None
    assert proved(claims) == kinds
