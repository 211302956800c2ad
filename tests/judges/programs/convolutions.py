"""Convolutions, transposed convolutions and polyphase in the spellings that researchers use."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from judges.judge import judge
from judges.operations import circular, circular_image, conv, conv_image, wrap

WIO = ("NWC", "WIO", "NWC")


def transposed(x, kernel, stride, padding="VALID"):
    """`lax.conv_transpose` of a signal [n, c]."""
    return lax.conv_transpose(x[None], kernel, (stride,), padding, dimension_numbers=WIO)[0]


@judge((12, 2), (3, 2, 4))
def patches_times_a_matrix(x, kernel):
    patches = lax.conv_general_dilated_patches(wrap(x, 1, 1)[None], (3,), (1,), "VALID", dimension_numbers=WIO)[0]
    return patches @ kernel.transpose(1, 0, 2).reshape(6, 4)


@judge((12, 2), (4, 2, 3))
def transposed_same(x, kernel):
    return transposed(x, kernel, 2, "SAME")  # culprit: cyclic


@judge((12, 2), (4, 2, 3))
def transposed_around_the_circle_by_folding(x, kernel):
    full = transposed(x, kernel, 2)
    return full[:24].at[:2].add(full[24:])


@judge((12, 2), (4, 2, 3))
def transposed_around_the_circle_by_wrapping(x, kernel):
    return transposed(wrap(x, 1, 1), kernel, 2)[3:27]


@judge((12, 2), (4, 2, 3))
def transposed_wrapped_on_one_side(x, kernel):
    return transposed(wrap(x, 1, 0), kernel, 2)[3:27]  # culprit: cyclic


@judge((12, 2), (3, 2, 3))
def transposed_by_zeros_between_the_cells(x, kernel):
    spread = lax.pad(x, jnp.zeros((), x.dtype), ((0, 1, 1), (0, 0, 0)))
    return circular(spread, kernel)


@judge((12, 2), (3, 2, 3))
def transposed_by_interleaving_zeros(x, kernel):
    spread = jnp.stack([x, jnp.zeros_like(x), jnp.zeros_like(x)], axis=1).reshape(36, 2)
    return circular(spread, kernel)


@judge((12, 2), (3, 2, 3))
def transposed_by_an_assignment_with_stride(x, kernel):
    spread = jnp.zeros((24, 2), x.dtype).at[::2].set(x)
    return circular(spread, kernel)


@judge((8, 3), (3, 2, 3))
def transposed_as_the_gradient_of_a_convolution(x, kernel):
    (back,) = jax.linear_transpose(lambda y: circular(y, kernel, stride=2), jax.ShapeDtypeStruct((16, 2), x.dtype))(x)
    return back


@judge((12, 4, 8))
def depth_to_space(x):
    return x.reshape(12, 4, 2, 2, 2).transpose(0, 2, 1, 3, 4).reshape(24, 8, 2)


@judge((12, 4, 2))
def space_to_depth_of_a_rolled_image(x):
    blocks = jnp.roll(x, 1, axis=0).reshape(4, 3, 2, 2, 2)
    return blocks.transpose(0, 2, 1, 3, 4).reshape(4, 2, 12)


@judge((12, 2), (3, 2, 8))
def subpixel_convolution(x, kernel):
    y = circular(x, kernel)
    return y.reshape(24, 4)


@judge((12, 2), (3, 2, 6))
def subpixel_convolution_with_channels_first(x, kernel):
    y = circular(x, kernel).T.reshape(2, 3, 12)
    return y.transpose(0, 2, 1).reshape(2, 36)


@judge((12, 2), (3, 2, 8))
def subpixel_convolution_in_the_wrong_order(x, kernel):
    y = circular(x, kernel)
    return y.T.reshape(24, 4)  # culprit


@judge((12,), (5,))
def convolve_same(x, kernel):
    return jnp.convolve(x, kernel, mode="same")  # culprit: cyclic


@judge((12,), (5,))
def correlate_full(x, kernel):
    return jnp.correlate(x, kernel, mode="full")  # culprit: cyclic


@judge((12, 3), (5, 3))
def convolve_valid_by_vmap(x, kernel):
    return jax.vmap(lambda a, b: jnp.convolve(a, b, mode="valid"), in_axes=1, out_axes=1)(wrap(x, 2, 2), kernel)


@judge((12, 8), (3, 3))
def scipy_convolve_2d(x, kernel):
    return jax.scipy.signal.convolve2d(x, kernel, mode="valid")


@judge((12, 8), (3, 3))
def scipy_correlate_2d_around_the_circle(x, kernel):
    return jax.scipy.signal.correlate2d(jnp.pad(x, 1, mode="wrap"), kernel, mode="valid")


@judge((12, 6, 6), (3, 3, 3))
def scipy_convolve_3d_same(x, kernel):
    return jax.scipy.signal.convolve(x, kernel, mode="same", method="direct")  # culprit: cyclic


@judge((16,), (5,))
def scipy_fftconvolve(x, kernel):
    return jax.scipy.signal.fftconvolve(x, kernel, mode="same")  # culprit: cyclic


@judge((16, 2), (2, 2, 4), (2, 2, 4))
def causal_gated_stack(x, first, second):
    for kernel, dilation in ((first, 1), (second, 2)):
        y = conv(jnp.pad(x, ((dilation, 0), (0, 0))), kernel, rhs_dilation=(dilation,))  # culprit: cyclic
        x = x + jnp.tanh(y[:, :2]) * jax.nn.sigmoid(y[:, 2:])
    return x


@judge((16, 2), (2, 2, 4))
def causal_around_the_circle(x, kernel):
    return conv(jnp.concatenate([x[-3:], x]), kernel, rhs_dilation=(3,))


@judge((12, 6, 4), (3, 3, 1, 8), (1, 1, 8, 3))
def depthwise_multiplier_then_pointwise(x, depthwise, pointwise):
    padded = wrap(wrap(x, 1, 1), 1, 1, axis=1)
    return conv_image(jax.nn.gelu(conv_image(padded, depthwise, feature_group_count=4)), pointwise)


@judge((2, 12, 3), (2, 3, 3), axis=1)
def kernel_per_example_by_batch_groups(x, kernel):
    padded = wrap(x, 1, 1, axis=1)
    rhs = kernel.transpose(1, 2, 0)
    return lax.conv_general_dilated(padded, rhs, (1,), "VALID", batch_group_count=2, dimension_numbers=WIO)


@judge((2, 12, 3), (4, 3, 3, 3), (3, 4), axis=1)
def kernels_chosen_by_the_input(x, experts, router):
    weights = jax.nn.softmax(x.mean(1) @ router)
    kernels = jnp.einsum("be,euio->buio", weights, experts)
    return jax.vmap(circular)(x, kernels)


@judge((12, 3), (3, 3))
def involution(x, generator):
    kernels = jax.nn.softmax(x @ generator, axis=-1)
    windows = jnp.stack([jnp.roll(x, u, axis=0) for u in (1, 0, -1)], axis=1)
    return jnp.einsum("nu,nuc->nc", kernels, windows)


@judge((12, 3), (12, 3, 3))
def locally_connected(x, kernels):
    windows = jnp.stack([jnp.roll(x, u, axis=0) for u in (1, 0, -1)], axis=1)
    return jnp.einsum("nuc,nuc->n", windows, kernels)  # culprit


@judge((12, 3), (3, 2, 3))
def kernels_in_turn_on_two_phases(x, kernels):
    windows = jnp.stack([jnp.roll(x, u, axis=0) for u in (1, 0, -1)], axis=1)
    return jnp.einsum("npuc,upc->np", windows.reshape(6, 2, 3, 3), kernels).reshape(12)


@judge((12, 2), (2, 1))
def lifting_steps(x, taps):
    even, odd = x[::2], x[1::2]
    detail = odd - taps[0] * (even + jnp.roll(even, -1, axis=0))
    smooth = even + taps[1] * (detail + jnp.roll(detail, 1, axis=0))
    return smooth, detail


@judge((16, 2))
def haar_analysis_and_thresholded_synthesis(x):
    mean, difference = (x[::2] + x[1::2]) / 2, (x[::2] - x[1::2]) / 2
    difference = jnp.sign(difference) * jax.nn.relu(jnp.abs(difference) - 0.1)
    return jnp.stack([mean + difference, mean - difference], axis=1).reshape(16, 2)


@judge((12, 2), (3, 2, 2))
def polyphase_convolution(x, kernel):
    phases = x.reshape(6, 2, 2)
    both = [circular(phases[:, p], kernel) for p in range(2)]
    return jnp.stack(both, axis=1).reshape(12, 2)


@judge((12, 2), (3, 2, 2))
def atrous_by_space_to_batch(x, kernel):
    phases = x.reshape(4, 3, 2).transpose(1, 0, 2)
    return jax.vmap(lambda phase: circular(phase, kernel))(phases).transpose(1, 0, 2).reshape(12, 2)


@judge((12, 3), (12,))
def circulant_matrix_of_a_kernel(x, kernel):
    places = (jnp.arange(12)[:, None] - jnp.arange(12)) % 12
    return kernel[places] @ x


@judge((12, 3), (23,))
def toeplitz_matrix_of_a_kernel(x, kernel):
    places = jnp.arange(12)[:, None] - jnp.arange(12) + 11
    return kernel[places] @ x  # culprit


@judge((12, 3), (12, 12))
def dense_mixing_of_tokens(x, weights):
    return weights @ x  # culprit


@judge((14, 3), (3, 3, 2))
def windows_by_vmap_of_slices(x, kernel):
    window = lambda i: jnp.einsum("uc,uco->o", lax.dynamic_slice_in_dim(x, i, 3), kernel)
    return jax.vmap(window)(jnp.arange(12))


@judge((12, 2), (3, 2, 2))
def dilation_beyond_the_wrapping(x, kernel):
    return conv(wrap(x, 1, 1), kernel, ((1, 1),), rhs_dilation=(2,))  # culprit: cyclic


@judge((13, 2), (4, 2, 2))
def lower_same_with_an_even_kernel(x, kernel):
    return conv(x, kernel, "SAME_LOWER")  # culprit: cyclic


@judge((12, 4, 4), (3, 3, 4, 4), (4,))
def residual_block_with_a_stride(x, kernel, scale):
    y = circular_image(jax.nn.relu(circular_image(x, kernel, stride=2) * scale), kernel)
    return jax.nn.relu(y + x[::2, ::2])


@judge((16, 2), (3, 2, 2))
def u_net_in_one_dimension(x, kernel):
    down = jax.nn.silu(circular(x, kernel, stride=2))
    middle = jax.nn.silu(circular(down, kernel))
    up = jnp.repeat(middle + down, 2, axis=0)
    return circular(jnp.concatenate([up, x], axis=1)[:, 1:3], kernel) + x


@judge((16, 2), (3, 2, 1))
def sampling_at_learned_offsets(x, kernel):
    places = jnp.arange(16)[:, None] + circular(x, kernel)
    whole = jnp.floor(places).astype(int)
    part = (places - whole).astype(x.dtype)
    return (1 - part) * x[whole[:, 0] % 16] + part * x[(whole[:, 0] + 1) % 16]


@judge((12, 2), (3, 2, 2), (12, 2))
def position_embedding_before_a_convolution(x, kernel, table):
    return circular(x + table, kernel)  # culprit


@judge((12, 2), (3, 2, 2))
def sinusoidal_positions(x, kernel):
    positions = jnp.sin(jnp.arange(12.0) / 3)[:, None]
    return circular(x + positions, kernel)  # culprit


@judge((12, 2), (3, 2, 2))
def periodic_positions(x, kernel):
    positions = jnp.sin(2 * jnp.pi * jnp.arange(12) / 4)[:, None]
    return circular(x + jnp.round(positions), kernel)


@judge((12, 2), values=True)
def gaussian_blur_by_a_numpy_kernel(x):
    taps = np.exp(-0.5 * np.arange(-2, 3) ** 2)
    return sum(float(t) * jnp.roll(x, u, axis=0) for u, t in enumerate(taps / taps.sum(), start=-2))


@judge((12,), (5,))
def full_convolution_folded_by_a_reshape(x, kernel):
    full = jnp.convolve(x, kernel, mode="full")
    return jnp.pad(full, (0, 8)).reshape(2, 12).sum(0)


@judge((12,), (5,))
def full_convolution_folded_to_the_wrong_period(x, kernel):
    full = jnp.convolve(x, kernel, mode="full")
    return jnp.pad(full, (0, 6)).reshape(2, 11).sum(0)  # culprit: cyclic


@judge((12,), (5,))
def full_convolution_folded_by_a_maximum(x, kernel):
    full = jnp.convolve(x, kernel, mode="full")
    return jnp.pad(full, (0, 8)).reshape(2, 12).max(0)  # culprit: cyclic
