"""The numeric check: what holds, broken twins that must be found, and that it says honestly what it cannot tell.

`brute_force` judges anew, one shift at a time, with NumPy's roll and nothing of the check.
"""

import json
import math
import re
import sys
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import random_program

import jaxconv as jc
from jaxconv.verify.claims import Verdict
from jaxconv.verify.numeric import InsensitiveWarning, check, comparison, trial
from jaxconv.verify.numeric.findings import Finding
from jaxconv.verify.numeric.laws import Along

H, W, C = 6, 8, 2
KERNEL = np.random.default_rng(0).normal(size=(3, 3, C, 3)).astype(np.float32)
X = np.random.default_rng(1).normal(size=(1, H, W, C)).astype(np.float32)


def correlate(x, kernel=KERNEL, stride=(1, 1), padding="VALID"):
    return jax.lax.conv_general_dilated(x, kernel, stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def circular(x, kernel=KERNEL, stride=(1, 1)):
    return correlate(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap"), kernel, stride)


def strided(x):
    return jax.nn.relu(circular(x, stride=(2, 2)))


def zero_padded(x, kernel=KERNEL):
    return correlate(x, kernel, padding="SAME")


def pooled(x):
    return circular(x).mean((1, 2))


def biased(x):
    return circular(x) + jnp.arange(W, dtype=x.dtype)[None, None, :, None]


def running_sum(x):
    return jnp.cumsum(x, axis=2)


def reversed_rows(x):
    return circular(x)[:, ::-1]


def poisoned(x):
    return circular(x).at[0, 2, 3, 1].set(jnp.nan)


def infinite_somewhere(x):
    return circular(x).at[0, 2, 3, 1].set(jnp.inf)


def infinite_everywhere(x):
    return jnp.concatenate([circular(x), jnp.full_like(x, jnp.inf)], axis=3)


def brute_force(fn, x):
    """`{shift: the largest error}` for cyclic shifts of axes 1 and 2, one evaluation each."""
    before = np.asarray(fn(x)).astype(float)
    shifts = list(product(range(x.shape[1]), range(x.shape[2])))
    after = [np.asarray(fn(np.roll(x, shift, (1, 2)))).astype(float) for shift in shifts]
    return {
        shift: float(np.abs(y - np.roll(before, shift, (1, 2))).max()) for shift, y in zip(shifts, after, strict=True)
    }


def by_shift(leaf):
    """The check's errors in the same form."""
    return {tuple(map(int, shift)): float(error) for shift, error in zip(leaf.shifts, leaf.errors, strict=True)}


@pytest.mark.parametrize(
    ("fn", "shifts"),
    [(circular, 48), (strided, 12), (pooled, 48), (jnp.negative, 48)],
    ids=["circular", "strided", "pooled", "negative"],
)
def test_what_holds(fn, shifts):
    found = check(fn, X, axes=(1, 2))
    (leaf,) = found.leaves
    assert found.finding == Finding.HELD
    assert leaf.shifts.shape == (shifts, 2)
    assert leaf.errors.max() <= leaf.tolerance.absolute
    assert leaf.reason == ""


@pytest.mark.parametrize("fn", [zero_padded, biased, running_sum, reversed_rows])
def test_broken_twins_are_found_with_their_errors(fn):
    """The errors of every shift are those of a loop."""
    (leaf,) = check(fn, X, axes=(1, 2)).leaves
    expected = brute_force(fn, X)
    assert leaf.finding == Finding.VIOLATED
    assert len(expected) == len(leaf.shifts) == H * W
    assert by_shift(leaf) == pytest.approx(expected, abs=1e-4)
    assert leaf.worst.error == leaf.errors.max() == pytest.approx(max(expected.values()), abs=1e-4)
    # The worst case can be looked up: both values, where they stand.
    after = np.asarray(fn(np.roll(X, leaf.worst.shift, (1, 2))))[leaf.worst.position]
    before = np.roll(np.asarray(fn(X)), leaf.worst.shift, (1, 2))[leaf.worst.position]
    assert (leaf.worst.found, leaf.worst.expected) == pytest.approx((after, before), abs=1e-5)


def test_zero_padding_shows_at_the_border_only():
    """One shift down: rows 0 and 5 of f(shifted) read the padding, and row 1 is compared with such a row."""
    (leaf,) = check(zero_padded, X, axes=(1,), shifts=[[1]]).leaves
    rows = leaf.positions.max((0, 2, 3))
    assert (rows[[0, 1, 5]] > 0.1).all()
    assert (rows[2:5] < 1e-5).all()


def test_errors_by_position_are_those_of_a_loop():
    """The largest and the mean over the shifts, at each position of f(shifted)."""
    (leaf,) = check(zero_padded, X, axes=(1, 2)).leaves
    before = np.asarray(zero_padded(X))
    errors = [
        np.abs(np.asarray(zero_padded(np.roll(X, shift, (1, 2)))) - np.roll(before, shift, (1, 2)))
        for shift in product(range(H), range(W))
    ]
    np.testing.assert_allclose(leaf.positions, np.max(errors, axis=0), atol=1e-5)
    np.testing.assert_allclose(leaf.means, np.mean(errors, axis=0), atol=1e-5)


def test_a_stride_that_does_not_divide_is_found():
    """Nine columns, every second of them: five, and the seam is off."""
    x = np.random.default_rng(2).normal(size=(1, H, 9, C)).astype(np.float32)
    (leaf,) = check(strided, x, axes=(2,)).leaves
    assert leaf.finding == Finding.VIOLATED
    assert leaf.axes[0].law.shift == 2
    assert len(leaf.shifts) == 9
    assert check(strided, x[:, :, :8], axes=(2,)).finding == Finding.HELD


def test_moves_are_inferred_from_the_shapes():
    upsampled = lambda x: jnp.repeat(x, 3, axis=1)
    resampled = lambda x: jnp.repeat(x, 3, axis=2)[:, :, ::2]
    kept = lambda x: x.mean(2, keepdims=True)
    cases = [(upsampled, 1, (1, ((1, 3),))), (resampled, 2, (2, ((2, 3),))), (kept, 2, (1, ())), (pooled, 1, (1, ()))]
    for fn, axis, expected in cases:
        found = check(fn, X, axes=(axis,))
        law = found.leaves[0].axes[0].law
        assert (law.shift, law.moves) == expected
        assert found.finding == Finding.HELD


def test_moves_by_hand_and_from_a_certificate():
    """A reversed axis moves against the shift, which shapes cannot tell; a transposed one is another axis."""
    assert check(reversed_rows, X, axes=(1,), moves=[(1, {1: -1})]).finding == Finding.HELD
    assert check(reversed_rows, X, axes=(1,), moves=[(1, {-3: -1})]).finding == Finding.HELD
    certificate = jc.certify(reversed_rows, X, axes=(1, 2), search=False)
    found = check(reversed_rows, X, axes=(1, 2), certificate=certificate)
    assert found.finding == Finding.HELD
    assert found.leaves[0].axes[0].law.origin == "the certificate"
    swapped = lambda x: jnp.swapaxes(circular(x), 1, 2)
    assert check(swapped, X, axes=(1,), moves=[(1, {2: 1})]).finding == Finding.HELD
    gram = lambda x: jnp.einsum("nhwc,ngwc->hg", x, x)
    assert check(gram, X, axes=(1,), moves=[(1, {0: 1, 1: 1})]).finding == Finding.HELD
    assert check(gram, X, axes=(1,), moves=[(1, {0: 1})]).finding == Finding.VIOLATED


def test_a_scalar_is_invariant_or_not():
    (leaf,) = check(lambda x: jnp.square(x).sum(), X, axes=(1, 2)).leaves
    assert (leaf.finding, leaf.shape, leaf.worst.position, leaf.positions.shape) == (Finding.HELD, (), (), ())
    found = check(lambda x: x[0, 0, 0, 0], X, axes=(2,))
    assert found.finding == Finding.VIOLATED
    np.testing.assert_allclose(found.leaves[0].errors, np.abs(np.roll(X[0, 0, ::-1, 0], 1) - X[0, 0, 0, 0]), rtol=1e-6)


def test_invariance_is_checked_where_it_is_asked_for():
    assert check(pooled, X, axes=(1, 2), invariant=True).finding == Finding.HELD
    assert check(circular, X, axes=(1, 2), invariant=True).finding == Finding.VIOLATED


def test_a_refuted_certificate_leaves_the_shapes():
    certificate = jc.certify(zero_padded, X, axes=(1,), search=False)
    found = check(zero_padded, X, axes=(1,), certificate=certificate)
    assert certificate.cyclic != Verdict.PROVED
    assert found.finding == Finding.VIOLATED
    assert found.leaves[0].axes[0].law.origin == "the shapes"


@pytest.mark.parametrize("model", ["interior", "zero"])
def test_the_interior_of_a_zero_padded_network(model):
    """It holds on the region of the certificate, [1, h - 1), shifts of both signs, and on no larger one."""
    certificate = jc.certify(zero_padded, X, axes=(1, 2), search=False)
    (leaf,) = check(zero_padded, X, axes=(1, 2), model=model, certificate=certificate).leaves
    assert leaf.finding == Finding.HELD
    assert leaf.axes[0].law.region == ((1, 1, H - 1),)
    assert set(leaf.shifts[:, 0]) == {-3, -2, -1, 0, 1, 2, 3}
    assert (leaf.positions[:, [0, -1]] == -1).all()
    assert (leaf.positions[:, 1:-1, 1:-1] >= 0).all()
    assert ((leaf.means == -1) == (leaf.positions == -1)).all()
    by_hand = check(zero_padded, X, axes=(1,), model=model, region={1: (1, H - 1)})
    assert by_hand.finding == Finding.HELD
    for region in ({1: (0, H - 1)}, {1: (1, H)}):
        assert check(zero_padded, X, axes=(1,), model=model, region=region).finding == Finding.VIOLATED


def test_new_content_tells_interior_from_zero_fill():
    """A sum over everything sees what enters; if only zeros enter, and zeros left, it sees nothing."""
    x = np.pad(X, ((0, 0), (H, H), (0, 0), (0, 0)))
    total = lambda x: jnp.sum(x, axis=(1, 2, 3))
    sample = [[2], [-3]]
    assert check(total, x, axes=(1,), shifts=sample, model="zero").finding == Finding.HELD
    assert check(total, x, axes=(1,), shifts=sample, model="interior").finding == Finding.VIOLATED


@given(st.sampled_from(["cyclic", "interior", "zero"]), st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 99))
def test_the_shifted_input(model, s, u, seed):
    """`y[i + s, j + u] = x[i, j]`, cell by cell, for every model and both signs."""
    x, fill = np.random.default_rng(seed).normal(size=(2, 4, 7, 2)).astype(np.float32)
    plan = comparison.Plan(
        model, (Along(((0, 0),), 4), Along(((0, 1),), 7)), ((),), (0,), (True,), vectorised=True, integers=False
    )
    expected = {"cyclic": np.empty_like(x), "interior": fill.copy(), "zero": np.zeros_like(x)}[model]
    for i, j in product(range(4), range(7)):
        p, q = i + s, j + u
        if model == "cyclic" or (0 <= p < 4 and 0 <= q < 7):
            expected[p % 4, q % 7] = x[i, j]
    (found,) = comparison.shifted(plan, [x], [fill], np.asarray([s, u], np.int32), jnp.bool_(False))
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=12)
@given(
    st.sampled_from([(1, 1), (3, 1), (2, 3)]),
    st.sampled_from(["wrap", "constant", "reflect", "edge"]),
    st.integers(0, 2**16),
)
def test_every_shift_agrees_with_brute_force(window, mode, seed):
    """Padding right and wrong, on integers: the same errors to the bit, and HELD exactly where all of them are 0."""
    rng = np.random.default_rng(seed)
    kernel, x = rng.integers(-2, 3, (*window, 2, 3)), rng.integers(-4, 5, (1, 4, 5, 2))
    margin = [(0, 0), *[((k - 1) // 2, k // 2) for k in window], (0, 0)]
    fn = lambda x: correlate(jnp.pad(x, margin, mode=mode), kernel.astype(np.int32))
    (leaf,) = check(fn, x.astype(np.int32), axes=(1, 2)).leaves
    expected = brute_force(fn, x.astype(np.int32))
    assert by_shift(leaf) == expected
    assert leaf.finding == (Finding.VIOLATED if max(expected.values()) else Finding.HELD)
    assert leaf.finding == Finding.HELD or (mode != "wrap" and window != (1, 1))


@pytest.mark.parametrize("batch", [1, 2, 5, 7, 64])
def test_any_batch_finds_the_same(batch):
    """Calls of the same program, the last one filled up with idle rows: nothing is lost or counted twice."""
    whole, parts = (check(zero_padded, X, axes=(1, 2), batch=size).leaves[0] for size in (None, batch))
    np.testing.assert_allclose(parts.errors, whole.errors, atol=1e-5)
    np.testing.assert_allclose(parts.positions, whole.positions, atol=1e-5)
    assert parts.worst.shift == whole.worst.shift
    assert parts.worst.position == whole.worst.position


@pytest.mark.parametrize("fn", [zero_padded, poisoned])
def test_accelerators_sum_up_in_the_program(fn, monkeypatch):
    """Where outputs are far from NumPy the same sums are compiled: the same numbers."""
    near = check(fn, X, axes=(1, 2)).leaves[0]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    far = check(lambda x: fn(x), X, axes=(1, 2)).leaves[0]  # noqa: PLW0108  another function: compiled anew
    for name in ("errors", "positions", "means", "nans"):
        np.testing.assert_allclose(getattr(far, name), getattr(near, name), rtol=1e-5, atol=1e-6)
    assert (far.finding, far.worst.shift) == (near.finding, near.worst.shift)


def test_a_second_check_compiles_nothing():
    fn = lambda kernel, x: circular(x, kernel)
    first = check(fn, KERNEL, X, axes={1: (1, 2)})
    with jax.default_matmul_precision("highest"):
        function = comparison.traced(fn, (KERNEL, jnp.asarray(X)))
    (program,) = function.programs.values()
    assert program._cache_size() == 1
    again = check(fn, 2 * KERNEL, jnp.asarray(X), axes={1: (1, 2)}, seed=5)
    assert list(function.programs.values()) == [program]
    assert program._cache_size() == 1
    assert again.leaves[0].tolerance.scale == pytest.approx(2 * first.leaves[0].tolerance.scale)


def test_nothing_is_closed_over():
    """What the function closes over is an argument of the compiled program, as the input and the parameters are."""
    function = comparison.traced(circular, (jnp.asarray(X),))
    assert [np.shape(const) for const in function.consts] == [KERNEL.shape]


def test_an_unhashable_function_is_checked_too():
    class Model:
        __hash__ = None

        def __call__(self, x):
            return circular(x)

    found = check(Model(), X, axes=(1,))
    assert found.finding == Finding.HELD
    assert found.function == "Model"


def test_arguments_that_shift_together_and_outputs_of_several_strides():
    """Two images, strided differently; the shifts tried are those that every output can answer."""
    fn = lambda params, a, b: {
        "fine": circular(a + b, params["kernel"]),
        "coarse": circular(a, params["kernel"])[:, ::2] * params["scale"],
    }
    params = {"kernel": jnp.asarray(KERNEL), "scale": 2.0}
    found = check(fn, params, X, X[:, :, ::-1], axes={1: (1,), 2: (1,)})
    assert found.finding == Finding.HELD
    assert [leaf.path for leaf in found.leaves] == ["['coarse']", "['fine']"]
    assert [leaf.shifts.tolist() for leaf in found.leaves] == [[[0], [2], [4]]] * 2
    assert "output['fine']" in str(found)
    crossed = lambda a, b: a + b[:, ::-1]
    assert check(crossed, X, X, axes={0: (1,), 1: (1,)}).finding == Finding.VIOLATED
    assert check(crossed, X, X, axes={0: (2,), 1: (2,)}).finding == Finding.HELD


@pytest.mark.parametrize("seed", range(12))
def test_what_is_proved_holds(seed):
    """The law of `check`: random programs, every claim that their certificate proves, on whole numbers."""
    program = random_program(seed)
    certificate = jc.certify(program.fn, *program.arguments, axes={0: program.axes}, search=False)
    for number, axis in enumerate(program.axes):
        report = certificate.leaves[0].axes[number]
        for model, claim in (("cyclic", report.cyclic), ("interior", report.interior), ("zero", report.interior)):
            if claim.verdict == Verdict.PROVED:
                alone = jc.certify(program.fn, *program.arguments, axes={0: (axis,)}, search=False)
                found = check(program.fn, *program.arguments, axes={0: (axis,)}, certificate=alone, model=model)
                assert found.finding != Finding.VIOLATED, f"{program}\n{found}"


# What is not finite, and what hides a violation.


def test_nan_is_never_equal():
    always = lambda x: jnp.where(circular(x) > 9, 1.0, jnp.stack([circular(x)[..., 0]] * 3, -1).at[..., 1].set(jnp.nan))
    for fn in (poisoned, always):
        (leaf,) = check(fn, X, axes=(1,)).leaves
        assert leaf.finding == Finding.VIOLATED
        assert (leaf.nans > 0).all()
        assert (leaf.errors == np.inf).all()
        assert math.isnan(leaf.worst.found) or math.isnan(leaf.worst.expected)
    assert check(lambda x: x.at[0, 1, 2, 0].set(jnp.nan), X, axes=(1, 2)).finding == Finding.VIOLATED
    # One NaN on each side, of 48 * 3 cells; unshifted, both stand in the same place.
    (leaf,) = check(poisoned, X, axes=(1,)).leaves
    assert leaf.nans.tolist() == [1, 2, 2, 2, 2, 2]
    assert "never equal" in str(check(poisoned, X, axes=(1,)))


def test_infinities_are_equal_to_themselves_and_reported():
    (leaf,) = check(infinite_everywhere, X, axes=(1, 2)).leaves
    assert leaf.finding == Finding.HELD
    assert (leaf.infinities == H * W * C).all()
    assert leaf.errors.max() < 1e-5
    found = check(infinite_somewhere, X, axes=(2,))
    assert found.finding == Finding.VIOLATED
    assert found.leaves[0].errors.tolist() == [0.0] + [np.inf] * (W - 1)
    assert found.leaves[0].infinities.tolist() == [1] + [0] * (W - 1)
    sign = np.where(np.arange(H) > 3, np.inf, -np.inf).astype(np.float32)[:, None]
    other_sign = lambda x: circular(x).at[0, :, :, 0].set(sign)
    assert check(other_sign, X, axes=(1,)).finding == Finding.VIOLATED


@pytest.mark.parametrize(
    ("fn", "x", "match"),
    [
        (
            lambda x: jax.nn.relu(zero_padded(x) - 99.0),
            X,
            r"hardly depends on the input: exchanged for a random one, it changes the output by 0, ",
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


def test_an_output_that_is_dead_at_this_input_only_is_warned_of():
    """The ReLU is shut at x, whose values alternate about 0, and open where they are drawn at random between."""
    x = np.where(np.arange(H) % 2, 1, -1).reshape(1, H, 1, 1).astype(np.float32)
    shut = lambda x: (
        jax.nn.relu(x + jnp.roll(x, 1, axis=1)) + jnp.where(jnp.cumsum(0 * x + 1.0, axis=1) > 3, x * x - 1, 0)
    )
    with pytest.warns(InsensitiveWarning, match="the output is the same everywhere at this input"):
        assert check(shut, x, axes=(1,)).finding == Finding.HELD


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
    """1 + 2^-23 where 1 was expected: one ULP of 1."""
    fn = lambda x: jnp.round(x * 0) + jnp.where(jnp.arange(4) == 2, jnp.float32(1 + 2**-23), jnp.float32(1))
    with pytest.warns(InsensitiveWarning, match="hardly depends"):
        (leaf,) = check(fn, np.arange(4, dtype=np.float32), axes=(0,)).leaves
    assert leaf.errors.tolist() == [0, 2**-23, 2**-23, 2**-23]
    assert leaf.ulps.tolist() == [0, 1, 1, 1]


def test_a_cancellation_is_told_from_a_violation():
    """The mean loses all its digits on the way: rounding explains the error, and the finding is UNDECIDED."""
    fn = lambda x: jnp.mean(x + 1e6, axis=(1, 2)) - 1e6
    x = np.random.default_rng(3).normal(size=(1, 31, 33, 2)).astype(np.float32)
    found = check(fn, x, axes=(1,))
    assert found.finding == Finding.UNDECIDED
    assert "rounding alone moves the output as far" in found.leaves[0].reason


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


# Whole numbers.


def test_whole_numbers_leave_no_tolerance():
    """A violation far below what rounding could explain: seen by `==` only."""
    fn = lambda x: (circular(x, np.rint(KERNEL)) + 2.0**20) + (jnp.arange(W) == 3).astype(x.dtype)[None, None, :, None]
    assert check(lambda x: fn(jnp.round(8 * x)), X, axes=(2,)).leaves[0].errors.max() == 1
    (leaf,) = check(fn, X, axes=(2,), integers=True).leaves
    assert leaf.finding == Finding.VIOLATED
    assert leaf.tolerance.absolute == 0
    assert leaf.errors.tolist() == [0] + [1] * (W - 1)


def test_whole_numbers_are_drawn_for_all_arguments():
    fn = lambda kernel, x: jax.nn.relu(circular(x, kernel))
    found = check(fn, KERNEL, X, axes={1: (1, 2)}, integers=True)
    assert found.finding == Finding.HELD
    assert found.integers
    assert found.leaves[0].worst.found == round(found.leaves[0].worst.found)
    assert "compared exactly" in str(found)


def test_a_mean_over_a_power_of_two_is_exact():
    assert check(lambda x: x.mean((1, 2)), X[:, :4], axes=(1, 2), integers=True).finding == Finding.HELD


def rooted(x):
    return jnp.sqrt(jnp.abs(x)).sum((1, 2))


def averaged(x):
    return x.mean((1, 2))


def grown(x):
    return (circular(x * 1048577.0, np.rint(4 * KERNEL)) ** 2).sum((1, 2))


def looped(x):
    return jax.lax.fori_loop(0, 3, lambda _, y: y + jnp.roll(y, 1, axis=1), x)


@pytest.mark.parametrize(
    ("fn", "reason"),
    [
        (rooted, r"sqrt at test_numeric.py:\d+ \(rooted\) does not keep numbers whole"),
        (averaged, r"div at test_numeric.py:\d+ \(averaged\)"),
        (grown, r"conv_general_dilated at test_numeric.py:\d+ \(correlate\) needs \d+ bits, and float32 holds 24"),
        (looped, r"scan at test_numeric.py:\d+ \(looped\)"),
    ],
)
def test_what_is_not_exact_is_not_passed(fn, reason):
    (leaf,) = check(fn, X, axes=(1, 2), integers=True).leaves
    assert leaf.finding == Finding.UNDECIDED
    assert pytest.approx(0, abs=leaf.tolerance.absolute) == leaf.errors.max()
    assert re.search(reason, leaf.reason), leaf.reason


def test_what_is_not_exact_and_far_off_is_violated():
    broken = lambda x: jnp.tanh(zero_padded(x))
    assert check(broken, X, axes=(1,), integers=True).finding == Finding.VIOLATED


# Reports.


def test_the_report_says_what_was_found():
    text = str(check(zero_padded, X, axes=(1, 2)))
    assert text.startswith("zero_padded: VIOLATED for 48 cyclic shifts of 6 x 8 cells")
    assert "evidence, no proof" in text
    assert "shifts by 1 along axis 1 of argument 0 -> 1 along output axis 1 (from the shapes)" in text
    assert re.search(
        r"largest error \S+ \(relative \S+, \S+ ULPs\) at shift \(\d, \d\), position \(0, \d, \d, \d\)", text
    )
    assert "2 sides * 18 roundings of the largest value" in text
    assert '<b style="color:#cf222e">VIOLATED</b>' in check(zero_padded, X, axes=(1,))._repr_html_()


def test_json_is_strict():
    def refuse(constant):
        raise AssertionError(constant)

    data = json.loads(check(poisoned, X, axes=(1,)).to_json(), parse_constant=refuse)
    (leaf,) = data["leaves"]
    assert (data["finding"], leaf["finding"], leaf["errors"][1]) == ("VIOLATED", "VIOLATED", "inf")
    assert np.shape(leaf["positions"]) == (1, H, W, 3)


class Bar:
    """In tqdm's place."""

    seen: tuple = ()

    def __init__(self, starts, **settings):
        type(self).seen = tuple(starts)

    def __iter__(self):
        return iter(self.seen)


def test_a_long_run_shows_its_progress(monkeypatch):
    """The first two calls say how long it takes; the bar is for the others."""
    monkeypatch.setattr(trial, "LONG", 0.0)
    monkeypatch.setitem(sys.modules, "tqdm", type(sys)("tqdm"))
    sys.modules["tqdm"].tqdm = Bar
    assert check(circular, X, axes=(1, 2), batch=10).finding == Finding.HELD
    assert Bar.seen == (20, 30, 40)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    found = check(circular, X, axes=(1, 2), batch=10)
    assert len(found.leaves[0].errors) == H * W


SHAPE = jax.ShapeDtypeStruct(X.shape, np.float32)
CERTIFICATE = jc.certify(circular, SHAPE, axes=(1, 2), search=False)


@pytest.mark.parametrize(
    ("fn", "arguments", "settings", "error", "match"),
    [
        (circular, (X,), {"axes": (4,)}, ValueError, "check: an axis is 4, but should be from -4 to 3"),
        (circular, (X,), {"axes": ()}, ValueError, "one axis or more"),
        (circular, (X,), {"axes": (1, -3)}, ValueError, "each axis once"),
        (
            circular,
            (X,),
            {"axes": {1: (1,)}},
            ValueError,
            "the argument's number in axes is 1, but should be from 0 to 0",
        ),
        (jnp.add, (X, X), {"axes": (1,)}, ValueError, "a dict, since there are several arguments"),
        (jnp.add, (X, X), {"axes": {0: (1,), 1: (2,)}}, ValueError, "the same for every argument that is shifted"),
        (jnp.add, ({"x": X}, X), {"axes": {0: (1,)}}, TypeError, "argument 0 is dict, but should be an array"),
        (circular, (SHAPE,), {"axes": (1,)}, TypeError, "Pass arrays, or integers=True, which draws them"),
        (
            circular,
            (X,),
            {"axes": (1,), "model": "periodic"},
            ValueError,
            "model is 'periodic', but should be one of 'cyclic'",
        ),
        (circular, (X,), {"axes": (1,), "batch": 0}, ValueError, "batch is 0, but should be 1 or more"),
        (circular, (X,), {"axes": (1,), "shifts": 0}, ValueError, "shifts is 0, but should be positive"),
        (circular, (X,), {"axes": (1,), "shifts": 1.5}, TypeError, "shifts is 1.5, but should be integers"),
        (
            circular,
            (X,),
            {"axes": (1, 2), "shifts": [1, 2, 3]},
            ValueError,
            r"Write \[\[1, 1\], \[2, 2\]\] for a sample",
        ),
        (circular, (X,), {"axes": (1,), "shifts": [[0]]}, ValueError, "not all 0"),
        (
            strided,
            (X,),
            {"axes": (1,), "shifts": [[3]]},
            ValueError,
            "a shift is 3 along axis 1 of argument 0, but should be a multiple of 2",
        ),
        (strided, (X,), {"axes": (1,), "shifts": 3}, ValueError, "should be a multiple of 2"),
        (circular, (X,), {"axes": (1,), "moves": []}, ValueError, "for each shifted axis, 1"),
        (circular, (X,), {"axes": (1,), "moves": [(0, {})]}, ValueError, "the shift in moves is 0"),
        (
            circular,
            (X,),
            {"axes": (1,), "moves": [(1, {5: 1})]},
            ValueError,
            "an output axis in moves is 5, but should be from -4 to 3",
        ),
        (
            circular,
            (X,),
            {"axes": (1,), "moves": [(1, {})], "invariant": True},
            ValueError,
            "left out where moves are given",
        ),
        (
            zero_padded,
            (X,),
            {"axes": (1,), "model": "interior"},
            ValueError,
            r"region along output axis 1 \(axis 1 of argument 0\) is None",
        ),
        (
            zero_padded,
            (X,),
            {"axes": (1,), "model": "zero", "region": {1: (2, 3)}},
            ValueError,
            "positions are left to compare",
        ),
        (
            circular,
            (X[:, :, :4],),
            {"axes": (1, 2), "certificate": CERTIFICATE},
            ValueError,
            "one of the same function, shapes and axes",
        ),
        (
            lambda x: x.sum(3),
            (X,),
            {"axes": (1,)},
            ValueError,
            "of as many axes as the input, 4, or without the shifted axis",
        ),
        (lambda x: x[None], (X,), {"axes": (1,)}, ValueError, r"Pass certificate=jc.certify\(...\)"),
        (lambda x: (), (X,), {"axes": (1,)}, ValueError, "a tree of one array of numbers or more"),
        (
            lambda x: jax.random.split(jax.random.key(0), 6),
            (X,),
            {"axes": (1,)},
            ValueError,
            "a tree of one array of numbers",
        ),
    ],
)
def test_errors_name_the_cure(fn, arguments, settings, error, match):
    with pytest.raises(error, match=match):
        check(fn, *arguments, **settings)
