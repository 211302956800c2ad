"""Gathers, slices, scatters, segment sums, masks and phases."""

import jax
import jax.numpy as jnp
from jax import lax

from judges.judge import judge
from judges.operations import circular, wrap


@judge((12, 3))
def taken_with_wrapping(x):
    y = jnp.take(x, jnp.arange(-1, 12), axis=0, mode="wrap")
    return y[1:] - y[:-1]


@judge((12, 3))
def taken_with_clipping(x):
    places = jnp.arange(12) - 2
    return jnp.take(x, places, axis=0, mode="clip") + x  # culprit: cyclic


@judge((12, 3))
def taken_with_filling(x):
    places = jnp.arange(12) + 2
    return jnp.take(x, places, axis=0, mode="fill", fill_value=0) - x  # culprit: cyclic


@judge((12, 3))
def rolled_by_twice_the_place(x):
    return x[(2 * jnp.arange(12)) % 12]


@judge((12, 3))
def rolled_by_five_times_the_place(x):
    return x[(5 * jnp.arange(12)) % 12]


@judge((12, 3))
def permuted(x):
    order = jnp.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7, 11, 10])
    return x[order]  # culprit


@judge((12, 3))
def pairs_exchanged(x):
    return x[jnp.arange(12) ^ 1]


@judge((12, 3))
def blocks_reversed(x):
    return x.reshape(4, 3, 3)[:, ::-1].reshape(12, 3)


@judge((12, 3))
def slice_at_a_constant_place(x):
    return lax.dynamic_slice_in_dim(x, 2, 8) * lax.dynamic_slice_in_dim(x, 3, 8)


@judge((12, 3))
def slice_that_is_clamped(x):
    return lax.dynamic_slice_in_dim(x, 6, 8) - lax.dynamic_slice_in_dim(x, 3, 8)


@judge((12, 3))
def slice_at_a_place_of_the_input(x):
    start = (x[0, 0] > 0).astype(int)  # culprit
    return lax.dynamic_slice_in_dim(x, start, 8)


@judge((12, 3))
def rolled_by_a_count(x):
    return jnp.roll(x, (x > 0).sum(), axis=0)


@judge((12, 3))
def centred_on_the_largest(x):
    return jnp.roll(x[:, 0], -jnp.argmax(x[:, 0]))  # culprit


@judge((12, 2))
def overlap_and_add(x):
    frames = jnp.stack([x, 2 * x, 3 * x], axis=1)
    places = jnp.arange(12)[:, None] + jnp.arange(3)
    return jnp.zeros((14, 2), x.dtype).at[places].add(frames)  # culprit: cyclic


@judge((12, 2))
def overlap_and_add_around_the_circle(x):
    frames = jnp.stack([x, 2 * x, 3 * x], axis=1)
    places = (jnp.arange(12)[:, None] + jnp.arange(3)) % 12
    return jnp.zeros((12, 2), x.dtype).at[places].add(frames)


@judge((12, 2))
def segment_sum_of_pairs(x):
    return jax.ops.segment_sum(x, jnp.arange(12) // 2, num_segments=6)


@judge((12, 2))
def segment_maximum_of_two_phases(x):
    return jax.ops.segment_max(x, jnp.arange(12) % 2, num_segments=2)


@judge((12, 2))
def segment_sum_by_the_sign(x):
    return jax.ops.segment_sum(x[:, 1], (x[:, 0] > 0).astype(int), num_segments=2)


@judge((12, 2))
def segment_sum_of_unequal_segments(x):
    segments = jnp.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3])
    return jax.ops.segment_sum(x, segments, num_segments=4)  # culprit


@judge((12, 2), (12, 12))
def graph_convolution_on_a_ring(x, unused):
    senders, receivers = jnp.arange(12), (jnp.arange(12) + 1) % 12
    messages = jnp.tanh(x[senders] - x[receivers])
    return jax.ops.segment_sum(messages, receivers, num_segments=12)


@judge((12, 2))
def graph_convolution_on_a_line(x):
    senders, receivers = jnp.arange(11), jnp.arange(1, 12)
    return jnp.zeros_like(x).at[receivers].add(x[senders] * 2)  # culprit: cyclic


@judge((12, 3), (3,))
def every_second_cell_scaled(x, scale):
    return x.at[::2].multiply(scale)


@judge((12, 3), (3,))
def every_fifth_cell_scaled(x, scale):
    return x.at[::5].multiply(scale)  # culprit: cyclic


@judge((12, 3))
def first_half_squared(x):
    return jnp.where((jnp.arange(12) < 6)[:, None], x * x, x)  # culprit: cyclic


@judge((12, 6))
def masked_by_a_checkerboard(x):
    rows, columns = jnp.indices((12, 6))
    return jnp.where((rows + columns) % 2 == 0, x, jax.nn.relu(x))


@judge((12, 6))
def mosaic_of_three_colours(x):
    colour = (jnp.arange(12)[:, None] + jnp.arange(6)) % 3
    return jax.nn.one_hot(colour, 3) * x[..., None]


@judge((12, 4), (3, 4))
def phases_by_iota(x, scales):
    phase = lax.broadcasted_iota(jnp.int32, (12, 4), 0) % 3
    return x * scales[phase, jnp.arange(4)]


@judge((12, 4))
def coordinates_by_iota(x):
    rows = lax.broadcasted_iota(x.dtype, (12, 4), 0)
    return x * jnp.exp(-rows / 12)  # culprit


@judge((12, 4))
def distance_from_the_centre(x):
    distance = jnp.abs(jnp.arange(12) - 5.5)[:, None]
    return jnp.where(distance < 5, x, 0.0)  # culprit: cyclic


@judge((10, 3))
def band_of_an_outer_product(x):
    outer = x @ x.T
    distance = jnp.abs(jnp.arange(10)[:, None] - jnp.arange(10))
    return jnp.where(distance <= 1, outer, 0.0)  # culprit: cyclic


@judge((10, 3))
def lower_triangle_of_an_outer_product(x):
    return jnp.tril(x @ x.T)  # culprit: cyclic


@judge((10, 3))
def diagonal_of_an_outer_product(x):
    return jnp.diagonal(x @ x.T) + jnp.diag(x @ x.T, k=1).sum() * 0


@judge((10, 3))
def trace_of_an_outer_product(x):
    return jnp.trace(x @ jnp.roll(x, 1, axis=0).T)


@judge((12, 3))
def channels_chosen_by_the_cell(x):
    channel = jnp.argmax(x, axis=1, keepdims=True)
    return jnp.take_along_axis(jnp.roll(x, 1, axis=0), channel, axis=1)


@judge((12, 3), (7, 3))
def looked_up_by_whole_numbers(x, table):
    return table[jnp.clip(jnp.floor(x[:, 0]) + 3, 0, 6).astype(int)]


@judge((12, 3))
def joined_with_the_mirror_image(x):
    return jnp.concatenate([x, x[::-1]])  # culprit: cyclic


@judge((12, 3))
def mean_with_the_mirror_image(x):
    return (x + x[::-1]) / 2  # culprit: interior


@judge((12, 8))
def summed_with_the_transpose(x):
    return x[:8] + x[:8].T  # culprit


@judge((12, 3))
def interleaved_with_the_rolled(x):
    return jnp.stack([x, jnp.roll(x, 5, axis=0)], axis=1).reshape(24, 3)


@judge((12, 3))
def blocked_matrix(x):
    return jnp.block([[x, 2 * x], [jnp.roll(x, 6, axis=0), x]])  # culprit: cyclic


@judge((12, 3))
def applied_along_an_axis(x):
    return jnp.apply_along_axis(lambda column: column - jnp.roll(column, 1), 0, x)


@judge((12, 3))
def piecewise(x):
    return jnp.piecewise(x, [x < -1, x > 1], [lambda v: -v, jnp.square, jnp.sin])


@judge((12, 3))
def selected(x):
    return jnp.select([x < -0.5, x > 0.5], [x - 1, jnp.roll(x, 1, axis=0)], default=0.0)


@judge((16, 2))
def frames_with_a_hop(x):
    places = 2 * jnp.arange(7)[:, None] + jnp.arange(4)
    return x[places] @ jnp.ones(2)


@judge((16, 2))
def frames_with_a_hop_around_the_circle(x):
    places = (4 * jnp.arange(4)[:, None] + jnp.arange(6)) % 16
    return x[places].max(1)


@judge((12, 2), (3, 2, 2))
def border_set_to_zero(x, kernel):
    return circular(x, kernel).at[0].set(0.0).at[-1].set(0.0)  # culprit: cyclic


@judge((12, 2))
def one_cell_marked(x):
    return x.at[4].add(1.0)  # culprit: cyclic


@judge((12, 2))
def flattened_and_differenced(x):
    return jnp.diff(x.reshape(24), append=0.0)  # culprit: cyclic


@judge((12, 2))
def flattened_and_rolled(x):
    return jnp.roll(x.reshape(24), 3).reshape(12, 2)


@judge((12, 2))
def flattened_in_the_wrong_order(x):
    return jnp.roll(x.T.reshape(24), 3).reshape(2, 12).T  # culprit: cyclic


@judge((12, 2))
def reshaped_to_rows_of_five(x):
    return wrap(x, 0, 3).reshape(3, 5, 2).max(1)  # culprit: cyclic


@judge((12, 2))
def split_and_swapped(x):
    left, right = jnp.split(x, 2)
    return jnp.concatenate([right, left]) - x


@judge((12, 2))
def split_and_swapped_in_thirds(x):
    a, b, c = jnp.array_split(x, 3)
    return jnp.concatenate([b, a, c])
