"""Fourier transforms in one to three dimensions: filters, correlations and steps of differential equations."""

import jax
import jax.numpy as jnp
from jax.scipy import fft as scipy_fft
from jax.scipy import signal

from judges.judge import judge


@judge((16,))
def low_pass(x):
    modes = jnp.fft.rfft(x)
    return jnp.fft.irfft(modes.at[4:].set(0), 16)


@judge((16,))
def low_pass_by_a_mask(x):
    mask = jnp.abs(jnp.fft.fftfreq(16)) < 0.2
    return jnp.fft.ifft(jnp.fft.fft(x) * mask).real


@judge((16,))
def low_pass_by_truncation_and_padding(x):
    modes = jnp.fft.rfft(x)[:4]
    return jnp.fft.irfft(jnp.pad(modes, (0, 5)), 16)


@judge((16,))
def power_spectrum(x):
    return jnp.abs(jnp.fft.rfft(x)) ** 2


@judge((16,))
def phase_of_the_spectrum(x):
    return jnp.angle(jnp.fft.rfft(x))  # culprit


@judge((16,))
def autocorrelation(x):
    modes = jnp.fft.rfft(x)
    return jnp.fft.irfft(modes * jnp.conj(modes), 16)


@judge((16, 2))
def cross_correlation_of_channels(x):
    modes = jnp.fft.fft(x, axis=0)
    return jnp.fft.ifft(modes[:, 0] * jnp.conj(modes[:, 1])).real


@judge((16, 2))
def circular_convolution_of_channels(x):
    modes = jnp.fft.fft(x, axis=0)
    return jnp.fft.ifft(modes[:, 0] * modes[:, 1]).real


@judge((16,), (16,))
def matched_filter(x, template):
    modes = jnp.fft.rfft(x) * jnp.conj(jnp.fft.rfft(template))
    return jnp.fft.irfft(modes, 16)


@judge((16,), (16,))
def phase_only_correlation(x, template):
    modes = jnp.fft.fft(x) * jnp.conj(jnp.fft.fft(template))
    return jnp.fft.ifft(modes / (jnp.abs(modes) + 1e-6)).real


@judge((16,), (16,))
def wiener_deconvolution(x, blur):
    response = jnp.fft.rfft(blur)
    return jnp.fft.irfft(jnp.fft.rfft(x) * jnp.conj(response) / (jnp.abs(response) ** 2 + 0.1), n=16)


@judge((16, 2), (5, 2, 3), (2, 3))
def fourier_layer(x, weights, skip):
    modes = jnp.einsum("kc,kco->ko", jnp.fft.rfft(x, axis=0)[:5], weights)
    return jax.nn.gelu(jnp.fft.irfft(modes, n=16, axis=0) + x @ skip)


@judge((12, 8, 2), (4, 3, 2, 2))
def fourier_layer_in_two_dimensions(x, weights):
    modes = jnp.fft.rfft2(x, axes=(0, 1))
    kept = jnp.einsum("klc,klco->klo", modes[:4, :3], weights)
    low = jnp.zeros((12, 5, 2), kept.dtype).at[:4, :3].set(kept)
    return jnp.fft.irfft2(low, s=(12, 8), axes=(0, 1))


@judge((8, 6, 4, 2), (8, 6, 3))
def filter_in_three_dimensions(x, weights):
    modes = jnp.fft.rfftn(x, axes=(0, 1, 2)) * weights[..., None]
    return jnp.fft.irfftn(modes, s=(8, 6, 4), axes=(0, 1, 2))


@judge((16,))
def spectral_derivative(x):
    wavenumbers = 2j * jnp.pi * jnp.fft.rfftfreq(16)
    return jnp.fft.irfft(wavenumbers * jnp.fft.rfft(x), n=16)


@judge((8, 8))
def poisson_solve(x):
    k = 2 * jnp.pi * jnp.fft.fftfreq(8)
    square = k[:, None] ** 2 + k[None, :] ** 2
    modes = jnp.fft.fft2(x) / jnp.where(square == 0, 1.0, square)
    return jnp.fft.ifft2(modes.at[0, 0].set(0)).real


@judge((16,))
def envelope(x):
    gain = jnp.zeros(16).at[0].set(1).at[1:8].set(2).at[8].set(1)
    return jnp.abs(jnp.fft.ifft(jnp.fft.fft(x) * gain))


@judge((12,))
def upsampled_by_zero_modes(x):
    modes = jnp.fft.rfft(x).at[-1].multiply(0.5)
    return 2 * jnp.fft.irfft(modes, n=24)


@judge((16,))
def downsampled_by_dropping_modes(x):
    return jnp.fft.irfft(jnp.fft.rfft(x)[:5], n=8) / 2


@judge((16,), ())
def shifted_by_a_phase(x, delay):
    k = jnp.fft.fftfreq(16)
    return jnp.fft.ifft(jnp.fft.fft(x) * jnp.exp(-2j * jnp.pi * k * delay))


@judge((16,))
def inverse_with_the_wrong_length(x):
    return jnp.fft.irfft(jnp.fft.rfft(x), n=14)  # culprit: interior


@judge((16,))
def real_parts_of_the_modes(x):
    modes = jnp.fft.fft(x).real  # culprit: interior
    return jnp.fft.ifft(modes).real


@judge((16,), (2,))
def bias_on_the_first_modes(x, bias):
    modes = jnp.fft.rfft(x).at[:2].add(bias)  # culprit
    return jnp.fft.irfft(modes, n=16)


@judge((16,), ())
def bias_on_the_mean_mode(x, bias):
    modes = jnp.fft.rfft(x).at[0].add(bias)
    return jnp.fft.irfft(modes, n=16)


@judge((16,))
def hann_window_before_the_filter(x):
    tapered = x * jnp.hanning(16)  # culprit
    return jnp.fft.irfft(jnp.fft.rfft(tapered).at[5:].set(0), n=16)


@judge((16, 6), (4,))
def transform_along_the_other_axis(x, weights):
    return jnp.fft.irfft(jnp.fft.rfft(x, axis=1) * weights, n=6, axis=1)


@judge((12, 6))
def real_part_of_two_transforms(x):
    return jnp.fft.fft(jnp.fft.fft(x, axis=1), axis=0).real  # culprit


@judge((12,))
def cosine_transform_filter(x):
    modes = scipy_fft.dct(x)  # culprit
    return scipy_fft.idct(modes.at[6:].set(0))


@judge((12, 8))
def cosine_transform_of_blocks(x):
    blocks = x.reshape(3, 4, 2, 4).transpose(0, 2, 1, 3)
    return scipy_fft.dctn(blocks, axes=(2, 3))


@judge((32,))
def spectrogram(x):
    frames = jnp.stack([x[4 * i : 4 * i + 8] for i in range(7)])
    return jnp.abs(jnp.fft.rfft(frames * jnp.hanning(8), axis=1))


@judge((32,))
def short_time_transform_of_scipy(x):
    return jnp.abs(signal.stft(x, nperseg=8, noverlap=4, boundary=None, padded=False)[2])


@judge((32,))
def power_density_of_welch(x):
    return signal.welch(x, nperseg=8)[1]  # culprit


@judge((16,))
def bispectrum(x):
    modes = jnp.fft.fft(x)
    k = jnp.arange(4)
    return jnp.abs(modes[:4, None] * modes[None, :4] * jnp.conj(modes[k[:, None] + k]))


@judge((16,))
def triple_product_of_modes(x):
    modes = jnp.fft.fft(x)
    return modes[1] * modes[2] * jnp.conj(modes[3])


@judge((16,))
def centred_amplitudes(x):
    return jnp.fft.fftshift(jnp.abs(jnp.fft.fft(x)))


@judge((16, 2))
def mean_over_channels_of_the_modes(x):
    modes = jnp.fft.rfft(x, axis=0)
    return jnp.fft.irfft(modes.mean(1, keepdims=True) + 0.5 * modes, n=16, axis=0)


@judge((16,))
def stacked_modes(x):
    modes = jnp.fft.rfft(x)
    both = jnp.stack([modes, 1j * modes])
    return jnp.fft.irfft(both, n=16, axis=1)


@judge((16,))
def modes_squeezed_and_reshaped(x):
    modes = jnp.squeeze(jnp.fft.rfft(x[:, None], axis=0), 1)
    return jnp.fft.irfft(modes.reshape(1, 9, 1), n=16, axis=1)


@judge((16,), ())
def loop_of_linear_steps(x, speed):
    factor = jnp.exp(-1j * speed * jnp.arange(9) - 0.01 * jnp.arange(9) ** 2)
    modes = jax.lax.fori_loop(0, 5, lambda _, v: v * factor, jnp.fft.rfft(x).astype(factor.dtype))
    return jnp.fft.irfft(modes, n=16)


@judge((16,), ())
def burgers_steps(x, viscosity):
    k = jnp.arange(9)

    def step(modes, _):
        u, slope = jnp.fft.irfft(modes, n=16), jnp.fft.irfft(1j * k * modes, n=16)
        return modes - 0.01 * (jnp.fft.rfft(u * slope) + viscosity**2 * k**2 * modes), None

    return jnp.fft.irfft(jax.lax.scan(step, jnp.fft.rfft(x), None, length=3)[0], n=16)


@judge((16,))
def exponential_step_of_kuramoto_sivashinsky(x):
    k = jnp.fft.rfftfreq(16, 1 / 16)
    linear = k**2 - 0.05 * k**4
    dealias = jnp.where(k < 5, 1.0, 0.0)
    weight = jnp.where(linear == 0, 0.1, jnp.expm1(0.1 * linear) / jnp.where(linear == 0, 1.0, linear))
    square = jnp.fft.rfft(jnp.fft.irfft(dealias * jnp.fft.rfft(x), n=16) ** 2)
    return jnp.fft.irfft(jnp.exp(0.1 * linear) * jnp.fft.rfft(x) - 0.5j * k * weight * square, n=16)


@judge((8, 8))
def vorticity_step(x):
    k = jnp.fft.fftfreq(8, 1 / 8)
    kx, ky = k[:, None], jnp.fft.rfftfreq(8, 1 / 8)[None, :]
    square = (kx**2 + ky**2).at[0, 0].set(1.0)
    w = jnp.fft.rfft2(x)
    back = lambda modes: jnp.fft.irfft2(modes, s=(8, 8))
    stream = w / square
    advection = back(1j * ky * stream) * back(1j * kx * w) - back(1j * kx * stream) * back(1j * ky * w)
    return x - 0.01 * advection + 0.01 * back(-square * w)


@judge((16,))
def energy_of_the_bands(x):
    power = jnp.abs(jnp.fft.rfft(x)) ** 2
    return jnp.log(power[1:].reshape(4, 2).sum(1) + 1.0)


@judge((16, 2), (16, 2))
def token_mixing_by_a_global_filter(x, weights):
    modes = jnp.fft.fft(x.astype(jnp.result_type(x, 1j)), axis=0) * (weights[:, :1] + 1j * weights[:, 1:])
    return jnp.fft.ifft(modes, axis=0).real


@judge((16,))
def discrete_fourier_matrix(x):
    k = jnp.arange(16)
    matrix = jnp.exp(-2j * jnp.pi * k[:, None] * k / 16)
    return jnp.abs(matrix @ x)


@judge((16,))
def scattering_of_two_bands(x):
    k = jnp.fft.fftfreq(16, 1 / 16)
    bands = jnp.exp(-((k - jnp.array([[3.0], [6.0]])) ** 2) / 4)
    envelope = jnp.abs(jnp.fft.ifft(jnp.fft.fft(x) * bands, axis=1))
    return jnp.fft.ifft(jnp.fft.fft(envelope, axis=1) * jnp.exp(-(k**2)), axis=1).real[:, ::4]


@judge((16,))
def convolved_with_itself_in_zero_padding(x):
    modes = jnp.fft.rfft(x, n=32)  # culprit
    return jnp.fft.irfft(modes * modes, n=32)


@judge((12,))
def low_modes_halved(x):
    return jnp.fft.irfft(jnp.fft.rfft(x).at[:3].multiply(0.5), n=12)


@judge((12,), (3,))
def low_modes_divided_by_parameters(x, gains):
    return jnp.fft.irfft(jnp.fft.rfft(x).at[1:4].divide(1 + gains**2), n=12)
