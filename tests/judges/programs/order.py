"""Order statistics over positions and over channels: sorting, quantiles, histograms, places of the largest."""

import jax
import jax.numpy as jnp
from jax import lax

from judges.judge import judge


@judge((12, 3))
def top_k_values_of_all_positions(x):
    return lax.top_k(x.T, 4)[0]


@judge((12, 3))
def mean_of_the_largest_four(x):
    return -jnp.sort(-x, axis=0)[:4].mean(0)


@judge((12, 3))
def second_largest(x):
    return jnp.sort(x, axis=0)[-2]


@judge((12, 4, 3))
def centred_at_the_median(x):
    return x - jnp.median(x, axis=(0, 1), keepdims=True)


@judge((12, 3))
def scaled_between_percentiles(x):
    low, high = jnp.percentile(x, jnp.array([10.0, 90.0]), axis=0)
    return (x - low) / (high - low + 1)


@judge((12, 3), ())
def quantile_at_a_parameter(x, q):
    return jnp.quantile(x, jax.nn.sigmoid(q), axis=0)


@judge((12, 3))
def quantile_by_the_lower_value(x):
    return jnp.quantile(x, 0.3, axis=0, method="lower")


@judge((12, 3))
def median_absolute_deviation(x):
    deviation = jnp.abs(x - jnp.median(x, axis=0))
    return jnp.median(deviation, axis=0)


@judge((12, 3))
def trimmed_mean(x):
    return jnp.sort(x, axis=0)[2:-2].mean(0)


@judge((12,))
def histogram_by_one_hot(x):
    bins = jnp.clip(jnp.floor(x * 2) + 4, 0, 7).astype(int)
    return jax.nn.one_hot(bins, 8).sum(0)


@judge((12,), (8,))
def soft_histogram(x, centres):
    return jnp.exp(-((x[:, None] - centres) ** 2)).sum(0)


@judge((12,))
def histogram_of_numpy(x):
    return jnp.histogram(x, bins=5, range=(-2.0, 2.0))[0]


@judge((12,), dtype="int32")
def counts_of_whole_numbers(x):
    return jnp.bincount(jnp.clip(x, 0, 5), length=6)


@judge((12, 3), (3,), single=True)
def histogram_equalisation(x, weights):
    y = x @ weights
    return (y[:, None] >= y[None, :]).mean(1)


@judge((12, 3))
def value_at_its_own_argmax(x):
    place = jnp.argmax(x[:, 0])
    return x[place, 0]


@judge((12, 3))
def value_at_the_argmax_of_another(x):
    place = jnp.argmax(x[:, 0])
    return x[place, 1]  # culprit


@judge((12, 3))
def values_at_their_argmax_by_take_along_axis(x):
    places = jnp.argmax(jnp.abs(x), axis=0, keepdims=True)
    return jnp.abs(jnp.take_along_axis(x, places, axis=0))


@judge((12, 3))
def place_of_the_largest(x):
    return jnp.argmax(x, axis=0)  # culprit


@judge((12, 3))
def largest_as_one_hot(x):
    return (x == x.max(0)).astype(x.dtype)


@judge((12, 3))
def largest_by_one_hot_of_the_argmax(x):
    return jax.nn.one_hot(jnp.argmax(x, axis=0), 12, axis=0)  # culprit


@judge((12, 3))
def payload_of_a_sort(x):
    return lax.sort((x[:, 0], x[:, 1]), dimension=0, num_keys=1)[1]  # culprit


@judge((12, 3))
def keys_of_a_sort_with_a_payload(x):
    return lax.sort((x[:, 0], x[:, 1]), dimension=0, num_keys=1)[0]


@judge((12, 3))
def two_keys_of_a_sort(x):
    return lax.sort((x[:, 0], x[:, 1]), dimension=0, num_keys=2)


@judge((12,))
def sorted_by_its_own_argsort(x):
    return x[jnp.argsort(x)]


@judge((12, 3))
def rows_sorted_by_a_norm(x):
    order = jnp.argsort((x * x).sum(1))
    return x[order]  # culprit


@judge((12,))
def ranks_by_two_argsorts(x):
    return jnp.argsort(jnp.argsort(x))  # culprit


@judge((12, 3))
def kept_if_among_the_largest(x):
    threshold = lax.top_k(x.T, 5)[0][:, -1]
    return jnp.where(x >= threshold, x, 0.0)


@judge((12, 3))
def places_of_top_k(x):
    return lax.top_k(x.T, 2)[1]  # culprit


@judge((12, 6))
def top_k_over_channels(x):
    values, channels = lax.top_k(x, 2)
    return values * channels


@judge((12, 6), (6,))
def sorted_channels_times_weights(x, weights):
    return jnp.sort(x, axis=1) @ weights


@judge((12, 6))
def median_of_channels(x):
    return jnp.quantile(x, 0.5, axis=-1)


@judge((12, 6))
def channel_of_the_largest(x):
    return jax.nn.one_hot(jnp.argmax(x, axis=1), 6) @ jnp.arange(6.0)


@judge((12, 6), (4,))
def digitised_by_parameters(x, bins):
    return jnp.digitize(x, jnp.sort(bins))


@judge((12,), (6,))
def nearest_of_a_code_book(x, codes):
    return codes[jnp.argmin(jnp.abs(x[:, None] - codes), axis=1)]


@judge((12,))
def place_in_the_sorted_signal(x):
    return jnp.searchsorted(jnp.sort(x), x)


@judge((12, 3))
def running_maximum(x):
    return lax.cummax(x, axis=0)  # culprit


@judge((12, 3))
def running_maximum_of_channels(x):
    return lax.cummax(x, axis=1)


@judge((12,), dtype="int32")
def unique_values_of_a_size(x):
    return jnp.unique(jnp.abs(x), size=8, fill_value=-1)


@judge((12, 3))
def range_and_extremes(x):
    return jnp.ptp(x, axis=0), jnp.nanmax(x, axis=0), jnp.nanmedian(x, axis=0)


@judge((16, 2))
def sorted_in_blocks(x):
    return jnp.sort(x.reshape(4, 4, 2), axis=1).reshape(16, 2)


@judge((12, 3))
def partitioned(x):
    return jnp.partition(x, 5, axis=0)[:6].sum(0)


@judge((12, 3))
def winsorised_moments(x):
    low, high = jnp.quantile(x, 0.25, axis=0), jnp.quantile(x, 0.75, axis=0)
    y = jnp.clip(x, low, high)
    return (y**3).mean(0) / (y.std(0) + 1) ** 3


@judge((12,))
def distances_to_the_first(x):
    return jnp.sort(x - x[0])  # culprit


@judge((10, 3))
def two_nearest_neighbours(x):
    distance = ((x[:, None] - x[None, :]) ** 2).sum(-1)
    return -lax.top_k(-distance, 3)[0]


@judge((10, 3))
def features_of_the_nearest_neighbour(x):
    distance = ((x[:, None] - x[None, :]) ** 2).sum(-1) + 1e6 * jnp.eye(10)
    return x - x[jnp.argmin(distance, axis=1)]  # culprit


@judge((12,))
def cell_at_its_own_argmin(x):
    return x[jnp.argmin(x)]


@judge((12, 3))
def cells_at_their_own_argmin(x):
    return jnp.take_along_axis(x, jnp.argmin(x, axis=0)[None], axis=0)[0]


@judge((12, 3))
def position_of_the_largest_in_each_channel(x):
    return x[jnp.argmax(x, axis=0), jnp.arange(3)]


@judge((12, 3))
def cells_after_their_own_argmax(x):
    return jnp.take_along_axis(x, (jnp.argmax(x, axis=0)[None] + 1) % 12, axis=0)  # culprit


@judge((12, 3))
def cells_at_the_argmax_of_the_next_channel(x):
    return jnp.take_along_axis(x, jnp.roll(jnp.argmax(x, axis=0), 1)[None], axis=0)  # culprit


@judge((12, 3))
def sorted_along_positions_by_argsort(x):
    return jnp.take_along_axis(x, jnp.argsort(x, axis=0), axis=0)


@judge((12,))
def sorted_in_descending_order_by_argsort(x):
    return x[jnp.argsort(-x)]


@judge((12,))
def largest_three_by_argsort(x):
    return x[jnp.argsort(x)[-3:]]


@judge((12, 3))
def cells_at_the_places_of_top_k(x):
    values = x[:, 0]
    return values[lax.top_k(values, 4)[1]]


@judge((12, 3))
def another_channel_at_the_places_of_top_k(x):
    return x[:, 1][lax.top_k(x[:, 0], 4)[1]]  # culprit


@judge((12, 3))
def sorted_by_the_argsort_of_sizes(x):
    return jnp.take_along_axis(x, jnp.argsort(jnp.abs(x), axis=0), axis=0)  # culprit


@judge((12, 3))
def channel_at_the_argmax_of_channels(x):
    return jnp.take_along_axis(x, jnp.argmax(x, axis=1, keepdims=True), axis=1)[:, 0]
