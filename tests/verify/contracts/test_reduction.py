"""The jaxpr layout that the rules for reductions, sorts and Fourier transforms rely on, on every JAX version."""

import jax.numpy as jnp
import pytest
from jax import lax
from jax.lax import FftType
from support.equations import array, only, operands, results


@pytest.mark.parametrize("name", ["sum", "max", "min", "prod"])
def test_a_reduction_names_its_axes(name):
    equation = only(f"reduce_{name}", lambda x: getattr(jnp, name)(x, (0, 2)), array(2, 6, 3))
    assert equation.params["axes"] == (0, 2)
    assert (operands(equation), results(equation)) == ([(2, 6, 3)], [(6,)])


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_place_of_an_extreme_names_its_axes_and_drops_them(name):
    equation = only(name, lambda x: getattr(jnp, name)(x, 1), array(2, 6, 3))
    assert (equation.params["axes"], results(equation)) == ((1,), [(2, 3)])


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"])
def test_a_running_reduction_names_its_axis(name):
    equation = only(name, lambda x: getattr(lax, name)(x, 1, reverse=True), array(2, 6))
    assert (equation.params["axis"], equation.params["reverse"]) == (1, True)


def test_sorting_names_its_axis_and_how_many_operands_are_keys():
    equation = only("sort", lambda x, y: lax.sort((x, y), dimension=0, num_keys=1), array(2, 6), array(2, 6))
    assert (equation.params["dimension"], equation.params["num_keys"]) == (0, 1)
    assert len(equation.invars) == len(equation.outvars) == 2


def test_the_k_largest_come_with_their_places():
    equation = only("top_k", lambda x: lax.top_k(x, 4), array(2, 6))
    assert equation.params["k"] == 4
    assert equation.params.get("axis", -1) in (-1, 1)
    assert results(equation) == [(2, 4), (2, 4)]


def test_a_fourier_transform_is_along_the_last_axes():
    equation = only("fft", jnp.fft.rfft2, array(2, 6, 5))
    assert (tuple(equation.params["fft_lengths"]), results(equation)) == ((6, 5), [(2, 6, 3)])


def test_the_inverse_real_transform_takes_half_a_spectrum_and_names_the_length_that_comes_out():
    equation = only("fft", lambda y: jnp.fft.irfft(y, n=8, axis=1), array(2, 5, dtype="complex64"))
    assert (tuple(equation.params["fft_lengths"]), results(equation)) == ((8,), [(2, 8)])
    assert equation.params["fft_type"] == FftType.IRFFT


def test_an_inverse_transform_to_another_length_is_cut_or_padded_before():
    equation = only("fft", lambda y: jnp.fft.ifft(y, n=8, axis=1), array(2, 5, dtype="complex64"))
    assert (operands(equation), results(equation)) == ([(2, 8)], [(2, 8)])
    assert equation.params["fft_type"] == FftType.IFFT
