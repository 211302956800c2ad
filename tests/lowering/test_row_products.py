"""The kernel gradient by products of rows: blocks of examples, interleaved rows, and cells that are not finite."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.broken_twins import caught
from support.numpy_evaluation import evaluated

from jaxconv import reference
from jaxconv.lowering.algorithms import ALGORITHMS, row_products
from jaxconv.lowering.algorithms.row_products import examples_in_a_block, interleaved, numbers
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.testing.strategies import conv_configurations
from jaxconv.window import Axis, Pad, slide

windows_over_zeros = conv_configurations(padding=st.tuples(st.integers(0, 4), st.integers(0, 4)))


def kernel_gradient(case, length, batch=3):
    """The kernel gradient in blocks of `length` examples, and the reference's."""
    case = replace(case, batch=batch, geometry=case.geometry | {"groups": 1})
    spec = ConvSpec(case.axes, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_products, "examples_in_a_block", lambda *_: length)
        compute = lambda x, y: ALGORITHMS["row_products"]("conv_kernel_grad", spec, x, y)
        actual = evaluated(compute)(case.x(), case.dy())
    return actual, reference.conv_deltas(case.params()["kernel"], case.x(), case.dy(), **case.geometry).kernel


@given(case=windows_over_zeros, length=st.integers(1, 3))
def test_blocks_of_examples(case, length):
    """Also if the last block is shorter."""
    np.testing.assert_array_equal(*kernel_gradient(case, length))


def without_the_last_block(monkeypatch):
    monkeypatch.setattr(row_products, "_products", lambda *given, compute=row_products._products: [
        0 * product if len(given[2]) == 1 else product for product in compute(*given)
    ])  # fmt: skip


def offset_by_one(monkeypatch):
    monkeypatch.setattr(row_products, "_shifted", lambda y, offsets, length, compute=row_products._shifted: compute(
        y, [offset + 1 for offset in offsets], length
    ))  # fmt: skip


@pytest.mark.parametrize("fault", [without_the_last_block, offset_by_one])
def test_broken_twins_are_caught(fault, monkeypatch):
    fault(monkeypatch)
    assert caught(windows_over_zeros, lambda case: not np.array_equal(*kernel_gradient(case, 2)))


@given(
    length=st.integers(1, 9),
    taps=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 4),
    pads=st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
def test_interleaved_rows_are_those_that_the_taps_read(length, taps, stride, dilation, pads):
    axis = Axis(length, taps, stride, dilation, Pad(*pads))
    found = {
        (u, j): part.phase + (j + offset) * stride
        for part in interleaved(axis)
        for u, offset in part.offsets.items()
        for j in range(axis.out)
        if 0 <= part.phase + (j + offset) * stride < length
    }
    assert found == {(u, j): cell for j in range(axis.out) for u, cell in enumerate(axis.reads(j)) if cell is not None}


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("row", [0, 3, 5])
def test_a_cell_that_is_not_finite_reaches_the_taps_that_read_it_only(value, row):
    """As in lax. The zeros around y would turn the other taps into NaN."""
    spec = ConvSpec(slide((6, 5), (3, 2)), 1)
    generator = np.random.default_rng(0)
    x, y = (generator.integers(1, 4, (2, *lengths)).astype(np.float32) for lengths in ((6, 5, 2), (4, 4, 3)))
    x[1, row, 4, 1] = value  # the last column: of the two taps along this axis only the second one reads it
    actual, expected = (
        np.asarray(jax.jit(lambda x, y, name=name: ALGORITHMS[name]("conv_kernel_grad", spec, x, y))(x, y))
        for name in ("row_products", "nhwc")
    )
    sees = [0 <= row - u < 4 for u in range(3)]
    finite = np.isfinite(expected)
    assert finite[~np.array(sees)].all()
    assert finite[:, 0].all()
    assert not finite[sees, 1, 1].any()
    np.testing.assert_array_equal(actual, expected)


def test_without_the_second_computation_zeros_make_nans(monkeypatch):
    """The incorrect variant: every result counts as finite."""
    monkeypatch.setattr(row_products, "finite", lambda a: np.True_)
    with pytest.raises(AssertionError, match="location mismatch"):
        test_a_cell_that_is_not_finite_reaches_the_taps_that_read_it_only(np.inf, 0)


@pytest.mark.parametrize(
    ("n", "size", "most", "expected"),
    [
        (32, 2**10, 2**13, 8),
        (36, 2**10, 2**13, 6),  # a divisor, if it is more than half of what fits
        (31, 2**10, 2**13, 8),  # otherwise a shorter block remains
        (22, 2**10, 2**13, 8),
        (4, 2**10, 2**13, 4),
        (1, 2**20, 2**13, 1),
        (32, 2**13 + 1, 2**13, 1),
        (32, 2**12, 2**13, 2),
    ],
)
def test_how_many_examples_are_a_block(n, size, most, expected):
    assert examples_in_a_block(n, size, most) == expected


@pytest.mark.parametrize(
    ("window", "stride", "expected"),
    [
        ((3, 3), 1, 8 * 6 * (3 * 2) + 8 * 6 * (3 * 5)),
        ((3,), 1, 8 * 2 + 8 * (3 * 5)),
        ((3, 2), 2, 8 * 3 * (2 * 2) + 4 * 3 * (3 * 5)),  # four rows for each tap of y, whichever rows it reads
    ],
)
def test_the_numbers_of_a_block(window, stride, expected):
    spec = ConvSpec(slide((8, 6)[: len(window)], window, stride, padding="same"), 1)
    assert numbers(spec, 2, 5) == expected


def test_a_batch_of_any_size_is_not_split():
    """For `jax.export` with a symbolic batch size, the number of examples is unknown."""
    spec = ConvSpec(slide((8, 6), (3, 2)), 1)
    generator = np.random.default_rng(0)
    x, y = (generator.integers(-2, 3, shape).astype(np.float32) for shape in ((4, 8, 6, 2), (4, 6, 5, 3)))
    compute = jax.jit(lambda x, y: ALGORITHMS["row_products"]("conv_kernel_grad", spec, x, y))
    (n,) = jax.export.symbolic_shape("n")
    given = (jax.ShapeDtypeStruct((n, *a.shape[1:]), a.dtype) for a in (x, y))
    np.testing.assert_array_equal(jax.export.export(compute)(*given).call(x, y), compute(x, y))
