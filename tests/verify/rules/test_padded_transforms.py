"""Convolutions by transforms of padded signals have an interior; other products of transforms have none."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.scipy import signal
from support.proved_and_twins import certificate_of, culprit, law

N, TAPS = 16, 5
X, KERNEL = np.zeros(N, np.float32), np.zeros(TAPS, np.float32)
IMAGE, SQUARE = np.zeros((N, 9), np.float32), np.zeros((TAPS, 3), np.float32)
rfft, irfft, fft, ifft = jnp.fft.rfft, jnp.fft.irfft, jnp.fft.fft, jnp.fft.ifft


def filtered(x, kernel, n=20):
    return irfft(rfft(x, n=n) * rfft(kernel, n=n), n=n)


PROVED = {  # function, kernel, shift, moves, and the region
    "scipy's fftconvolve": (lambda x, k: signal.fftconvolve(x, k, mode="same"), KERNEL, 1, ((0, 1),), (0, 2, 14)),
    "in full": (signal.fftconvolve, KERNEL, 1, ((0, 1),), (0, 4, 16)),
    "by hand": (lambda x, k: filtered(x, k)[1:13], KERNEL, 1, ((0, 1),), (0, 3, 12)),
    "with too little padding": (lambda x, k: filtered(x, k, 17), KERNEL, 1, ((0, 1),), (0, 4, 16)),
    "without padding": (lambda x, k: filtered(x, k, N), KERNEL, 1, ((0, 1),), (0, 4, 16)),
    "a correlation": (
        lambda x, k: irfft(rfft(x, n=20) * jnp.conj(rfft(k, n=20)), n=20), KERNEL, 1, ((0, 1),), (0, 0, 12)),
    "the kernel first": (lambda x, k: filtered(k, x), KERNEL, 1, ((0, 1),), (0, 4, 16)),
    "complex": (lambda x, k: ifft(fft(x, n=20) * fft(k, n=20)).real, KERNEL, 1, ((0, 1),), (0, 4, 16)),
    "with a stride": (lambda x, k: filtered(x, k)[4:16:2], KERNEL, 2, ((0, 1),), (0, 0, 6)),
    "a reversed signal": (lambda x, k: filtered(x[::-1], k), KERNEL, 1, ((0, -1),), (0, 4, 16)),
    "a bank of filters": (lambda x, k: filtered(x[None], k.T), SQUARE, 1, ((1, 1),), (1, 4, 16)),
    "a kernel that scales with itself": (lambda x, k: filtered(x, k * k.sum()), KERNEL, 1, ((0, 1),), (0, 4, 16)),
}  # fmt: skip


@pytest.mark.parametrize("name", PROVED)
def test_a_convolution_by_transforms_has_an_interior(name):
    fn, kernel, shift, moves, region = PROVED[name]
    assert law(fn, X, kernel, kind="interior") == (shift, moves, (region,))


def test_images_along_each_axis():
    fn = lambda x, k: signal.fftconvolve(x, k, mode="same")
    assert law(fn, IMAGE, SQUARE, kind="interior") == (1, ((0, 1),), ((0, 2, 14),))
    assert law(fn, IMAGE, SQUARE, kind="interior", axis=1) == (1, ((1, 1),), ((1, 1, 8),))
    each = lambda x, k: filtered(x.T, k.T)
    assert law(each, IMAGE[:, :3], SQUARE, kind="interior") == (1, ((1, 1),), ((1, 4, 16),))


def test_the_receptive_field_is_the_kernel():
    claims = certificate_of(PROVED["by hand"][0], X, KERNEL).leaves[0].axes[0].claims
    field = claims["interior"].receptive_field
    assert (field.first, field.last) == (-3, 1)


TWINS = {
    "a kernel of the whole length": (lambda x, k: irfft(rfft(x) * rfft(k), n=N), X),
    "a signal by itself": (lambda x, k: filtered(x, x), KERNEL),
    "the conjugates of the signal's": (
        lambda x, k: irfft(jnp.conj(rfft(x, n=20)) * rfft(k, n=20), n=20), KERNEL),
    "the conjugates of the product": (
        lambda x, k: irfft(jnp.conj(rfft(x, n=20) * rfft(k, n=20)), n=20), KERNEL),
    "an inverse of another length": (lambda x, k: irfft(rfft(x, n=20) * rfft(k, n=20), n=18), KERNEL),
    "modes that are moved": (
        lambda x, k: irfft(jnp.pad(rfft(x, n=20) * rfft(k, n=20), (1, 0))[:11], n=20), KERNEL),
    "modes that a pad moves": (
        lambda x, k: irfft(lax.pad(rfft(x, n=20) * rfft(k, n=20), np.complex64(0), [(1, -1, 0)]), n=20), KERNEL),
    "modes beside zeros": (
        lambda x, k: irfft(jnp.pad(rfft(x, n=18) * rfft(k, n=18), (0, 1)), n=20), KERNEL),
    "unknown modes": (lambda x, k: irfft(rfft(x) * lax.complex(k[:1], k[1:2]), n=N), KERNEL),
    "two kernels, one of the whole length": (
        lambda x, k: irfft(rfft(x) * rfft(k[0]) * rfft(k[1], n=N), n=N), np.zeros((2, N), np.float32)),
    "a quotient": (lambda x, k: irfft(rfft(x, n=20) / rfft(k, n=20), n=20), KERNEL),
    "a transform of another kind": (lambda x, k: fft(fft(x, n=20) * fft(k, n=20)).real, KERNEL),
    "a kernel that moves": (lambda x, k: irfft(rfft(x, n=20) * rfft(k[0] * x[:TAPS], n=20), n=20), KERNEL),
}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_other_products_of_transforms_have_no_interior(name):
    fn, kernel = TWINS[name]
    assert law(fn, X, kernel, kind="interior") is None
    assert culprit(fn, X, kernel, kind="interior") == "fft"


def test_an_inverse_along_fewer_axes_has_no_interior():
    fn = lambda x, k: irfft(jnp.fft.rfft2(x) * jnp.fft.rfft2(jnp.pad(k, ((0, 11), (0, 6)))), n=9)
    assert law(fn, IMAGE, SQUARE, kind="interior", axis=1) is None


def test_a_kernel_without_zeros_has_no_interior():
    """A padding of ones is no padding."""
    fn = lambda x, k: irfft(rfft(x) * rfft(jnp.pad(k, (0, 11), constant_values=1.0)), n=N)
    assert law(fn, X, KERNEL, kind="interior") is None


def test_the_cyclic_law_of_whole_periods_is_that_of_spectra():
    assert law(lambda x, k: filtered(x, k, N), X, KERNEL) == (1, ((0, 1),), ())
    assert law(filtered, X, KERNEL) is None
