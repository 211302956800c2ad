"""Test trials: results independent of the batch, derived tolerances, and warnings of what may hide a violation."""

import math
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.numeric_subjects import KERNEL, H, W, X, biased, circular, poisoned, pooled, zero_padded

from jaxconv.verify.execution import judge
from jaxconv.verify.execution.check import InsensitiveWarning, check
from jaxconv.verify.execution.check_report import Finding


@pytest.mark.parametrize("batch", [1, 2, 5, 7, 64])
def test_any_batch_finds_the_same(batch):
    """Idle rows fill the last call; no row is lost or counted twice."""
    whole, parts = (check(zero_padded, X, axes=(1, 2), batch=size).leaves[0] for size in (None, batch))
    np.testing.assert_allclose(parts.errors, whole.errors, atol=1e-5)
    np.testing.assert_allclose(parts.positions, whole.positions, atol=1e-5)
    assert parts.worst.shift == whole.worst.shift
    assert parts.worst.position == whole.worst.position


@pytest.mark.parametrize("fn", [zero_padded, poisoned])
def test_accelerators_sum_up_in_the_program(fn, monkeypatch):
    """On an accelerator the program computes the summaries, and they equal those that NumPy computes on a CPU."""
    near = check(fn, X, axes=(1, 2)).leaves[0]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    far = check(partial(fn), X, axes=(1, 2)).leaves[0]  # another function object, which is compiled again
    for name in ("errors", "positions", "means", "nans"):
        np.testing.assert_allclose(getattr(far, name), getattr(near, name), rtol=1e-5, atol=1e-6)
    assert (far.finding, far.worst.shift) == (near.finding, near.worst.shift)


class Bar:
    """A stand-in for tqdm that records the starts."""

    seen: tuple = ()

    def __init__(self, starts, **settings):
        type(self).seen = tuple(starts)

    def __iter__(self):
        return iter(self.seen)


def test_a_long_run_shows_its_progress(monkeypatch):
    """The first two calls measure the time; the progress bar covers the others."""
    monkeypatch.setattr(judge, "LONG", 0.0)
    monkeypatch.setitem(sys.modules, "tqdm", type(sys)("tqdm"))
    sys.modules["tqdm"].tqdm = Bar
    assert check(circular, X, axes=(1, 2), batch=10).finding == Finding.HELD
    assert Bar.seen == (20, 30, 40)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    found = check(circular, X, axes=(1, 2), batch=10)
    assert len(found.leaves[0].errors) == H * W


@pytest.mark.parametrize(
    ("fn", "x", "match"),
    [
        (
            lambda x: jax.nn.relu(zero_padded(x) - 99.0),
            X,
            r"hardly depends on the input: replacing it by a random one changes the output by 0, ",
        ),
        (lambda x: zero_padded(x, 0 * KERNEL), X, r"hardly depends on the input"),
        (lambda x: biased(x * 1e-9), X, r"hardly depends on the input"),
        (zero_padded, np.ones_like(X), r"the input is the same everywhere along axis 1 of argument 0"),
        (lambda x: jax.nn.relu(zero_padded(x) + 0.1), np.where(X > 9, X, 0), r"the input is the same everywhere"),
    ],
    ids=["dead ReLU", "zero weights", "large constant", "constant image", "black image"],
)
def test_what_hides_a_violation_is_warned_of(fn, x, match):
    with pytest.warns(InsensitiveWarning, match=match):
        found = check(fn, x.astype(np.float32), axes=(1,))
    assert len(found.warnings) == 1
    assert f"warning: {found.warnings[0]}" in str(found)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float32"])
@pytest.mark.parametrize("shape", [(1, 8, 12, 3), (1, 2, 1)])
@pytest.mark.filterwarnings("error")
def test_no_input_is_exchanged_for_itself(shape, dtype):
    """Inputs drawn with the seed of the check, as the command line draws them. Draws of two cells often coincide."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=shape) if dtype == "float32" else rng.integers(0, 2 if dtype == "bool" else 8, shape)
        x = x.astype(dtype)
        if (x == x[:, :1]).all():  # nothing to shift
            x[:, 0] = x[:, -1] == 0
        (leaf,) = check(jnp.array, x, axes=(1,), seed=seed).leaves
        assert leaf.response > 0


def test_an_output_that_is_dead_at_this_input_only_is_warned_of():
    """The ReLU is zero at x, whose values alternate between -1 and 1, and positive at some values between them."""
    x = np.where(np.arange(H) % 2, 1, -1).reshape(1, H, 1, 1).astype(np.float32)
    dead_relu = lambda x: (
        jax.nn.relu(x + jnp.roll(x, 1, axis=1)) + jnp.where(jnp.cumsum(0 * x + 1.0, axis=1) > 3, x * x - 1, 0)
    )
    with pytest.warns(InsensitiveWarning, match="the output is the same everywhere at this input"):
        assert check(dead_relu, x, axes=(1,)).finding == Finding.HELD


# Tolerances.


def test_the_tolerance_is_what_it_says():
    (leaf,) = check(pooled, X, axes=(1,)).leaves
    scale = float(np.abs(np.asarray(pooled(X))).max())
    # 18 terms of the convolution, then a sum of 48 in min(48, 6*sqrt(48)) = 41.6 roundings, then a division.
    assert leaf.tolerance.scale == pytest.approx(scale)
    assert leaf.tolerance.roundings == pytest.approx(18 + 6 * math.sqrt(48) + 1)
    assert leaf.tolerance.units == pytest.approx(leaf.tolerance.roundings * 2**-24)
    assert leaf.tolerance.absolute == pytest.approx(2 * leaf.tolerance.units * scale)
    np.testing.assert_allclose(leaf.relative, leaf.errors / scale)


def test_errors_of_one_unit_in_the_last_place():
    """An output of 1 + 2^-23 instead of 1 is an error of one ULP."""
    fn = lambda x: jnp.round(x * 0) + jnp.where(jnp.arange(4) == 2, jnp.float32(1 + 2**-23), jnp.float32(1))
    with pytest.warns(InsensitiveWarning, match="hardly depends"):
        (leaf,) = check(fn, np.arange(4, dtype=np.float32), axes=(0,)).leaves
    assert leaf.errors.tolist() == [0, 2**-23, 2**-23, 2**-23]
    assert leaf.ulps.tolist() == [0, 1, 1, 1]


def test_a_cancellation_is_told_from_a_violation():
    """Cancellation leaves no correct digit of the mean: rounding explains the error, so the finding is UNDECIDED."""
    fn = lambda x: jnp.mean(x + 1e6, axis=(1, 2)) - 1e6
    x = np.random.default_rng(3).normal(size=(1, 31, 33, 2)).astype(np.float32)
    found = check(fn, x, axes=(1,))
    assert found.finding == Finding.UNDECIDED
    assert "rounding alone moves the output as far" in found.leaves[0].reason


def test_a_tie_is_told_from_a_violation_where_the_output_is_zero():
    """Left to right both small numbers are lost, and with them the only nonzero output; after a shift they are not."""
    total = lambda x: x[:, 0] + x[:, 1] + x[:, 2]
    fn = lambda x: jnp.where(total(x) > 1, total(x), jnp.zeros_like(total(x)))
    found = check(fn, np.float32([[1, 2**-24, 2**-24]]), axes=(1,))
    assert found.leaves[0].tolerance.absolute == 0 < found.leaves[0].errors.max()
    assert found.finding == Finding.UNDECIDED
    assert check(fn, np.float32([[1, 0.25, -0.5]]), axes=(1,), moves=[(1, {})]).finding == Finding.HELD


def test_a_violation_beside_cancellations_is_one():
    """Odd shifts change the sign of the second term. Even shifts change only the mean, which rounding explains."""
    signs = np.where(np.arange(32) % 2, 1, -1).astype(np.float32)[None, :, None, None]
    fn = lambda x: jnp.mean(x + 1e6, axis=(1, 2)) - 1e6 + jnp.sum(x * signs, axis=(1, 2))
    (leaf,) = check(fn, np.random.default_rng(3).normal(size=(1, 32, 33, 2)).astype(np.float32), axes=(1,)).leaves
    assert (leaf.errors[leaf.shifts[:, 0] % 2 == 0] > leaf.tolerance.absolute).any()
    assert (leaf.finding, leaf.reason) == (Finding.VIOLATED, "the error is larger than rounding explains")


def test_float64_is_held_to_its_own_rounding():
    with jax.enable_x64(True):
        x = X.astype(np.float64)
        fn = lambda x: circular(x, jnp.asarray(KERNEL, x.dtype))
        noisy = lambda x: fn(x) * (1 + 1e-9 * jnp.arange(H, dtype=x.dtype)[None, :, None, None])
        (held,), (off,) = check(fn, x, axes=(1, 2)).leaves, check(noisy, x, axes=(1, 2)).leaves
    assert (held.finding, held.dtype) == (Finding.HELD, "float64")
    assert held.tolerance.absolute < 1e-13
    assert off.finding == Finding.VIOLATED


def test_half_precision_holds():
    (leaf,) = check(lambda x: jnp.tanh(circular(x, KERNEL.astype(x.dtype))), X.astype(jnp.bfloat16), axes=(1,)).leaves
    assert (leaf.finding, leaf.dtype) == (Finding.HELD, "bfloat16")
    assert leaf.tolerance.units == pytest.approx((18 + 4) * 2**-8)


def test_integers_and_booleans_are_compared_exactly():
    x = np.random.default_rng(4).integers(-2000, 2000, (1, H, W, 1))
    (leaf,) = check(lambda x: x.at[0, 2].add(x[0, 2] // 2000), x.astype(np.int32), axes=(2,)).leaves
    assert (leaf.finding, leaf.tolerance.absolute) == (Finding.HELD, 0)
    large = lambda x: x + 2**30 + jnp.where(jnp.arange(W) == 3, 1, 0)[None, None, :, None]
    assert check(large, x.astype(np.int32), axes=(2,)).finding == Finding.VIOLATED
    assert check(lambda x: x > 0, x.astype(np.int32), axes=(1, 2)).finding == Finding.HELD
