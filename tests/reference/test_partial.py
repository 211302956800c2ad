"""Reference partial convolution, compared with the reference's convolution and with differences of its forward pass."""

import numpy as np
import pytest
from hypothesis import given

from jaxconv import reference
from jaxconv.testing.strategies import conv_configurations


@given(case=conv_configurations(max_rank=2))
def test_it_is_a_convolution_of_the_masked_cells_times_the_quotient_of_two_counts(case):
    x, params, generator = case.x(), case.params(), np.random.default_rng(case.seed)
    mask = generator.integers(0, 2, x.shape)
    y, seen = reference.partial_conv(**params, x=x, mask=mask, **case.geometry)
    count = lambda cells: reference.conv(np.ones(params["kernel"].shape), 0.0, cells, **case.geometry)
    valid, most = count(mask), np.prod(params["kernel"].shape[:-1])
    plain = reference.conv(params["kernel"], 0.0, x * mask, **case.geometry)
    expected = np.where(valid > 0, plain * most / np.maximum(valid, 1) + params["bias"], 0)
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    np.testing.assert_array_equal(seen, valid > 0)


@pytest.mark.parametrize("groups", [1, 2])
def test_deltas_are_differences(groups):
    """The layer is linear in each of its arguments, so differences of one are exact up to rounding."""
    generator = np.random.default_rng(groups)
    kernel, bias, x = (
        generator.normal(size=(3, 2, 4 // groups, 6)),
        generator.normal(size=6),
        generator.normal(size=(2, 5, 4, 4)),
    )
    mask, settings = generator.integers(0, 2, x.shape), {"groups": groups, "padding": ("circular", "same")}
    loss = lambda kernel, bias, x: float((reference.partial_conv(kernel, bias, x, mask, **settings)[0] * dy).sum())
    dy = generator.normal(size=(2, 5, 4, 6))
    deltas = reference.partial_conv_deltas(kernel, x, mask, dy, **settings)
    for at, delta in enumerate(deltas):
        operands = [kernel, bias, x]
        way = generator.normal(size=delta.shape)
        before = loss(*operands)
        operands[at] = operands[at] + way
        np.testing.assert_allclose(np.vdot(delta, way), loss(*operands) - before, rtol=1e-9, atol=1e-9)
