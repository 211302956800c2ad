"""Simulations, filters and inference on a ring or a line, as their authors write them."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.ndimage import map_coordinates

from judges.judge import judge
from judges.operations import circular, wrap


@judge((16,))
def upwind_advection_on_a_ring(x):
    velocity = jnp.sin(x)
    back, ahead = x - jnp.roll(x, 1), jnp.roll(x, -1) - x
    return x - 0.1 * jnp.where(velocity > 0, velocity * back, velocity * ahead)


@judge((16, 2))
def warped_by_a_flow(x):
    return map_coordinates(x[:, 0], [jnp.arange(16.0) + jnp.tanh(x[:, 1])], order=1, mode="wrap")


@judge((16, 2))
def nearest_cell_of_a_flow(x):
    places = (jnp.arange(16) + jnp.round(3 * x[:, 1]).astype(int)) % 16
    return x[places, 0]


@judge((16, 2))
def nearest_cell_of_a_flow_clipped(x):
    places = jnp.clip(jnp.arange(16) + jnp.clip(jnp.round(x[:, 1]), -2, 2).astype(int), 0, 15)
    return x[places, 0]  # culprit: cyclic


@judge((12,), ())
def implicit_diffusion(x, rate):
    one = jnp.eye(12)
    second = jnp.roll(one, 1, axis=0) + jnp.roll(one, -1, axis=0) - 2 * one
    return jnp.linalg.solve(one - rate**2 * second, x)


@judge((12,), ())
def implicit_diffusion_by_conjugate_gradients(x, rate):
    apply = lambda v: v - rate**2 * (jnp.roll(v, 1) + jnp.roll(v, -1) - 2 * v)
    return jax.scipy.sparse.linalg.cg(apply, x, maxiter=4)[0]


@judge((12,))
def diffusion_by_a_power_of_a_matrix(x):
    step = 0.5 * jnp.eye(12) + 0.25 * jnp.roll(jnp.eye(12), 1, axis=0) + 0.25 * jnp.roll(jnp.eye(12), -1, axis=0)
    return jnp.linalg.matrix_power(step, 3) @ x


@judge((12,), ())
def two_steps_of_a_parametrised_matrix(x, rate):
    one = jnp.eye(12)
    step = one + rate * (jnp.roll(one, 1, axis=0) - one)
    return step @ step @ x


@judge((12,), (5,))
def normal_equations_of_a_circulant(x, kernel):
    matrix = jnp.stack([jnp.roll(jnp.pad(kernel, (0, 7)), j) for j in range(12)])
    return matrix.T @ (matrix @ x)


@judge((12,), (5,))
def gram_matrix_of_a_circulant(x, kernel):
    matrix = jnp.stack([jnp.roll(jnp.pad(kernel, (0, 7)), j) for j in range(12)])
    return (matrix.T @ matrix) @ x


@judge((16,))
def leapfrog_in_a_scan(x):
    def step(state, _):
        now, before = state
        after = 2 * now - before + 0.1 * (jnp.roll(now, 1) + jnp.roll(now, -1) - 2 * now)
        return (after, now), after

    return lax.scan(step, (x, x), None, length=3)[1]


@judge((16,))
def weighted_sum_of_dynamic_rolls(x):
    return sum(jnp.roll(x, jnp.array(k)) / (k + 1) for k in range(3))


@judge((16,))
def rolls_in_a_fori_loop(x):
    return lax.fori_loop(1, 4, lambda k, y: y + 0.5**k * jnp.roll(x, k), x)


@judge((16,))
def differences_at_all_lags(x):
    return jax.vmap(lambda k: jnp.abs(x - jnp.roll(x, k)).mean())(jnp.arange(4))


@judge((16,))
def autocorrelation_by_rolls(x):
    return jnp.stack([(x * jnp.roll(x, -k)).sum() for k in range(8)])


@judge((16,))
def slices_of_a_doubled_signal(x):
    twice = jnp.concatenate([x, x])
    return sum(lax.dynamic_slice(twice, (k,), (16,)) for k in (0, 2, 5))


@judge((16, 2))
def median_of_neighbours(x):
    return jnp.median(jnp.stack([jnp.roll(x, k, axis=0) for k in (-1, 0, 1)]), axis=0)


@judge((16,))
def bilateral_filter_on_a_ring(x):
    y = wrap(x, 2, 2)
    near = jnp.stack([y[k : k + 16] for k in range(5)])
    weights = jnp.exp(-((near - x) ** 2) - jnp.array([4.0, 1.0, 0.0, 1.0, 4.0])[:, None])
    return (weights * near).sum(0) / weights.sum(0)


@judge((16,))
def windows_by_vmapped_slices(x):
    y = wrap(x, 0, 3)
    return jax.vmap(lambda k: lax.dynamic_slice(y, (k,), (4,)).max())(jnp.arange(16))


@judge((16, 2))
def scores_within_a_window(x):
    places = jnp.arange(16)
    near = jnp.abs(places[:, None] - places) <= 2
    weights = jax.nn.softmax(jnp.where(near, x @ x.T, -jnp.inf), axis=1)
    return weights @ x  # culprit: cyclic


@judge((12, 2))
def distances_around_the_circle(x):
    gap = jnp.abs(jnp.arange(12)[:, None] - jnp.arange(12))
    gap = jnp.minimum(gap, 12 - gap)
    return jnp.exp(-gap.astype(float)) @ x


@judge((12, 2), ())
def gaussian_kernel_matrix_on_a_circle(x, width):
    gap = jnp.abs(jnp.arange(12)[:, None] - jnp.arange(12))
    gap = jnp.minimum(gap, 12 - gap)
    return jnp.exp(-((gap / (1 + width**2)) ** 2)) @ x


@judge((12,), ())
def gaussian_process_mean_on_a_circle(x, width):
    gap = jnp.abs(jnp.arange(12)[:, None] - jnp.arange(12))
    kernel = jnp.exp(-((jnp.minimum(gap, 12 - gap) / (1 + width**2)) ** 2))
    return kernel @ jnp.linalg.solve(kernel + jnp.eye(12), x)


@judge((12, 3))
def largest_channel_at_each_position(x):
    return x[jnp.arange(12), jnp.argmax(x, axis=1)]


@judge((12, 3))
def softmax_over_positions_and_a_sum(x):
    weights = jax.nn.softmax(x[:, 0])
    return weights @ x[:, 1:]


@judge((12, 3))
def straight_through_one_hot(x):
    soft = jax.nn.softmax(x, axis=1)
    hard = jax.nn.one_hot(jnp.argmax(x, axis=1), 3)
    return soft + lax.stop_gradient(hard - soft)


@judge((12,), dtype="int32")
def game_of_life_on_a_ring(x):
    alive = x > 0
    near = sum(jnp.roll(alive, k).astype(int) for k in (-2, -1, 1, 2))
    return jnp.where(alive, (near == 2) | (near == 3), near == 3)


@judge((12,), dtype="int32")
def rule_110(x):
    bits = x & 1
    number = 4 * jnp.roll(bits, 1) + 2 * bits + jnp.roll(bits, -1)
    return jnp.array([0, 1, 1, 1, 0, 1, 1, 0])[number]


@judge((12, 2), (3, 2, 2))
def fixed_point_of_a_layer(x, kernel):
    step = lambda z: jnp.tanh(0.1 * circular(z, kernel) + x)
    return lax.while_loop(lambda s: s[1] < 5, lambda s: (step(s[0]), s[1] + 1), (x, 0))[0]


@judge((16, 2))
def total_mass_and_centre(x):
    mass = x.sum()
    return (jnp.arange(16)[:, None] * x).sum() / mass  # culprit


@judge((16, 2))
def centred_on_the_circle(x):
    angle = 2 * jnp.pi * jnp.arange(16) / 16
    return jnp.abs((x[:, 0] * jnp.exp(1j * angle)).sum())


@judge((16,))
def power_of_each_harmonic(x):
    angle = 2 * jnp.pi * jnp.outer(jnp.arange(3), jnp.arange(16)) / 16
    return (jnp.cos(angle) @ x) ** 2 + (jnp.sin(angle) @ x) ** 2


@judge((16,))
def analytic_signal_by_hand(x):
    gain = jnp.where(jnp.arange(16) < 8, 2.0, 0.0).at[0].set(1.0)
    return jnp.abs(jnp.fft.ifft(jnp.fft.fft(x) * gain))


@judge((16,), (9,))
def whitened_spectrum(x, gain):
    modes = jnp.fft.rfft(x)
    return jnp.fft.irfft(gain * modes / (jnp.abs(modes) + 1e-3), n=16)


@judge((16,))
def power_spectrum_in_octaves(x):
    power = jnp.abs(jnp.fft.rfft(x)) ** 2
    return jnp.stack([power[1], power[2:4].sum(), power[4:8].sum()])


@judge((16,))
def phase_correlation_with_the_mirror_of_itself(x):
    modes = jnp.fft.fft(x)
    return jnp.fft.ifft(modes * jnp.conj(modes) / (jnp.abs(modes) ** 2 + 1)).real


@judge((16,))
def derivative_with_the_nyquist_mode_dropped(x):
    k = 2j * jnp.pi * jnp.fft.rfftfreq(16)
    return jnp.fft.irfft((k * jnp.fft.rfft(x)).at[8].set(0), n=16)


@judge((16,))
def exponential_integrator(x):
    k = jnp.fft.rfftfreq(16) * 2 * jnp.pi
    decay = jnp.exp(-(k**2))
    nonlinear = lambda v: jnp.fft.rfft(jnp.fft.irfft(v, n=16) ** 2) * 1j * k
    modes = lax.fori_loop(0, 3, lambda _, v: decay * (v - 0.1 * nonlinear(v)), jnp.fft.rfft(x))
    return jnp.fft.irfft(modes, n=16)


@judge((12, 8))
def shallow_water_step(x):
    height, velocity = x[:, :4], x[:, 4:]
    centre = lambda v: (jnp.roll(v, -1, 0) - jnp.roll(v, 1, 0)) / 2
    across = lambda v: (jnp.roll(v, -1, 1) - jnp.roll(v, 1, 1)) / 2
    return jnp.concatenate([height - centre(height * velocity), velocity - across(height)], axis=1)


@judge((12, 3))
def rows_normalised_by_the_largest_row(x):
    norms = jnp.linalg.norm(x, axis=1)
    return x / norms[jnp.argmax(norms)]


@judge((12, 2))
def mean_of_the_top_half(x):
    order = jnp.argsort(x, axis=0)
    return jnp.take_along_axis(x, order[6:], axis=0).mean(0)


@judge((12, 2))
def median_by_a_partition(x):
    return jnp.sort(x, axis=0)[jnp.array([5, 6])].mean(0)


@judge((12,))
def toeplitz_covariance(x):
    lags = jnp.stack([(x * jnp.roll(x, k)).mean() for k in range(4)])
    return jnp.linalg.solve(lags[jnp.abs(jnp.arange(3)[:, None] - jnp.arange(3))] + jnp.eye(3), lags[1:])
