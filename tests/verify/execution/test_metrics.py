"""Test the measures of partial equivariance on functions with a known value, by theory or by a loop over shifts."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import numeric_subjects as subjects
from support.geometries import examples

import jaxconv as jc
from jaxconv.verify.execution.metrics import (
    adversarial_consistency,
    consistency,
    derivative,
    equivariance_error,
    lie_derivative_error,
)

N = 16
CELLS = np.arange(N)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 6, 8, 2)).astype(np.float32)  # [n, h, w, c]
KERNEL = RNG.normal(size=(3, 3, 2, 5)).astype(np.float32)


def wave(periods, phase=0.3):
    return np.cos(2 * np.pi * periods * CELLS / N + phase).astype(np.float32)


def circular(x):
    return subjects.circular(x, KERNEL)


def zero_padded(x):
    return subjects.zero_padded(x, KERNEL)


def invariant_scores(x):
    return circular(x).mean((1, 2))


def scores(x):
    """Scores [n, 5] that depend on position: a zero-padded network to which the corner is added again."""
    y = zero_padded(x)
    return y.mean((1, 2)) + y[:, 0, 0]


def labels_of(fn, x):
    shifts = product(range(x.shape[1]), range(x.shape[2]))
    return np.asarray([np.asarray(fn(np.roll(x, shift, (1, 2)))).argmax(-1) for shift in shifts])


# Labels.


def test_consistency_is_that_of_a_loop_over_all_pairs():
    labels = labels_of(scores, X)
    pairs = np.mean([one == other for one in labels for other in labels])
    assert consistency(scores, X, axes=(1, 2)) == pytest.approx(pairs)
    assert 0.2 < pairs < 1
    assert consistency(scores, X, axes=(1, 2), batch=7) == pytest.approx(pairs)
    assert consistency(invariant_scores, X, axes=(1, 2)) == 1


def test_consistency_over_a_sample_and_a_lattice():
    labels = labels_of(scores, X).reshape(6, 8, 3)
    pairs = lambda found: np.mean([one == other for one in found for other in found])
    sample = [[0, 1], [5, 2], [-1, -3]]
    expected = pairs(np.asarray([labels[h % 6, w % 8] for h, w in sample]))
    assert consistency(scores, X, axes=(1, 2), shifts=sample) == pytest.approx(expected)
    expected = pairs(labels[::3, ::4].reshape(-1, 3))
    assert consistency(scores, X, axes=(1, 2), shifts=(3, 4)) == pytest.approx(expected)


def test_adversarial_consistency_takes_the_worst_shift():
    labels = labels_of(scores, X)
    expected = (labels == labels[0]).all(0).mean()
    assert adversarial_consistency(scores, X, axes=(1, 2)) == pytest.approx(expected)
    assert adversarial_consistency(invariant_scores, X, axes=(1, 2)) == 1
    truth = labels_of(invariant_scores, X)[0]
    wrong = np.where(np.arange(3) == 1, (truth + 1) % 5, truth)
    assert adversarial_consistency(invariant_scores, X, axes=(1, 2), labels=truth) == 1
    assert adversarial_consistency(invariant_scores, X, axes=(1, 2), labels=wrong) == pytest.approx(2 / 3)


def two(x):
    return jnp.stack([0.5 + 0 * x[0], x[0]])


@examples(25)
@given(st.lists(st.booleans(), min_size=6, max_size=6).filter(any))
def test_consistency_of_two_labels(bits):
    """The score of label 1 is the first cell. With k of 6 cells set, consistency is `(k/6)^2 + (1 - k/6)^2`."""
    x = jnp.asarray(bits, jnp.float32)
    fraction = sum(bits) / 6
    value = consistency(two, x, axes=(0,))
    assert value == pytest.approx(fraction**2 + (1 - fraction) ** 2)
    assert adversarial_consistency(two, x, axes=(0,)) == (fraction in (0, 1)) <= value


def test_the_axis_of_the_scores_may_be_another_and_nan_is_no_label():
    first = lambda x: jnp.moveaxis(scores(x), -1, 0)
    assert consistency(first, X, axes=(1, 2), classes=0) == pytest.approx(consistency(scores, X, axes=(1, 2)))
    poisoned = lambda x: invariant_scores(x) * jnp.where(x[:1, 0, 0, :1] == x[:1].max(), jnp.nan, 1.0)
    x = np.where(np.arange(8)[:, None] == 3, [9, 0], X[:1, :1]).astype(np.float32)  # the maximum is in 1 of 8 columns
    assert consistency(poisoned, x, axes=(2,)) == pytest.approx((7 / 8) ** 2 + (1 / 8) ** 2)


# Relative error.


def test_relative_errors_are_those_of_a_loop():
    found = equivariance_error(zero_padded, X, axes=(1, 2))
    before = np.asarray(zero_padded(X))
    for shift, value in zip(found.shifts, found.values, strict=True):
        after = np.asarray(zero_padded(np.roll(X, shift, (1, 2))))
        expected = np.roll(before, shift, (1, 2))
        sizes = np.linalg.norm(after) + np.linalg.norm(before)
        assert value == pytest.approx(np.linalg.norm(after - expected) / sizes, abs=1e-6)
    assert found.shifts.shape == (48, 2)
    assert found.worst == found.values.max() > found.mean == pytest.approx(found.values.mean())


def test_relative_error_is_zero_for_what_is_equivariant_and_whatever_the_scale():
    assert equivariance_error(circular, X, axes=(1, 2)).worst < 1e-6
    assert equivariance_error(invariant_scores, X, axes=(1, 2)).worst < 1e-5
    assert equivariance_error(lambda x: 0 * x, X, axes=(1, 2)).worst == 0
    flipped = lambda x: x[:, ::-1]
    assert equivariance_error(flipped, X, axes=(1,), moves=[(1, {1: -1})]).worst == 0
    certificate = jc.certify(flipped, X, axes=(1,), search=False)
    assert equivariance_error(flipped, X, axes=(1,), certificate=certificate).worst == 0
    assert equivariance_error(flipped, X, axes=(1,)).worst > 0.5
    once, scaled = (equivariance_error(lambda x, k=k: k * zero_padded(x), X, axes=(1,)).values for k in (1, -64))
    np.testing.assert_allclose(once, scaled, rtol=1e-5)


def test_opposite_sides_are_one_apart():
    """f multiplies by alternating signs: after one shift, the two sides are opposite."""
    fn = lambda x: x * jnp.asarray([1.0, -1.0] * 4)[None, None, :, None]
    found = equivariance_error(fn, X, axes=(2,))
    np.testing.assert_allclose(found.values, [0, 1] * 4, atol=1e-6)
    assert equivariance_error(fn, X, axes=(2,), shifts=2).worst == 0


def test_each_output_has_its_own_error():
    found = equivariance_error(lambda x: {"good": circular(x), "bad": zero_padded(x)}, X, axes=(2,))
    assert found["good"].worst < 1e-6
    assert found["bad"].worst > 0.1


# Lie derivatives.


@pytest.mark.parametrize("n", [7, 8])
def test_the_spectral_derivative_of_waves(n):
    cells = np.arange(n)
    for k in range((n + 1) // 2):
        turn = 2 * np.pi * k / n
        wave, slope = np.cos(turn * cells + 0.4), -turn * np.sin(turn * cells + 0.4)
        found = derivative(jnp.asarray(np.tile(wave, (3, 1)), jnp.float32), 1)
        np.testing.assert_allclose(found, np.tile(slope, (3, 1)), atol=1e-5)


@pytest.mark.parametrize("periods", range(1, 8))
def test_squaring_a_wave_aliases_beyond_a_quarter(periods):
    """cos^2 has twice as many periods. Above n/2 they alias, and the Lie derivative is `pi sin(4 pi k i / n)`."""
    (error,) = lie_derivative_error(jnp.square, jnp.asarray(wave(periods)), axes=(0,))
    if periods < N // 4:
        assert error == pytest.approx(0, abs=1e-6)
    elif periods > N // 4:
        assert error == pytest.approx(np.pi**2 / 2, rel=1e-4)
    else:
        assert error > 0.1  # twice 4 periods is the mode n/2, which shifts leave unchanged


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_positional_gain(k):
    """For f(x) = m x at x = 1, with a wave m of k periods, L f = m'. Its mean square is `(2 pi k / n)^2 / 2`."""
    gain = jnp.asarray(wave(k))
    (error,) = lie_derivative_error(lambda x: gain * x, jnp.ones(N), axes=(0,))
    assert error == pytest.approx((2 * np.pi * k / N) ** 2 / 2, rel=1e-4)


def test_a_score_that_moves_with_the_input():
    """f(x) = sum m x is not invariant: the error is `(sum m' x)^2`, with the derivative m' of the wave m."""
    m, x = wave(2), wave(2, phase=1.7)
    (error,) = lie_derivative_error(lambda x: jnp.vdot(jnp.asarray(m), x), jnp.asarray(x), axes=(0,))
    slope = -(2 * np.pi * 2 / N) * np.sin(2 * np.pi * 2 * CELLS / N + 0.3)
    assert error == pytest.approx(float(slope @ x) ** 2, rel=1e-4)


def test_lie_derivatives_are_zero_for_what_commutes():
    assert lie_derivative_error(circular, X, axes=(1, 2)).max() < 1e-9
    assert lie_derivative_error(lambda x: circular(x).mean((1, 2)), X, axes=(1, 2)).max() < 1e-9
    strided = lambda x: x[::2]
    assert lie_derivative_error(strided, jnp.asarray(wave(3)), axes=(0,))[0] == pytest.approx(0, abs=1e-9)
    assert lie_derivative_error(strided, jnp.asarray(wave(5)), axes=(0,))[0] > 0.1  # aliased
    flipped = lambda x: x[::-1]
    x = jnp.asarray(wave(3))
    assert lie_derivative_error(flipped, x, axes=(0,), moves=[(1, {0: -1})])[0] == pytest.approx(0, abs=1e-9)
    assert lie_derivative_error(flipped, x, axes=(0,))[0] > 0.1


def test_each_axis_has_its_own_lie_derivative():
    """Only the first axis is padded with zeros, so only its Lie derivative is not 0."""
    rows = lambda x: subjects.correlate(jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0))), KERNEL[:, :1])
    first, second = lie_derivative_error(rows, X, axes=(1, 2))
    assert first > 0.1
    assert second < 1e-9


def test_the_jvp_agrees_with_shifting_by_a_little():
    """Central differences of the definition of L f, in float64, agree with the JVP."""
    x = RNG.normal(size=(9,))
    gain = RNG.normal(size=(9,))

    def shift(x, e):
        k = np.fft.fftfreq(9) * 9
        return np.fft.ifft(np.exp(-2j * np.pi * k * e / 9) * np.fft.fft(x)).real

    with jax.enable_x64(True):
        f = lambda x: jnp.tanh(jnp.asarray(gain) * x)
        forward, backward = (shift(np.asarray(f(jnp.asarray(shift(x, e)))), -e) for e in (1e-4, -1e-4))
        (error,) = lie_derivative_error(f, jnp.asarray(x), axes=(0,))
    assert error == pytest.approx(np.mean(((forward - backward) / 2e-4) ** 2), rel=1e-5)


@pytest.mark.parametrize(
    ("measure", "settings", "error", "match"),
    [
        (consistency, {"axes": (7,)}, ValueError, "consistency: an axis is 7"),
        (consistency, {"axes": (1,), "classes": 9}, ValueError, "one array with an axis 9"),
        (
            adversarial_consistency,
            {"axes": (1,), "labels": np.zeros(7)},
            ValueError,
            r"labels is of shape \(7,\), but should be of shape \(3, 6, 8\)",
        ),
        (
            equivariance_error,
            {"axes": (1,), "moves": []},
            ValueError,
            "one \\(shift, .output axis: t.\\) for each of 1",
        ),
        (equivariance_error, {"axes": (1,), "shifts": 0.5}, TypeError, "should be integers"),
        (lie_derivative_error, {"axes": (1, 9)}, ValueError, "lie_derivative_error: an axis is 9"),
    ],
)
def test_errors_name_the_argument(measure, settings, error, match):
    with pytest.raises(error, match=match):
        measure(circular, X, **settings)


def test_lie_derivatives_need_floats_and_labels_one_array():
    with pytest.raises(TypeError, match="argument 0 is int32, but should be of real floats"):
        lie_derivative_error(lambda x: 2 * x, np.arange(4, dtype=np.int32), axes=(0,))
    with pytest.raises(ValueError, match="consistency: the output is of shapes"):
        consistency(lambda x: (x, x), X, axes=(1,))
