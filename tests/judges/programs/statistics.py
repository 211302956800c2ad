"""Covariance, whitening and linear algebra on statistics and on batch axes."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import linalg

from judges.judge import judge
from judges.operations import circular, wrap


def covariance(x):
    """The covariance of the channels of a signal [n, c], regularised."""
    centred = x - x.mean(0)
    return centred.T @ centred / x.shape[0] + 0.1 * jnp.eye(x.shape[1])


def neighbours(x):
    """The symmetric matrix [n, c, c] of each cell and its neighbour."""
    following = jnp.roll(x, -1, axis=0)
    outer = x[:, :, None] * x[:, None, :] + following[:, :, None] * following[:, None, :]
    return outer + 0.5 * jnp.eye(x.shape[1])


@judge((12, 3))
def covariance_of_numpy(x):
    return jnp.cov(x, rowvar=False)


@judge((12, 3))
def correlation_of_numpy(x):
    return jnp.corrcoef(x.T)


@judge((12, 3))
def whitened_by_cholesky(x):
    factor = jnp.linalg.cholesky(covariance(x))
    return lax.linalg.triangular_solve(factor, (x - x.mean(0)).T, left_side=True, lower=True).T


@judge((12, 3))
def whitened_by_eigenvectors(x):
    values, vectors = jnp.linalg.eigh(covariance(x))
    return (x - x.mean(0)) @ (vectors / jnp.sqrt(values)) @ vectors.T


@judge((12, 3))
def whitened_by_newton_iterations(x):
    sigma = covariance(x)
    sigma, root = sigma / jnp.trace(sigma), jnp.eye(3)
    for _ in range(4):
        root = 1.5 * root - 0.5 * root @ root @ root @ sigma
    return (x - x.mean(0)) @ root


@judge((12, 3))
def mahalanobis_distance(x):
    centred = x - x.mean(0)
    return jnp.einsum("nc,cd,nd->n", centred, jnp.linalg.inv(covariance(x)), centred)


@judge((12, 3))
def solved_with_the_covariance(x):
    return jnp.linalg.solve(covariance(x), x.T).T


@judge((12, 3))
def gaussian_log_density(x):
    sign, logarithm = jnp.linalg.slogdet(covariance(x))
    return sign * logarithm + (x**2).sum(1)


@judge((12, 3))
def singular_values(x):
    return jnp.linalg.svd(x, compute_uv=False)


@judge((12, 3))
def left_singular_vectors(x):
    return jnp.linalg.svd(x, full_matrices=False)[0]  # culprit


@judge((12, 3))
def spectral_norm(x):
    return x / jnp.linalg.norm(x, ord=2)


@judge((12, 3), (3,))
def spectral_norm_by_power_iteration(x, v):
    for _ in range(3):
        v = x.T @ (x @ v)
        v = v / jnp.linalg.norm(v)
    return x / jnp.linalg.norm(x @ v)


@judge((12, 3))
def triangular_factor(x):
    return jnp.linalg.qr(x)[1]  # culprit


@judge((12, 3))
def least_squares_of_channels(x):
    return jnp.linalg.lstsq(x[:, :2], x[:, 2])[0]


@judge((12, 3), (12,))
def least_squares_with_positions(x, target):
    return jnp.linalg.lstsq(x, target)[0]  # culprit


@judge((12, 3))
def pseudo_inverse(x):
    return jnp.linalg.pinv(x)


@judge((12, 3), (3, 3))
def coral_to_another_covariance(x, style):
    white = linalg.solve_triangular(jnp.linalg.cholesky(covariance(x)), x.T, lower=True)
    return (jnp.linalg.cholesky(style @ style.T + jnp.eye(3)) @ white).T


@judge((12, 3))
def gram_matrix(x):
    y = jnp.tanh(x)
    return jnp.einsum("nc,nd->cd", y, y) / x.size


@judge((12, 3))
def gram_matrix_with_a_neighbour(x):
    return jnp.tensordot(x, jnp.roll(x, 1, axis=0), axes=(0, 0))


@judge((12, 3))
def gram_matrix_without_the_last(x):
    return x[:-1].T @ x[1:]  # culprit


@judge((12, 2))
def eigenvalues_of_the_structure_tensor(x):
    return jnp.linalg.eigh(neighbours(x))[0]


@judge((12, 2))
def square_root_at_each_position(x):
    values, vectors = jnp.linalg.eigh(neighbours(x))
    return jnp.einsum("nij,nj,nkj->nik", vectors, jnp.sqrt(values), vectors)


@judge((12, 2))
def cholesky_at_each_position(x):
    return jnp.linalg.cholesky(neighbours(x))


@judge((12, 2))
def solved_at_each_position(x):
    return jnp.linalg.solve(neighbours(x), x[:, :, None])[:, :, 0]


@judge((12, 2))
def determinant_and_inverse_at_each_position(x):
    matrices = neighbours(x)
    return jnp.linalg.det(matrices), jnp.linalg.inv(matrices)


@judge((12, 2))
def exponential_at_each_position(x):
    return jax.vmap(linalg.expm)(neighbours(x) / 4)


@judge((12, 2))
def matrix_power_at_each_position(x):
    return jnp.linalg.matrix_power(neighbours(x), 3)


@judge((12, 2))
def orthogonalised_at_each_position(x):
    return jnp.linalg.qr(neighbours(x))


@judge((14, 2))
def interior_covariance_in_windows(x):
    windows = jnp.stack([x[u : 12 + u] for u in range(3)], axis=1)
    return jnp.linalg.cholesky(jnp.einsum("nuc,nud->ncd", windows, windows) + jnp.eye(2))


@judge((12, 2))
def local_regression(x):
    windows = jnp.stack([jnp.roll(x, u, axis=0) for u in (-1, 0, 1)], axis=1)
    normal = jnp.einsum("nuc,nud->ncd", windows, windows) + jnp.eye(2)
    right = jnp.einsum("nuc,nu->nc", windows, windows[:, ::-1, 0])
    return linalg.cho_solve((linalg.cholesky(normal, lower=True), True), right[:, :, None])


@judge((12,), ())
def smoothing_spline_by_a_circulant_solve(x, strength):
    one = jnp.eye(12)
    laplacian = 2 * one - jnp.roll(one, 1, axis=0) - jnp.roll(one, -1, axis=0)
    return jnp.linalg.solve(one + strength**2 * laplacian, x)


@judge((12,), ())
def smoothing_spline_with_open_ends(x, strength):
    difference = jnp.diff(jnp.eye(12), axis=0)
    matrix = jnp.eye(12) + strength**2 * difference.T @ difference
    return jnp.linalg.solve(matrix, x)  # culprit


@judge((12,))
def tridiagonal_solve(x):
    low, high = jnp.full(12, -1.0).at[0].set(0), jnp.full(12, -1.0).at[-1].set(0)
    return lax.linalg.tridiagonal_solve(low, jnp.full(12, 4.0), high, x[:, None])  # culprit


@judge((12, 2), (3, 2, 2))
def batch_norm_of_a_convolution(x, kernel):
    y = circular(x, kernel)
    return (y - y.mean(0)) * lax.rsqrt(y.var(0) + 1e-5)


@judge((12, 2))
def weighted_covariance_at_the_border(x):
    padded = jnp.pad(x, ((1, 1), (0, 0)))  # culprit: cyclic
    return jnp.cov(padded[2:] * padded[:-2], rowvar=False)


@judge((12, 2))
def autocovariance_at_three_lags(x):
    y = wrap(x - x.mean(0), 0, 2)
    return jnp.stack([(y[:12] * y[lag : 12 + lag]).mean(0) for lag in range(3)])


@judge((12, 2))
def autocovariance_of_an_open_signal(x):
    y = x - x.mean(0)
    return jnp.stack([(y[: 12 - lag] * y[lag:]).sum(0) for lag in range(3)])  # culprit: cyclic


@judge((12, 4))
def power_of_a_circulant(x):
    step = (jnp.roll(jnp.eye(12), 1, axis=0) + jnp.eye(12)) / 2
    return jnp.linalg.matrix_power(step, 4) @ x


@judge((12, 4), ())
def heat_kernel_of_a_circulant(x, time):
    ring = jnp.roll(jnp.eye(12), 1, axis=0) + jnp.roll(jnp.eye(12), -1, axis=0) - 2 * jnp.eye(12)
    return linalg.expm(time * ring) @ x


@judge((12, 4), (12,))
def scipy_circulant_toeplitz(x, column):
    row = jnp.roll(column[::-1], 1)
    return linalg.toeplitz(column, row) @ x


@judge((12, 4))
def scipy_toeplitz_of_constants(x):
    column = jnp.array([2.0, 1.0] + [0.0] * 10)
    return linalg.toeplitz(column) @ x  # culprit: cyclic
