"""The seeds' figures for parameters are compared with the counts and with the sizes of the layers' arrays."""

import jax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxconv as jc
from jaxconv.account.sharing import Sharing, dense_parameters, table, window_biases, window_weights
from jaxconv.testing.strategies import conv_configurations
from jaxconv.window import slide


def test_two_by_two_over_three_by_three():
    """4 shared weights, 16 unshared, 36 dense."""
    assert window_weights(slide((3, 3), (2, 2)), 1, 1) == Sharing(shared=4, unshared=16, dense=36)


def test_the_slides_comparison():
    """A 32x32 image has 65,536 weights to 64 units. Eight 3x3 filters have 72, which is 910 times fewer."""
    dense = dense_parameters(32 * 32, 64).dense - 64  # the slide counts no biases
    shared = window_weights(slide((32, 32), (3, 3)), 1, 8).shared
    assert (dense, shared, dense // shared) == (65_536, 72, 910)


def test_the_slides_food_for_thought_and_its_slip():
    """A 224x224 image and a 3x3 filter: 443,556 unshared weights, 9 shared. The slide's "148,000" lacks a factor of 3."""
    counts = window_weights(slide((224, 224), (3, 3)), 1, 1)
    assert slide((224, 224), (3, 3))[0].out == 222
    assert (counts.unshared, counts.shared) == (443_556, 9)
    assert 3 * 222 * 222 == 147_852  # the likely source of the slide's number: one 3, where its formula has two
    assert counts.unshared == 3 * 3 * 222 * 222 == 3 * 147_852


@pytest.mark.parametrize(("w", "h", "f"), [(100, 80, 10), (7, 5, 3), (4, 4, 1)])
def test_the_three_counts(w, h, f):
    """For a map of the image's size X*Y = W*H: W*H*X*Y weights dense, W*H*F*F local, F*F shared."""
    counts = window_weights(slide((h, w), (f, f), padding="SAME"), 1, 1)
    assert counts == Sharing(shared=f * f, unshared=w * h * f * f, dense=w * h * w * h)


def test_a_hundred_pixels_a_side():
    """The seeds' orders of magnitude: 10^8 dense, 10^6 local with F = 10, 10^2 shared."""
    counts = window_weights(slide((100, 100), (10, 10), padding="SAME"), 1, 1)
    assert counts == Sharing(shared=10**2, unshared=10**6, dense=10**8)


@given(case=conv_configurations())
def test_counts_are_the_sizes_of_the_layers_parameters(case):
    inputs, outputs = case.channels
    counts = window_weights(case.axes, inputs, outputs, case.groups).plus(window_biases(case.axes, outputs))
    size = lambda params: sum(leaf.size for leaf in jax.tree.leaves(params))
    assert counts.shared == size(case.params())
    assert counts.unshared == size(case.local_params())


@given(case=conv_configurations(), periods=st.tuples(*[st.integers(1, 4)] * 3))
def test_partly_shared_counts_lie_between_shared_and_unshared(case, periods):
    """For periods no longer than the output. Period 1 is shared; a period equal to the output's length is unshared."""
    inputs, outputs = case.channels

    def count(*kernels):
        weights = window_weights(case.axes, inputs, outputs, case.groups, kernels=kernels)
        return weights.plus(window_biases(case.axes, outputs, kernels=kernels))

    period = tuple(map(min, periods, case.out))
    tiled = count(*period)
    assert tiled.shared == sum(leaf.size for leaf in case.local_params(period).values())
    assert (
        count().shared == count(*[1] * len(period)).shared <= tiled.shared <= count(*case.out).shared == tiled.unshared
    )


def test_shared_parameters_do_not_depend_on_the_size_of_the_image():
    small, large = (window_weights(slide((n, n), (3, 3)), 3, 8) for n in (8, 512))
    assert small.shared == large.shared == jc.init_conv(jax.random.key(0), (3, 3), 3, 8)["kernel"].size
    assert small.unshared < large.unshared


def test_groups_must_divide():
    with pytest.raises(
        ValueError, match="window_weights: groups is 2, but should be a divisor of both channels_in = 3"
    ):
        window_weights(slide((3, 3), (2, 2)), 3, 4, groups=2)


def test_a_table_adds_up_its_columns():
    text = table([("A", "3x3", Sharing(1, 20, 300)), ("B", "1", Sharing(4, 50, 6000))])
    assert text.splitlines()[-1].split() == ["total", "5", "70", "6,300"]
    assert len({len(line) for line in text.splitlines()}) == 1
