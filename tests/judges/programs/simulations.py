"""Solvers of physics, particles and graphs, and transforms of spectra."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy import fft, signal

from judges.judge import judge


@judge((12, 2))
def weighted_essentially_non_oscillatory_flux(x):
    m2, m1, p1, p2 = (jnp.roll(x, s, axis=0) for s in (2, 1, -1, -2))
    stencils = [(2 * m2 - 7 * m1 + 11 * x) / 6, (-m1 + 5 * x + 2 * p1) / 6, (2 * x + 5 * p1 - p2) / 6]
    smooth = [
        13 / 12 * (m2 - 2 * m1 + x) ** 2 + (m2 - 4 * m1 + 3 * x) ** 2 / 4,
        13 / 12 * (m1 - 2 * x + p1) ** 2 + (m1 - p1) ** 2 / 4,
        13 / 12 * (x - 2 * p1 + p2) ** 2 + (3 * x - 4 * p1 + p2) ** 2 / 4,
    ]
    weights = jnp.stack([w / (1e-6 + s) ** 2 for w, s in zip((0.1, 0.6, 0.3), smooth, strict=True)])
    flux = jnp.sum(weights / weights.sum(0) * jnp.stack(stencils), axis=0)
    return flux - jnp.roll(flux, 1, axis=0)


@judge((8, 6, 9))
def lattice_boltzmann_step(x):
    velocity = np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [-1, 1], [-1, -1], [1, -1]])
    weight = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)
    density = x.sum(-1) + 100.0
    momentum = jnp.einsum("hwq,qd->hwd", x, velocity) / density[..., None]
    projected = momentum @ velocity.T
    square = (momentum**2).sum(-1, keepdims=True)
    equilibrium = weight * density[..., None] * (1 + 3 * projected + 4.5 * projected**2 - 1.5 * square)
    collided = x - 0.7 * (x - equilibrium)
    moved = [jnp.roll(collided[..., q], tuple(velocity[q]), axis=(0, 1)) for q in range(9)]
    return jnp.stack(moved, axis=-1)


@judge((12, 2))
def yee_steps_between_conductors(x):
    def step(_, fields):
        electric, magnetic = fields
        magnetic = magnetic.at[:-1].add(0.5 * (electric[1:] - electric[:-1]))  # culprit: cyclic
        electric = electric.at[1:-1].add(0.5 * (magnetic[1:-1] - magnetic[:-2]))
        return electric, magnetic

    return lax.fori_loop(0, 2, step, (x[:, 0], x[:, 1]))[0]


@judge((12,))
def charge_of_displaced_particles(x):
    n = x.shape[0]
    place = jnp.arange(n) + x
    cell = jnp.floor(place)
    right = place - cell
    left = cell.astype(int) % n
    density = jnp.zeros(n, x.dtype).at[left].add(1 - right)
    return density.at[(left + 1) % n].add(right)


@judge((10, 6))
def semi_lagrangian_step_in_two_dimensions(x):
    rows, columns = jnp.meshgrid(jnp.arange(10), jnp.arange(6), indexing="ij")
    a, b = rows - 0.5 * jnp.tanh(x), columns - 0.5 * jnp.tanh(jnp.roll(x, 1, axis=0))
    i, j = jnp.floor(a).astype(int), jnp.floor(b).astype(int)
    u, v = a - i, b - j
    at = lambda i, j: x[i % 10, j % 6]
    top = (1 - v) * at(i, j) + v * at(i, j + 1)
    return (1 - u) * top + u * ((1 - v) * at(i + 1, j) + v * at(i + 1, j + 1))


@judge((12,))
def backward_characteristics_by_interp(x):
    grid = jnp.arange(12.0)
    return jnp.interp(grid - 0.5 * jnp.tanh(x), grid, x, period=12.0)


@judge((12,))
def mac_cormack_step(x):
    flux = lambda u: 0.5 * u**2
    ahead = jnp.concatenate([x[1:], x[:1]])
    predicted = x - 0.1 * (flux(ahead) - flux(x))
    behind = jnp.concatenate([predicted[-1:], predicted[:-1]])
    return 0.5 * (x + predicted - 0.1 * (flux(predicted) - flux(behind)))


@judge((16,))
def multigrid_cycle_on_a_ring(x):
    def smooth(u, f, h):
        return u + (f * h**2 + jnp.roll(u, 1) + jnp.roll(u, -1) - 2 * u) / 3

    def cycle(f, h):
        u = smooth(jnp.zeros_like(f), f, h)
        if f.size > 4:
            residual = f - (2 * u - jnp.roll(u, 1) - jnp.roll(u, -1)) / h**2
            coarse = (residual + 0.5 * (jnp.roll(residual, 1) + jnp.roll(residual, -1)))[::2] / 2
            error = cycle(coarse, 2 * h)
            fine = jnp.stack([error, 0.5 * (error + jnp.roll(error, -1))], axis=1).reshape(-1)
            u = u + fine
        return smooth(u, f, h)

    return cycle(x, 1.0)


@judge((8, 6))
def mean_field_updates_of_a_checkerboard(x):
    even = (np.arange(8)[:, None] + np.arange(6)) % 2 == 0
    neighbours = lambda s: sum(jnp.roll(s, d, axis=a) for a in (0, 1) for d in (1, -1))
    x = jnp.where(even, jnp.tanh(0.4 * neighbours(x)), x)
    return jnp.where(~even, jnp.tanh(0.4 * neighbours(x)), x)


@judge((10, 2))
def forces_between_particles_in_a_box(x):
    box = 4.0
    difference = x[:, None, :] - x[None, :, :]
    difference = difference - box * jnp.round(difference / box)
    square = jnp.sum(difference**2, axis=-1) + jnp.eye(10)
    return jnp.sum(difference * (1 / square - 1 / square**2)[..., None], axis=1)


@judge((10, 3), (7, 4))
def messages_between_pairs(x, weights):
    n = x.shape[0]
    sender, receiver = np.nonzero(~np.eye(n, dtype=bool))
    edges = jnp.concatenate([x[sender], x[receiver], jnp.ones((sender.size, 1))], axis=-1)
    return jax.ops.segment_sum(jnp.tanh(edges @ weights), receiver, num_segments=n)


@judge((12,))
def oscillators_with_coupling_by_a_spectrum(x):
    distance = np.minimum(np.arange(12), 12 - np.arange(12))
    spectrum = jnp.fft.rfft(jnp.exp(-0.5 * distance))
    convolve = lambda u: jnp.fft.irfft(jnp.fft.rfft(u) * spectrum, n=12)
    return jnp.cos(x) * convolve(jnp.sin(x)) - jnp.sin(x) * convolve(jnp.cos(x))


@judge((12,))
def differentiated_by_chebyshev(x):
    k = np.arange(12)
    points = np.cos(np.pi * k / 11)
    c = np.where((k == 0) | (k == 11), 2.0, 1.0) * (-1.0) ** k
    matrix = np.outer(c, 1 / c) / (points[:, None] - points + np.eye(12))
    matrix -= np.diag(matrix.sum(1))
    return matrix @ x  # culprit


@judge((12, 8))
def fractional_laplacian(x):
    k = jnp.meshgrid(jnp.fft.fftfreq(12), jnp.fft.fftfreq(8), indexing="ij")
    return jnp.fft.ifft2(jnp.fft.fft2(x) * (k[0] ** 2 + k[1] ** 2) ** 0.75).real


@judge((12,))
def reinitialised_level_set(x):
    sign = x / jnp.sqrt(x**2 + 1)
    for _ in range(2):
        padded = jnp.pad(x, 1, mode="edge")  # culprit: cyclic
        back, ahead = x - padded[:-2], padded[2:] - x
        outward = jnp.sqrt(jnp.maximum(jnp.maximum(back, 0) ** 2, jnp.minimum(ahead, 0) ** 2))
        inward = jnp.sqrt(jnp.maximum(jnp.minimum(back, 0) ** 2, jnp.maximum(ahead, 0) ** 2))
        x = x - 0.3 * sign * (jnp.where(sign > 0, outward, inward) - 1)
    return x


@judge((12,))
def cepstrum(x):
    return jnp.fft.irfft(jnp.log(jnp.abs(jnp.fft.rfft(x)) + 1e-3), n=12)


@judge((12,), (3,))
def convolution_by_a_padded_transform(x, kernel):
    length = 12 + 3 - 1
    return jnp.fft.irfft(jnp.fft.rfft(x, n=length) * jnp.fft.rfft(kernel, n=length), n=length)[1:13]  # culprit: cyclic


@judge((16,))
def small_cosine_coefficients_dropped(x):
    c = fft.dct(x, norm="ortho")  # culprit
    return fft.idct(jnp.where(jnp.abs(c) > 0.5, c, 0.0), norm="ortho")


@judge((12, 2), (12,))
def transfer_function_between_channels(x, taper):
    a, b = jnp.fft.rfft(x[:, 0]), jnp.fft.rfft(x[:, 1])
    return jnp.fft.irfft(jnp.conj(a) * b / (jnp.abs(a) ** 2 + 1.0), n=12)


@judge((12,))
def three_halves_rule(x):
    modes = jnp.fft.rfft(x)
    fine = jnp.fft.irfft(modes, n=18) * 1.5
    return jnp.fft.irfft(jnp.fft.rfft(fine**2)[:7] / 1.5, n=12)


@judge((24,), (5,))
def filtered_by_scipy_and_decimated(x, taps):
    return signal.convolve(x, taps, mode="valid", method="fft")[::2]


@judge((12,))
def ensemble_of_random_features(x):
    omega = jax.random.normal(jax.random.key(2), (4,), x.dtype)
    features = jnp.cos(jnp.stack([x, jnp.roll(x, 1)], axis=1) @ omega.reshape(2, 2))
    return features.sum(-1)


@judge((12,), (3,))
def reaction_by_an_implicit_newton_step(x, rates):
    matrix = rates[0] ** 2 * (2 * jnp.eye(12) - jnp.roll(jnp.eye(12), 1, axis=0) - jnp.roll(jnp.eye(12), -1, axis=0))
    residual = lambda u: u - x + matrix @ u + 0.1 * u**3
    u = x
    for _ in range(2):
        u = u - jnp.linalg.solve(jax.jacfwd(residual)(u), residual(u))
    return u


@judge((12, 3))
def shock_capturing_by_a_ghost_cell(x):
    ghost = jnp.concatenate([x[:1], x, x[-1:]])  # culprit: cyclic
    slope = jax.vmap(lambda a, b, c: jnp.where((b - a) * (c - b) > 0, 0.5 * (c - a), 0.0))
    return x - 0.1 * slope(ghost[:-2], ghost[1:-1], ghost[2:])
