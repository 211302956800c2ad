"""Filters of signal and image processing, morphology, and finite differences."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import signal

from judges.judge import judge
from judges.operations import wrap


def window(x, reach, operation, start):
    """The windowed reduction of an image [h, w] with windows of 2 * reach + 1 cells, around the circles."""
    size = 2 * reach + 1
    return lax.reduce_window(jnp.pad(x, reach, mode="wrap"), start, operation, (size, size), (1, 1), "VALID")


def dilate(x):
    """Grey dilation by a square of 3 cells."""
    return window(x, 1, lax.max, -jnp.inf)


def erode(x):
    """Grey erosion by a square of 3 cells."""
    return window(x, 1, lax.min, jnp.inf)


@judge((12, 6))
def morphological_gradient(x):
    return dilate(x) - erode(x)


@judge((12, 6))
def top_hat(x):
    return x - dilate(erode(x))


@judge((12, 6))
def closing_without_wrapping(x):
    largest = lax.reduce_window(x, -jnp.inf, lax.max, (3, 3), (1, 1), "SAME")  # culprit: cyclic
    return lax.reduce_window(largest, jnp.inf, lax.min, (3, 3), (1, 1), "SAME")


@judge((14,), (3,))
def dilation_by_a_structuring_function(x, heights):
    return jnp.stack([x[u : 12 + u] + heights[u] for u in range(3)]).max(0)


@judge((12, 6))
def distance_transform(x):
    distance = jnp.where(x > 1, 0.0, 99.0)
    for _ in range(4):
        near = jnp.minimum(jnp.roll(distance, 1, axis=0), jnp.roll(distance, -1, axis=0))
        distance = jnp.minimum(distance, near + 1)
    return distance


@judge((12, 6))
def geodesic_reconstruction(x):
    return lax.fori_loop(0, 3, lambda _, seed: jnp.minimum(dilate(seed), x), x - 0.5)


@judge((12, 6))
def connected_components(x):
    labels = jnp.arange(72).reshape(12, 6)
    return jnp.where(x > 0, labels, -1)  # culprit


@judge((12, 6))
def local_maxima(x):
    return jnp.where(x >= dilate(x), x, 0.0)


@judge((12, 6))
def canny_edges(x):
    gx = jnp.roll(x, -1, axis=0) - jnp.roll(x, 1, axis=0)
    gy = jnp.roll(x, -1, axis=1) - jnp.roll(x, 1, axis=1)
    size = jnp.hypot(gx, gy)
    along = jnp.where(jnp.abs(gx) > jnp.abs(gy), jnp.roll(size, 1, axis=0), jnp.roll(size, 1, axis=1))
    return (size > along) & (size > 0.5)


@judge((12, 6))
def sobel_with_zero_padding(x):
    kernel = jnp.outer(jnp.array([1.0, 0.0, -1.0]), jnp.array([1.0, 2.0, 1.0]))
    return signal.convolve2d(x, kernel, mode="same")  # culprit: cyclic


@judge((12, 6))
def local_binary_patterns(x):
    shifts = [(0, 1), (1, 1), (1, 0), (1, -1)]
    bits = [(jnp.roll(x, s, axis=(0, 1)) > x).astype(jnp.int32) << i for i, s in enumerate(shifts)]
    return sum(bits)


@judge((12, 6))
def histogram_of_binary_patterns(x):
    codes = (jnp.roll(x, 1, axis=0) > x) + 2 * (jnp.roll(x, 1, axis=1) > x).astype(jnp.int32)
    return jnp.bincount(codes.reshape(-1), length=4)


@judge((12, 6))
def harris_corners(x):
    gx, gy = jnp.roll(x, -1, axis=0) - x, jnp.roll(x, -1, axis=1) - x
    xx, yy, xy = (window(v, 1, lax.add, 0.0) for v in (gx * gx, gy * gy, gx * gy))
    return xx * yy - xy**2 - 0.05 * (xx + yy) ** 2


@judge((12, 6))
def guided_filter(x):
    mean = lambda v: window(v, 1, lax.add, 0.0) / 9
    a = (mean(x * x) - mean(x) ** 2) / (mean(x * x) - mean(x) ** 2 + 0.1)
    return mean(a) * x + mean(mean(x) - a * mean(x))


@judge((12, 6), ())
def bilateral_filter(x, width):
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    moved = jnp.stack([jnp.roll(x, s, axis=(0, 1)) for s in shifts])
    weights = jnp.exp(-(((moved - x) * width) ** 2))
    return (weights * moved).sum(0) / weights.sum(0)


@judge((12, 6))
def non_local_means(x):
    patches = jnp.stack([jnp.roll(x, (i, j), axis=(0, 1)) for i in (0, 1) for j in (0, 1)], axis=-1).reshape(72, 4)
    distance = ((patches[:, None] - patches[None]) ** 2).sum(-1)
    return (jax.nn.softmax(-distance, axis=1) @ x.reshape(72)).reshape(12, 6)


@judge((12, 6))
def perona_malik(x):
    for _ in range(2):
        flux = [jnp.roll(x, s, axis=a) - x for s, a in ((1, 0), (-1, 0), (1, 1), (-1, 1))]
        x = x + 0.1 * sum(f * jnp.exp(-(f**2)) for f in flux)
    return x


@judge((12, 6))
def perona_malik_with_insulated_ends(x):
    flux = jnp.diff(x, axis=0)
    flux = jnp.pad(flux * jnp.exp(-(flux**2)), ((1, 1), (0, 0)))  # culprit: cyclic
    return x + 0.1 * jnp.diff(flux, axis=0)


@judge((16, 2))
def first_difference(x):
    return jnp.diff(x, axis=0)


@judge((16, 2))
def second_difference_with_wrapping(x):
    return jnp.diff(x, n=2, axis=0, prepend=x[-1:], append=x[:1])


@judge((16, 2))
def central_differences_of_numpy(x):
    return jnp.gradient(x, axis=0)  # culprit: cyclic


@judge((16, 2))
def differences_appended_with_zero(x):
    return jnp.diff(x, axis=0, append=0.0)  # culprit: cyclic


@judge((16,))
def detrended(x):
    return signal.detrend(x)  # culprit


@judge((16,))
def detrended_by_the_mean(x):
    return signal.detrend(x, type="constant")


@judge((16, 2))
def trend_removed_by_numpy(x):
    time = jnp.arange(16) - 7.5
    slope = time @ x / (time @ time)  # culprit
    return x - time[:, None] * slope


@judge((16, 2))
def savitzky_golay(x):
    kernel = jnp.array([-3.0, 12.0, 17.0, 12.0, -3.0]) / 35
    return jax.vmap(lambda v: jnp.convolve(v, kernel, mode="valid"), in_axes=1, out_axes=1)(x)


@judge((16,))
def energy_operator(x):
    return x[1:-1] ** 2 - x[2:] * x[:-2]


@judge((16, 2))
def zero_crossings(x):
    return jnp.sign(x) != jnp.sign(jnp.roll(x, 1, axis=0))


@judge((16, 2))
def number_of_zero_crossings(x):
    return (jnp.sign(x) != jnp.sign(jnp.roll(x, 1, axis=0))).sum(0)


@judge((16, 2))
def number_of_zero_crossings_of_an_open_signal(x):
    return (jnp.sign(x[1:]) != jnp.sign(x[:-1])).sum(0)  # culprit


@judge((16, 2))
def upwind_advection(x):
    speed = jnp.sin(x)
    left, right = x - jnp.roll(x, 1, axis=0), jnp.roll(x, -1, axis=0) - x
    return x - 0.1 * jnp.where(speed > 0, speed * left, speed * right)


@judge((16, 2))
def limited_slopes(x):
    left, right = x - jnp.roll(x, 1, axis=0), jnp.roll(x, -1, axis=0) - x
    slope = jnp.where(left * right > 0, jnp.sign(left) * jnp.minimum(jnp.abs(left), jnp.abs(right)), 0.0)
    flux = x + slope / 2
    return flux - jnp.roll(flux, 1, axis=0)


@judge((16, 2))
def semi_lagrangian_advection(x):
    places = jnp.arange(16) - 0.5 * jnp.tanh(x[:, 1])
    return jnp.interp(places, jnp.arange(16.0), x[:, 0], period=16)


@judge((12, 6))
def pressure_projection(x):
    divergence = jnp.roll(x, -1, axis=0) - x
    pressure = jnp.zeros_like(x)
    for _ in range(3):
        pressure = (jnp.roll(pressure, 1, axis=0) + jnp.roll(pressure, -1, axis=0) - divergence) / 2
    return x - (pressure - jnp.roll(pressure, 1, axis=0))


@judge((16,), (4,))
def infinite_impulse_response(x, poles):
    def step(state, v):
        y = v + jnp.tanh(poles) @ state / 8
        return jnp.concatenate([y[None], state[:-1]]), y

    return lax.scan(step, jnp.zeros(4, x.dtype), x)[1]  # culprit


@judge((32,))
def interpolated_then_decimated(x):
    padded = wrap(x, 2, 2)
    smooth = signal.convolve(padded, jnp.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16, mode="valid")
    return smooth[::4]


@judge((8, 6, 6))
def curvature_of_a_volume(x):
    slopes = [(jnp.roll(x, -1, axis=a) - jnp.roll(x, 1, axis=a)) / 2 for a in range(3)]
    size = jnp.sqrt(sum(s**2 for s in slopes) + 0.1)
    return sum(s / size - jnp.roll(s / size, 1, axis=a) for a, s in enumerate(slopes))


@judge((12, 6))
def hopfield_update(x):
    return jnp.sign(jnp.roll(x, 1, axis=0) + jnp.roll(x, -1, axis=0) - 0.3 * x.mean())


@judge((12,), dtype="int32")
def elementary_automaton(x):
    cells = x % 2
    neighbourhood = 4 * jnp.roll(cells, 1) + 2 * cells + jnp.roll(cells, -1)
    return (30 >> neighbourhood) & 1


@judge((12,), dtype="int32")
def run_lengths_by_a_scan(x):
    step = lambda run, same: (jnp.where(same, run + 1, 0),) * 2
    return lax.scan(step, 0, (x < 6) == (jnp.roll(x, 1) < 6))[1]  # culprit
