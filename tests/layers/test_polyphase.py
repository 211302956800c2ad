"""Adaptive polyphase sampling: choice of the phase, inverse, layouts, dtypes, errors. tests/laws covers its law."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv import reference

X = np.random.default_rng(0).integers(-8, 8, (3, 6, 8, 2)).astype(np.float32)


@pytest.mark.parametrize("norm", [1, 2, 3, 1.5])
@pytest.mark.parametrize("stride", [(2, 2), (3, 4), (1, 2), (6, 1)])
def test_it_keeps_the_phase_that_the_reference_keeps(stride, norm):
    y, phase = by_numpy.polyphase_down(X, stride, norm=norm)
    expected, begins = reference.polyphase_down(X, stride, norm)
    np.testing.assert_array_equal(phase, begins)
    np.testing.assert_array_equal(y, expected)
    assert phase.dtype == np.int32
    np.testing.assert_array_equal(
        by_numpy.polyphase_up(y, phase, stride), reference.polyphase_up(expected, begins, stride)
    )


def test_the_norm_decides():
    """One phase has one large cell, the other three medium ones."""
    x = np.float32([5.0, 3.0, 0.0, 3.0, 0.0, 3.0]).reshape(1, 6, 1)
    assert by_numpy.polyphase_down(x, (2,), norm=1)[1].item() == 1
    assert by_numpy.polyphase_down(x, (2,), norm=3)[1].item() == 0


def test_the_norm_is_euclidean_unless_another_is_given():
    """25 + 0 against 16 + 16 + 1: by the cubes, the first phase would be the larger one."""
    x = np.float32([5.0, 4.0, 0.0, 4.0, 0.0, 1.0]).reshape(1, 6, 1)
    assert by_numpy.polyphase_down(x, (2,))[1].item() == 1
    assert by_numpy.polyphase_down(x[:, :4], (2,), norm=3)[1].item() == 1
    x[0, 0] = 5.5
    assert by_numpy.polyphase_down(x, (2,))[1].item() == 1
    assert by_numpy.polyphase_down(x, (2,), norm=3)[1].item() == 0


def test_the_first_of_equal_phases_is_kept_in_row_major_order():
    x = np.zeros((1, 4, 4, 1), np.float32)
    x[0, 0, 1], x[0, 1, 0] = 2, -2
    assert by_numpy.polyphase_down(x, (2, 2))[1].tolist() == [[0, 1]]
    assert by_numpy.polyphase_down(np.zeros((1, 4, 4, 1), np.float32), (2, 2))[1].tolist() == [[0, 0]]


def test_up_then_down_is_the_identity_with_the_same_phases():
    phase = np.int32([[1, 2], [0, 3], [1, 0]])
    up = by_numpy.polyphase_up(X, phase, (2, 4))
    assert up.shape == (3, 12, 32, 2)
    assert np.count_nonzero(up) == np.count_nonzero(X)
    again, same = by_numpy.polyphase_down(up, (2, 4), phase=phase)
    np.testing.assert_array_equal(again, X)
    np.testing.assert_array_equal(same, phase)


def test_each_is_the_others_adjoint_and_derivative():
    """<down(x), y> = <x, up(y)>, and each is the transpose of the other under `jax.vjp`; the choice has no derivative."""
    y, phase = by_numpy.polyphase_down(X, (2, 4))
    down, up = lambda x: jc.polyphase_down(x, (2, 4))[0], lambda y: jc.polyphase_up(y, phase, (2, 4))
    dy = np.random.default_rng(1).integers(-4, 5, y.shape).astype(np.float32)
    raised = by_numpy.polyphase_up(dy, phase, (2, 4))
    assert np.vdot(y, dy) == np.vdot(X, raised)
    np.testing.assert_array_equal(by_numpy.pulled(down, X, dy)[1], raised)
    np.testing.assert_array_equal(by_numpy.pulled(up, y, X)[1], y)
    pushed = evaluated(lambda x, way: jax.jvp(down, (x,), (way,))[1])(X, X + 1)
    np.testing.assert_array_equal(pushed, by_numpy.polyphase_down(X + 1, (2, 4), phase=phase)[0])


def test_infinite_cells_stay_where_they_are():
    """Cells that are not kept are not multiplied by zero and added."""
    x = np.float32([1.0, np.inf, 2.0, -np.inf]).reshape(1, 4, 1)
    assert by_numpy.polyphase_down(x, (2,))[0].ravel().tolist() == [np.inf, -np.inf]
    assert by_numpy.polyphase_down(x, (2,), phase=[[0]])[0].ravel().tolist() == [1, 2]
    assert by_numpy.polyphase_up(x, [[1]], (2,)).ravel().tolist() == [0, 1, 0, np.inf, 0, 2, 0, -np.inf]


def test_layouts_and_batches():
    down, up = partial(by_numpy.polyphase_down, stride=(2, 4)), partial(by_numpy.polyphase_up, stride=(2, 4))
    y, phase = down(X)
    one, single_phase = down(X[1], batched=False)
    np.testing.assert_array_equal(one, y[1])
    np.testing.assert_array_equal(single_phase, phase[1])
    np.testing.assert_array_equal(up(one, single_phase, batched=False), up(y, phase)[1])
    np.testing.assert_array_equal(down(X[1], phase=single_phase, batched=False)[0], one)
    first, same = down(np.moveaxis(X, -1, 1), layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)
    np.testing.assert_array_equal(same, phase)
    back = up(first, phase, layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(back, 1, -1), up(y, phase))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.int8, np.uint8, np.int32, np.complex64])
def test_dtype_is_kept(dtype):
    x = np.abs(X).astype(dtype)
    y, phase = by_numpy.polyphase_down(x, (2, 2))
    assert y.dtype == by_numpy.polyphase_up(y, phase, (2, 2)).dtype == dtype
    np.testing.assert_array_equal(phase, by_numpy.polyphase_down(np.abs(X), (2, 2))[1])


def test_booleans_are_counted():
    x = np.array([True, False, False, True, False, True]).reshape(1, 6, 1)
    y, phase = by_numpy.polyphase_down(x, (2,))
    assert (phase.item(), y.ravel().tolist()) == (1, [False, True, True])


def test_sizes_of_short_integers_do_not_wrap():
    """-128 has a larger magnitude than 127, and 16 squared does not wrap to 0."""
    x = np.array([127, -128, 0, 0], np.int8).reshape(1, 4, 1)
    assert by_numpy.polyphase_down(x, (2,))[1].item() == 1
    assert by_numpy.polyphase_down(np.array([0, 16], np.uint8).reshape(1, 2, 1), (2,))[1].item() == 1


@pytest.mark.parametrize(
    ("x", "stride", "settings", "error", "message"),
    [
        (X, 2, {}, ValueError, "stride is 2, but should be one integer per spatial axis"),
        (X, (2, 2, 2), {}, ValueError, r"x is \(3, 6, 8, 2\), 4 axes, but should be \[n, d, h, w, c\]"),
        (X, (2, 0), {}, ValueError, "stride is 0, but should be 1 or more"),
        (
            X,
            (4, 2),
            {},
            ValueError,
            "x along axis h is 6 cells long, with stride 4, but .* multiple of the stride. Pad",
        ),
        (X[:, :0], (2, 2), {}, ValueError, r"x is \(3, 0, 8, 2\) .* 1 or more cells"),
        (X, (2, 2), {"norm": 0}, ValueError, "norm is 0, but should be positive and finite"),
        (
            X,
            (2, 2),
            {"phase": [[0, 1]]},
            ValueError,
            r"phase is \(1, 2\), but should be \(3, 2\): \[n, d\], one for each",
        ),
        (X, (2, 2), {"phase": [[0, 1], [0, 2], [1, 0]]}, ValueError, "phase along axis w is 2, but should be 0 to 1"),
        (X, (2, 2), {"phase": [[0, 1], [-1, 0], [1, 0]]}, ValueError, "phase along axis h is -1, but should be 0 to 1"),
        (X, (2, 2), {"phase": np.zeros((3, 2), np.float32)}, TypeError, "phase is float32, but should be integers"),
    ],
)
def test_errors_name_the_argument_and_the_cure(x, stride, settings, error, message):
    with pytest.raises(error, match=f"polyphase_down: {message}"):
        jc.polyphase_down(x, stride, **settings)


@pytest.mark.parametrize(
    ("phase", "stride", "settings", "error", "message"),
    [
        ([[0, 1]] * 3, 2, {}, ValueError, "stride is 2, but should be one integer per spatial axis"),
        ([[0, 1]] * 2, (2, 2), {}, ValueError, r"phase is \(2, 2\), but should be \(3, 2\)"),
        ([[0, 1], [0, 0], [0, 4]], (2, 4), {}, ValueError, "phase along axis w is 4, but should be 0 to 3. Take the"),
        ([[0, 1], [2, 0], [0, 3]], (2, 4), {}, ValueError, "phase along axis h is 2, but should be 0 to 1"),
        ([np.float32(0), np.float32(1)], (2, 2), {}, TypeError, "phase is float32, but should be integers"),
        ([0, 1], (2, 2), {"batched": False}, ValueError, r"y is \(3, 6, 8, 2\), 4 axes, .* leave out batched=False"),
    ],
)
def test_errors_of_the_way_up(phase, stride, settings, error, message):
    with pytest.raises(error, match=f"polyphase_up: {message}"):
        jc.polyphase_up(X, np.array(phase), stride, **settings)
