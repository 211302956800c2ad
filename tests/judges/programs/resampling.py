"""Resizing by each method, and sampling at constant grids."""

import jax
import jax.numpy as jnp
from jax.image import ResizeMethod, scale_and_translate
from jax.scipy.ndimage import map_coordinates

from judges.judge import judge
from judges.operations import circular, wrap


def resized(x, length, method, antialias=True):
    """A signal [n, c] at another length."""
    return jax.image.resize(x, (length, *x.shape[1:]), method, antialias=antialias)


@judge((12, 4, 2))
def nearest_by_three_halves(x):
    return jax.image.resize(x, (18, 4, 2), "nearest")


@judge((12, 2))
def nearest_by_two_thirds(x):
    return resized(x, 8, "nearest")


@judge((16, 2))
def linear_twice_as_long(x):
    return resized(x, 32, "linear")  # culprit: cyclic


@judge((12, 2))
def linear_three_times_as_long(x):
    return resized(x, 36, "linear")  # culprit: cyclic


@judge((16, 2))
def linear_to_three_halves(x):
    return resized(x, 24, "bilinear")  # culprit: cyclic


@judge((16, 2))
def linear_to_half(x):
    return resized(x, 8, "linear")  # culprit: cyclic


@judge((16, 2))
def linear_to_half_without_antialias(x):
    return resized(x, 8, "linear", antialias=False)


@judge((24, 2))
def linear_to_two_thirds(x):
    return resized(x, 16, "linear")  # culprit: cyclic


@judge((12, 6, 2))
def bilinear_image(x):
    return jax.image.resize(x, (24, 12, 2), ResizeMethod.LINEAR)  # culprit: cyclic


@judge((16, 2))
def cubic_twice_as_long(x):
    return resized(x, 32, "cubic")  # culprit: cyclic


@judge((32, 2))
def cubic_to_a_quarter(x):
    return resized(x, 8, "bicubic")  # culprit: cyclic


@judge((16, 2))
def lanczos3_twice_as_long(x):
    return resized(x, 32, ResizeMethod.LANCZOS3)  # culprit: cyclic


@judge((16, 2))
def lanczos5_twice_as_long(x):
    return resized(x, 32, "lanczos5")  # culprit: cyclic


@judge((16, 2))
def linear_around_the_circle(x):
    return resized(wrap(x, 1, 1), 36, "linear")[2:34]


@judge((16, 2))
def cubic_around_the_circle(x):
    return resized(wrap(x, 2, 2), 40, "cubic")[4:36]


@judge((16, 2))
def to_a_length_without_a_common_factor(x):
    return resized(x, 13, "linear")  # culprit


@judge((16, 2))
def translated_by_half_a_cell(x):
    scale, translation = jnp.ones(1), jnp.array([0.5])
    return scale_and_translate(x, (16, 2), (0,), scale, translation, "linear")  # culprit: cyclic


@judge((16, 2), (1,))
def translated_by_a_parameter(x, translation):
    return scale_and_translate(x, (16, 2), (0,), jnp.ones(1), 8 * translation, "linear")  # culprit


@judge((16,))
def map_coordinates_at_half_cells_wrapped(x):
    return map_coordinates(x, [jnp.arange(32) / 2], order=1, mode="wrap")


@judge((16,))
def map_coordinates_at_half_cells_constant(x):
    return map_coordinates(x, [jnp.arange(32) / 2], order=1, mode="constant")  # culprit: cyclic


@judge((12,))
def map_coordinates_nearest_order_zero(x):
    return map_coordinates(x, [jnp.arange(24) / 2 + 0.25], order=0, mode="nearest")  # culprit: cyclic


@judge((12, 6))
def map_coordinates_of_an_image(x):
    rows, columns = jnp.meshgrid(jnp.arange(12) + 0.25, jnp.arange(6) + 0.5, indexing="ij")
    return map_coordinates(x, [rows, columns], order=1, mode="wrap")


@judge((12, 6))
def sheared_image(x):
    rows, columns = jnp.meshgrid(jnp.arange(12), jnp.arange(6), indexing="ij")
    return map_coordinates(x, [rows + columns, columns], order=1, mode="wrap")


@judge((12, 6))
def rotated_image(x):
    rows, columns = jnp.meshgrid(jnp.arange(12) - 5.5, jnp.arange(6) - 2.5, indexing="ij")
    grid = [rows * 0.8 - columns * 0.6 + 5.5, rows * 0.6 + columns * 0.8 + 2.5]
    return map_coordinates(x, grid, order=1, mode="constant")  # culprit


@judge((16,))
def interp_at_half_cells(x):
    return jnp.interp(jnp.arange(31) / 2, jnp.arange(16.0), x)


@judge((16,))
def interp_with_a_period(x):
    return jnp.interp(jnp.arange(16) + 0.5, jnp.arange(16.0), x, period=16)


@judge((16,))
def interp_at_uneven_places(x):
    return jnp.interp(jnp.arange(16.0) ** 2 / 16, jnp.arange(16.0), x)  # culprit


@judge((12, 4, 2))
def upsampled_by_kron(x):
    return jnp.kron(x, jnp.ones((2, 2, 1)))


@judge((12, 2), ())
def fractional_roll(x, part):
    return (1 - part) * jnp.roll(x, 2, axis=0) + part * jnp.roll(x, 3, axis=0)


@judge((12, 2))
def linear_by_hand(x):
    middle = (x + jnp.roll(x, -1, axis=0)) / 2
    return jnp.stack([x, middle], axis=1).reshape(24, 2)


@judge((12, 2))
def linear_by_hand_with_a_clamped_end(x):
    following = jnp.concatenate([x[1:], x[-1:]])  # culprit: cyclic
    return jnp.stack([x, (x + following) / 2], axis=1).reshape(24, 2)


@judge((16, 2))
def laplacian_pyramid(x):
    blurred = (jnp.roll(x, 1, axis=0) + 2 * x + jnp.roll(x, -1, axis=0)) / 4
    coarse = blurred[::2]
    return x - jnp.repeat(coarse, 2, axis=0), coarse


@judge((16, 2), (3, 2, 2))
def resize_then_convolve(x, kernel):
    return circular(jnp.repeat(x, 3, axis=0), kernel)[::2]


@judge((12, 2))
def every_third_of_a_doubled_signal(x):
    return jnp.repeat(x, 2, axis=0)[::3]


@judge((12, 2))
def linear_five_times_as_long(x):
    return resized(x, 60, "linear")  # culprit: cyclic


@judge((12, 12, 1))
def bilinear_image_three_times_as_large(x):
    return jax.image.resize(x, (36, 36, 1), "bilinear")  # culprit: cyclic


@judge((18, 2))
def cubic_to_two_thirds(x):
    return resized(x, 12, "cubic")  # culprit: cyclic


@judge((18, 2))
def linear_to_a_third(x):
    return resized(x, 6, "linear")  # culprit: cyclic


@judge((18, 2))
def linear_to_a_third_without_antialias(x):
    return resized(x, 6, "linear", antialias=False)


@judge((12, 2))
def cubic_three_times_as_long(x):
    return resized(x, 36, "cubic")  # culprit: cyclic


@judge((12, 2))
def interpolated_at_thirds_by_hand(x):
    weight = (jnp.arange(36) % 3) / 3.0
    return (
        jnp.repeat(x, 3, axis=0) * (1 - weight[:, None])
        + jnp.repeat(jnp.roll(x, -1, axis=0), 3, axis=0) * weight[:, None]
    )
