"""The verified reference's golden files against window.py, the NumPy reference, the layers and `jax.grad`: `==`.

proofs/golden holds what a program computes that was extracted from proofs/coq and proved there to be the convolution
and the adjoints that the theorems speak of. No Coq is needed to compare.
"""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import read
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv import reference
from jaxconv.window import BOUNDARIES, PADDINGS, Axis, Pad, lengths_before, slide

CONVOLUTIONS = read.convolutions()


def of(row):
    """The axis that window.py makes of a row's sizes and padding; None where it says that no window fits."""
    try:
        (axis,) = slide((row.length,), (row.taps,), row.stride, (row.padding,), row.dilation)
    except ValueError as error:
        if "at most as wide as the padded input" not in str(error):
            raise
        return None
    return axis


def test_every_window_reads_the_cells_that_were_proved():
    """Their number, the padding in cells, and every cell of every position."""
    for row in read.windows():
        axis = of(row)
        if axis is None:
            assert row.reads == [], row
        else:
            assert (axis.pad, axis.out) == (row.pad, len(row.reads))
            assert [axis.reads(j) for j in range(axis.out)] == row.reads


def test_the_windows_cover_every_padding_and_every_boundary():
    count = Counter(row.padding if isinstance(row.padding, str) else row.padding.boundary for row in read.windows())
    assert set(count) == {*PADDINGS, *BOUNDARIES}
    assert min(count.values()) > 70
    assert any(not row.reads for row in read.windows())


def test_the_lengths_before_are_those_of_the_rows():
    """Where the lengths are all small enough to be rows."""
    possible = {}
    for row in read.windows():
        key = (len(row.reads), row.taps, row.stride, row.dilation, row.padding)
        possible.setdefault(key, set()).add(row.length)
    checked = 0
    for (out, taps, stride, dilation, padding), lengths in possible.items():
        if out:
            (found,) = lengths_before((out,), (taps,), stride, (padding,), dilation)
            assert lengths <= set(found)
            if max(found) <= 5:
                assert lengths == set(found)
                checked += 1
    assert checked > 100


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=range(len(CONVOLUTIONS)))
def test_the_numpy_reference_is_the_verified_one(case):
    np.testing.assert_array_equal(reference.conv(case.kernel, case.bias, case.x, **case.geometry), case.y)
    deltas = reference.conv_deltas(case.kernel, case.x, case.dy, **case.geometry)
    np.testing.assert_array_equal(deltas.kernel, case.kernel_deltas)
    np.testing.assert_array_equal(deltas.bias, case.bias_deltas)
    np.testing.assert_array_equal(deltas.x, case.x_deltas)


def outputs_and_gradients(layer, params, x, dy):
    """y, and the gradients of its product with dy by the kernel, by the bias and by x."""
    loss = lambda params, x: jnp.sum(layer(params, x) * dy)
    gradients, dx = jax.grad(loss, argnums=(0, 1))(params, x)
    return layer(params, x), gradients["kernel"], gradients["bias"], dx


@pytest.mark.parametrize("number", range(len(CONVOLUTIONS)))
def test_the_layers_and_their_gradients_are_the_verified_ones(number):
    """`conv`; `locally_connected` of one kernel everywhere, its gradients summed by hand; `conv_transpose` of dy.

    NumPy computes them, and every sixth of them, or by night all, XLA.
    """
    case, compute = CONVOLUTIONS[number], jax.jit if NIGHTLY or number % 6 == 0 else evaluated
    params, geometry, out = {"kernel": case.kernel, "bias": case.bias}, case.geometry, case.y.shape[1:-1]
    conv = lambda params, x: jc.conv(params, x, **geometry)
    local = lambda params, x: jc.locally_connected(params, x, **geometry)

    def run(params, x, dy):
        everywhere = jax.tree.map(lambda value: jnp.broadcast_to(value, (*out, *value.shape)), params)
        transposed = jc.conv_transpose({"kernel": params["kernel"]}, dy, output_shape=x.shape[1:-1], **geometry)
        return outputs_and_gradients(conv, params, x, dy), outputs_and_gradients(local, everywhere, x, dy), transposed

    shared, (y, kernels, biases, dx), transposed = compute(run)(params, case.x, case.dy)
    over_positions = tuple(range(len(out)))
    unshared = y, kernels.sum(over_positions), biases.sum(over_positions), dx
    expected = case.y, case.kernel_deltas, case.bias_deltas, case.x_deltas
    for found in (shared, unshared):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(transposed, case.x_deltas)


def test_the_convolutions_cover_ranks_paddings_strides_and_dilations():
    ranks = Counter(case.x.ndim - 2 for case in CONVOLUTIONS)
    assert min(ranks[rank] for rank in (1, 2, 3)) >= 5
    paddings = {p.boundary if isinstance(p, Pad) else p for case in CONVOLUTIONS for p in case.geometry["padding"]}
    assert paddings >= {*PADDINGS, "ZERO"}
    assert {stride for case in CONVOLUTIONS for stride in case.geometry["stride"]} == {1, 2, 3}
    assert {dilation for case in CONVOLUTIONS for dilation in case.geometry["dilation"]} == {1, 2}


# The broken twins: window arithmetic and rules that look right and are not. The golden files must tell.


def one_more(axis):
    return Axis.out.fget(axis) + 1


def rounded_up(axis):
    return -((axis.span - axis.padded) // axis.stride) + 1 if axis.padded >= axis.span else 0


@pytest.mark.parametrize("twin", [one_more, rounded_up])
def test_a_wrong_number_of_windows_is_caught(twin):
    assert any(axis is not None and twin(axis) != len(row.reads) for row in read.windows() for axis in [of(row)])


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("CIRCULAR", lambda i, n: min(max(i, i % n), n - 1)),
        ("REFLECT", lambda i, n: min(i % (2 * n), ~i % (2 * n))),  # SYMMETRIC's
        ("REFLECT", lambda i, n: min(abs(i), abs(2 * (n - 1) - i)) % n),  # right for one reflection, not for several
        ("SYMMETRIC", lambda i, n: min(i % max(2 * n - 2, 1), -i % max(2 * n - 2, 1))),  # REFLECT's
        ("EDGE", lambda i, n: 0),
        ("ZERO", lambda i, n: 0),
    ],
)
def test_a_wrong_boundary_is_caught(name, twin, monkeypatch):
    monkeypatch.setitem(BOUNDARIES, name, twin)
    with pytest.raises(AssertionError):
        test_every_window_reads_the_cells_that_were_proved()


@pytest.mark.parametrize("name", list(PADDINGS))
def test_a_padding_with_its_ends_exchanged_is_caught(name, monkeypatch):
    right = PADDINGS[name]
    exchanged = lambda *sizes: Pad((pad := right(*sizes)).hi, pad.lo + (name == "VALID"), pad.boundary)
    monkeypatch.setitem(PADDINGS, name, exchanged)
    with pytest.raises(AssertionError):
        test_every_window_reads_the_cells_that_were_proved()


def test_the_mean_in_place_of_the_sum_is_caught():
    means = [
        reference.kernel_deltas_per_overlay(case.kernel, case.x, case.dy, **case.geometry).mean(
            axis=tuple(range(case.x.ndim - 2))
        )
        for case in CONVOLUTIONS
    ]
    assert any((mean != case.kernel_deltas).any() for mean, case in zip(means, CONVOLUTIONS, strict=True))
