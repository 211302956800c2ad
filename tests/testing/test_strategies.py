"""The strategies: their examples are as documented, shrink to readable ones, and are exact in float32."""

from functools import partial

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.compilations import compilations
from support.geometries import examples

import jaxconv as jc
from jaxconv.testing import strategies as jst
from jaxconv.testing.configurations import Configuration, LayerConfiguration, Network
from jaxconv.verify.claims import Verdict
from jaxconv.verify.execution.falsify import falsify
from jaxconv.window import PADDINGS

find = partial(hypothesis.find, settings=settings(database=None, max_examples=2000))


@examples(16)
@given(x=st.integers(1, 3).flatmap(jst.images))
def test_images_are_small_whole_numbers_and_no_two_axes_are_alike(x):
    spatial = x.shape[1:-1]
    assert x.dtype == np.float32
    assert len(set(spatial)) == len(spatial)
    assert (x == np.rint(x)).all()
    assert np.abs(x).max() <= 4


@examples(16)
@given(x=jst.images(shapes=[(1, 3, 2, 1)], dtype=np.uint8))
def test_unsigned_images_from_a_pool_of_ones_own(x):
    assert (x.shape, x.dtype) == ((1, 3, 2, 1), np.uint8)
    assert x.max() <= 4


def test_images_shrink_to_one_pixel_and_are_dense_too():
    images = jst.images(shapes=[(1, 4, 3, 1), (1, 5, 7, 1)])
    assert sorted(find(images, np.any).ravel())[-2:] == [0, 1]
    assert np.count_nonzero(find(images, lambda x: np.count_nonzero(x) > 8)) > 8
    assert find(images, lambda x: x.min() < -2).shape == (1, 4, 3, 1)


def test_images_come_in_few_shapes():
    """Each new shape costs a compilation."""
    seen = set()

    @given(x=jst.images(2))
    @settings(max_examples=100, database=None)
    def collect(x):
        seen.add(x.shape)

    collect()
    assert len(seen) <= 4


@examples(16)
@given(s=jst.shifts(5), pair=jst.shifts(3, 4))
def test_shifts_are_within_the_length_and_never_zero(s, pair):
    assert 0 < abs(s) < 5
    assert any(pair)
    assert all(abs(one) < length for one, length in zip(pair, (3, 4), strict=True))


@pytest.mark.parametrize("wanted", [lambda s: s > 3, lambda s: s < -3])
def test_shifts_have_both_signs(wanted):
    assert abs(find(jst.shifts(8), wanted)) == 4


@examples(16)
@given(params=jst.parameters({"kernel": jax.ShapeDtypeStruct((3, 2), "bfloat16"), "bias": np.zeros(2)}))
def test_parameters_are_shaped_like_the_tree(params):
    assert {name: (leaf.shape, leaf.dtype.name) for name, leaf in params.items()} == {
        "kernel": ((3, 2), "bfloat16"),
        "bias": ((2,), "float64"),
    }


@examples(16)
@given(case=jst.conv_configurations())
def test_configurations_fit_their_layers(case):
    run = lambda layer, params: jax.eval_shape(partial(layer, **case.geometry), params, case.x())
    assert run(jc.conv, case.params()).shape == case.dy().shape
    assert run(jc.locally_connected, case.local_params()).shape == case.dy().shape


@examples(16)
@given(case=jst.pool_configurations())
def test_pool_configurations_see_a_cell_everywhere(case):
    y = jax.eval_shape(lambda x: jc.max_pool(x, case.window, **case.geometry), case.x())
    assert y.shape == case.dy().shape


@pytest.mark.parametrize(
    "wanted",
    [
        *(lambda case, name=name: name in [str(p).upper() for p in case.geometry["padding"]] for name in PADDINGS),
        lambda case: len(case.lengths) == 3,
        lambda case: min(case.geometry["stride"]) == 3,
        lambda case: max(case.geometry["dilation"]) == 2 and max(case.window) > 1,
        lambda case: case.groups == 3 and case.channels == (3, 6),
        lambda case: any(isinstance(p, jc.Pad) and p.boundary == "REFLECT" for p in case.geometry["padding"]),
        lambda case: (1, 0) in case.geometry["padding"],
    ],
)
def test_configurations_reach_everything(wanted):
    """Any example is sufficient, so it is not shrunk."""
    first = settings(database=None, max_examples=2000, phases=[Phase.generate])
    assert wanted(find(jst.conv_configurations(), wanted, settings=first))


@examples(16)
@given(pair=jst.circular_configurations(), other=jst.circular_configurations(divides=False))
def test_strides_divide_lengths_or_do_not(pair, other):
    case, axis = pair
    assert case.lengths[axis] % case.geometry["stride"][axis] == 0
    case, axis = other
    assert case.geometry["stride"][axis] == 1 or case.lengths[axis] % case.geometry["stride"][axis] != 0


@examples(6)
@given(network=jst.networks())
def test_networks_that_wrap_around_shift_by_their_strides_exactly(network):
    """The law holds exactly, and the certifier proves it: shifts by (a divisor of) the strides move the output by one.

    `certify` does not report a stride above half of the length.
    """
    params, x = network.params(), network.x()
    run = jax.jit(network)
    y = np.asarray(run(params, x))
    assert (4 * y == np.rint(4 * y)).all() or any(layer.kind == "avg_pool" for layer in network.layers)
    for axis, stride in enumerate(network.strides, start=1):
        moved = run(params, np.roll(x, -stride, axis))
        np.testing.assert_array_equal(moved, np.roll(y, -1, axis))
    certificate = jc.certify(network, params, x, axes={1: range(1, x.ndim - 1)}, search=False)
    for axis, stride in zip(certificate.leaves[0].axes, network.strides, strict=True):
        if stride <= axis.length // 2:
            assert axis.cyclic.verdict == Verdict.PROVED
            assert stride % axis.cyclic.shift == 0


@examples(16)
@given(network=jst.networks(padding=jst.paddings()))
def test_networks_with_any_padding_fit_together(network):
    y = jax.eval_shape(network, network.params(), network.x())
    assert len(y.shape) == len(network.shape)
    assert min(y.shape) > 0


def test_a_network_with_any_padding_need_not_be_equivariant():
    """A broken twin of the law above."""

    def breaks(network):
        report = jc.certify(network, network.params(), network.x(), axes={1: (1,)}, search=False).leaves[0].axes[0]
        return report.cyclic.verdict != Verdict.PROVED

    network = find(jst.networks(1, padding=st.sampled_from(("SAME", "CAUSAL"))), breaks)
    assert len(network.layers) == 1
    assert falsify(network, network.params(), network.x(), axes={1: (1,)}).counterexample is not None


@pytest.mark.parametrize("kind", ["conv", "dense", "max_pool", "avg_pool", "relu"])
def test_networks_have_all_kinds_of_layers(kind):
    assert find(jst.networks(), lambda network: kind in [layer.kind for layer in network.layers])


def test_networks_are_data():
    layers = (
        LayerConfiguration("conv", (3, 2), (2, 1), "CIRCULAR", 3),
        LayerConfiguration("dense", channels=2),
        LayerConfiguration("relu"),
    )
    network = Network(layers, (1, 4, 6, 2), 5)
    assert str(network) == "conv 3x2 -> 3 stride 2x1 CIRCULAR > dense -> 2 > relu"
    assert hash(network) == hash(Network(layers, (1, 4, 6, 2), 5))
    assert jax.tree.map(jnp.shape, network.params()) == {
        "conv0": {"kernel": (3, 2, 2, 3), "bias": (3,)},
        "dense1": {"kernel": (3, 2), "bias": (2,)},
    }


def data_of(value):
    """The drawn value, with the arrays that a network or a configuration makes."""
    if isinstance(value, Network):
        return value.params(), value.x(), value.strides
    configuration = value[0] if isinstance(value, tuple) and isinstance(value[0], Configuration) else value
    if isinstance(configuration, Configuration):
        return configuration.params(), configuration.x(), configuration.dy(), configuration.local_params()
    return value


def drawn(strategy):
    """Draw examples with Hypothesis's default deadline. Returns the number of compiled programs."""

    @settings(deadline=200, max_examples=20, database=None)
    @given(strategy)
    def draw(value):
        data_of(value)

    with compilations() as compiled:
        draw()
    return len(compiled)


TREE = {"kernel": jax.ShapeDtypeStruct((3, 2), "bfloat16"), "bias": jnp.zeros(2)}


@pytest.mark.parametrize(
    "strategy",
    [
        *map(jst.images, (1, 2, 3)),
        jst.images(dtype=jnp.bfloat16),
        jst.shifts(5, 3),
        jst.parameters(TREE),
        jst.paddings(),
        jst.conv_configurations(),
        jst.pool_configurations(),
        jst.circular_configurations(),
        jst.networks(),
        jst.networks(padding=jst.paddings()),
    ],
    ids=lambda strategy: str(strategy).partition("(")[0],
)
def test_drawing_compiles_nothing(strategy):
    assert drawn(strategy) == 0


def test_a_strategy_that_computes_with_jax_would_be_seen():
    """A broken twin, which computes with JAX on a shape that no other test has compiled."""
    assert drawn(jst.images(shapes=[(1, 13, 11, 1)]).map(jnp.sinh)) > 0


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: jst.images(4), "images: rank is 4, but should be 1, 2 or 3 spatial axes"),
        (jst.shifts, r"shifts: lengths is \(\), but should be one length or more"),
        (lambda: jst.shifts(1), "one of them above 1"),
        (lambda: jst.arrays((2,), most=0), "arrays: most is 0, but should be 1 or more"),
        (lambda: find(jst.networks(0), bool), "networks: rank is 0"),
    ],
)
def test_bad_requests_are_refused_by_name(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
