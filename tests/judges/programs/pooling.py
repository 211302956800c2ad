"""Pooling and padding of each kind."""

import jax
import jax.numpy as jnp
from jax import lax

from judges.judge import judge
from judges.operations import conv, conv_image, wrap


def pool(x, taps, stride, padding="VALID", dilation=1):
    """Max pooling of a signal [n, c]."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (taps, 1), (stride, 1), padding, window_dilation=(dilation, 1))


def box(x, taps, stride=1, padding="VALID"):
    """The sum over windows of a signal [n, c]."""
    return lax.reduce_window(x, 0.0, lax.add, (taps, 1), (stride, 1), padding)


@judge((16, 2))
def max_pool_wrapped_overlapping(x):
    return pool(wrap(x, 1, 1), 3, 2)[:8]


@judge((16, 2))
def max_pool_wrapped_too_wide(x):
    return pool(wrap(x, 1, 2), 3, 1)  # culprit: cyclic


@judge((15, 2))
def max_pool_in_ceil_mode(x):
    return pool(jnp.pad(x, ((0, 1), (0, 0)), constant_values=-jnp.inf), 2, 2)  # culprit: cyclic


@judge((16, 2))
def average_of_valid_cells(x):
    return box(x, 3, padding="SAME") / box(jnp.ones_like(x), 3, padding="SAME")  # culprit: cyclic


@judge((18, 2))
def strided_average_of_valid_cells(x):
    return box(x, 3, 2, "SAME") / box(jnp.ones_like(x), 3, 2, "SAME")  # culprit: cyclic


@judge((16, 6, 2))
def average_of_valid_cells_in_two_dimensions(x):
    window = lambda a: lax.reduce_window(a, 0.0, lax.add, (5, 3, 1), (1, 1, 1), "SAME")
    return window(x) / window(jnp.ones(x.shape))  # culprit: cyclic


@judge((16, 2))
def power_average_pool(x):
    return (box(wrap(jnp.abs(x) ** 3, 0, 2), 3) / 3) ** (1 / 3)


@judge((16, 2), ())
def softmax_weighted_pool(x, beta):
    weights = jnp.exp(beta * jnp.tanh(x))
    return box(x * weights, 2, 2) / box(weights, 2, 2)


@judge((16, 2), ())
def mixture_of_max_and_average(x, mix):
    gate = jax.nn.sigmoid(mix)
    return gate * pool(x, 4, 4) + (1 - gate) * box(x, 4, 4) / 4


@judge((16, 2))
def unpooling_by_the_argmax(x):
    top = pool(x, 2, 2)
    return jnp.where(x == jnp.repeat(top, 2, axis=0), x, 0.0)


@judge((16, 2))
def blur_before_the_stride(x):
    binomial = jnp.array([1.0, 2.0, 1.0]) / 4
    kernel = jnp.broadcast_to(binomial[:, None, None], (3, 1, 2))
    return conv(wrap(x, 1, 1), kernel, stride=2, feature_group_count=2)


@judge((24, 2))
def pyramid_of_bins(x):
    halves = x.reshape(2, 12, 2).max(1)
    quarters = x.reshape(4, 6, 2).mean(1)
    return jnp.repeat(halves, 12, axis=0) + jnp.repeat(quarters, 6, axis=0)


@judge((16, 2))
def box_with_edge_padding(x):
    return box(jnp.pad(x, ((2, 2), (0, 0)), mode="edge"), 5)  # culprit: cyclic


@judge((16, 2))
def box_with_symmetric_padding(x):
    padded = jnp.pad(x, ((1, 1), (0, 0)), mode="symmetric")  # culprit: cyclic
    return box(padded, 3) * jnp.cos(x)


@judge((16, 2))
def box_with_mean_padding(x):
    padded = jnp.pad(x, ((1, 1), (0, 0)), mode="mean")  # culprit: cyclic
    return box(padded, 3)


@judge((16, 2))
def maximum_with_ramp_padding(x):
    padded = jnp.pad(x, ((2, 2), (0, 0)), mode="linear_ramp")  # culprit: cyclic
    return pool(padded, 5, 1)


@judge((16, 2))
def minimum_with_maximum_padding(x):
    padded = jnp.pad(x, ((1, 1), (0, 0)), mode="maximum")  # culprit: cyclic
    return -pool(-padded, 3, 1)


@judge((16, 2))
def reflected_odd(x):
    padded = jnp.pad(x, ((2, 2), (0, 0)), mode="reflect", reflect_type="odd")  # culprit: cyclic
    return box(padded, 5)


@judge((16, 6, 2))
def wrapped_along_the_wrong_axis(x):
    padded = jnp.pad(x, ((1, 1), (0, 0), (0, 0)))  # culprit: cyclic
    return lax.reduce_window(padded, -jnp.inf, lax.max, (3, 1, 1), (1, 1, 1), "VALID")


@judge((16, 2))
def dilated_max_pool(x):
    return pool(wrap(x, 3, 3), 3, 1, dilation=3)


@judge((16, 2))
def log_sum_exp_as_a_monoid(x):
    return lax.reduce_window(wrap(x, 0, 2), -jnp.inf, jnp.logaddexp, (3, 1), (1, 1), "VALID")


@judge((16, 2))
def product_as_a_monoid(x):
    return lax.reduce_window(wrap(x, 1, 0), 1.0, lax.mul, (2, 1), (1, 1), "VALID")


@judge((16, 2), (3, 2, 2), values=False)
def partial_convolution_at_the_border(x, kernel):
    seen = conv(jnp.ones((16, 1)), jnp.ones((3, 1, 1)), "SAME")
    return conv(x, kernel, "SAME") * 3 / seen  # culprit: cyclic


@judge((12, 6, 2), (12, 6, 1), (3, 3, 2, 2))
def partial_convolution_of_a_masked_image(x, mask, kernel):
    kept = x * mask  # culprit
    return conv_image(kept, kernel, "SAME")


@judge((16, 2))
def median_filter(x):
    return jnp.median(jnp.stack([jnp.roll(x, i, axis=0) for i in range(-2, 3)]), axis=0)


@judge((16, 6, 2))
def median_filter_of_patches(x):
    layout = ("NHWC", "HWIO", "NHWC")
    patches = lax.conv_general_dilated_patches(x[None], (3, 3), (1, 1), "VALID", dimension_numbers=layout)
    return jnp.median(patches[0].reshape(14, 4, 2, 9), axis=-1)


@judge((16, 2))
def bins_of_the_wrong_length(x):
    return jnp.stack([x[:6].mean(0), x[6:11].mean(0), x[11:].mean(0)])  # culprit


@judge((16, 2))
def global_average_of_a_padded_pool(x):
    return box(x, 3, padding="SAME").mean(0)  # culprit


@judge((16, 2))
def global_maximum_of_a_padded_pool(x):
    return pool(x, 3, 1, "SAME").max(0)


@judge((16, 2))
def pool_then_upsample_then_subtract(x):
    return x - jnp.repeat(pool(x, 4, 4), 4, axis=0)
