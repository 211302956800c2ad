"""LeNet-5 in both forms: the paper's numbers, and its gradients compared with the chained reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.numpy_evaluation import evaluated

from jaxconv import reference
from jaxconv.training.lenet import CONNECTIONS, init_lenet, init_lenet_1998, lenet, lenet_1998, scaled_tanh, sharing
from jaxconv.training.step import cross_entropy

FORMS = {
    "modern": (init_lenet, lenet, reference.lenet_deltas),
    "1998": (init_lenet_1998, lenet_1998, lambda *args: reference.lenet_1998_deltas(*args, CONNECTIONS)),
}
every_form = pytest.mark.parametrize(("init", "model", "by_hand"), FORMS.values(), ids=FORMS)


@every_form
def test_the_whole_networks_gradient_is_the_chain_of_summed_deltas(init, model, by_hand):
    """In double precision, by parameters and by images. The results differ only by the order of the sums."""
    generator = np.random.default_rng(0)
    with jax.enable_x64(True):
        draw = lambda leaf: generator.normal(size=leaf.shape) / np.sqrt(max(np.prod(leaf.shape[:-1]), 100))
        params = jax.tree.map(draw, jax.eval_shape(init, jax.random.key(0)))
        images, labels = generator.random((3, 32, 32, 1)), np.array([3, 1, 4])
        loss = lambda params, images: cross_entropy(model, params, images, jnp.asarray(labels))
        value, gradients = evaluated(jax.value_and_grad(loss, argnums=(0, 1)))(params, images)
        logits, *deltas = by_hand(
            params,
            images,
            lambda logits: reference.cross_entropy_deltas(logits, labels),
        )
        np.testing.assert_allclose(value, reference.cross_entropy(logits, labels), rtol=1e-12)
        close = lambda found, delta: np.testing.assert_allclose(found, delta, rtol=1e-9, atol=1e-13)
        jax.tree.map(close, gradients, tuple(deltas))


def test_on_integers_the_whole_networks_gradient_is_exact():
    """Weights from -1 to 1, pixels from 0 to 2, and a linear loss: every number is an integer below 2**53."""
    generator = np.random.default_rng(1)
    with jax.enable_x64(True):
        integers = lambda leaf: generator.integers(-1, 2, leaf.shape).astype(np.float64)
        params = jax.tree.map(integers, jax.eval_shape(init_lenet, jax.random.key(0)))
        images = generator.integers(0, 3, (2, 32, 32, 1)).astype(np.float64)
        dlogits = generator.integers(-4, 5, (2, 10)).astype(np.float64)
        loss = lambda params, images: jnp.sum(lenet(params, images) * dlogits)
        gradients = evaluated(jax.grad(loss, argnums=(0, 1)))(params, images)
        logits, *deltas = reference.lenet_deltas(params, images, lambda logits: dlogits)
        np.testing.assert_array_equal(evaluated(lenet)(params, images), logits)
        jax.tree.map(np.testing.assert_array_equal, gradients, tuple(deltas))
        assert all(0 < np.abs(delta).max() < 2**53 for delta in jax.tree.leaves(deltas))


@every_form
def test_ten_scores_for_each_image_and_the_same_from_the_same_seed(init, model, by_hand):
    """Initialisation and scores are compiled as one program."""
    images = np.random.default_rng(1).random((2, 32, 32, 1)).astype(np.float32)
    scores = jax.jit(lambda seed: model(init(jax.random.key(seed)), images))
    assert scores(0).shape == (2, 10)
    np.testing.assert_array_equal(scores(0), scores(0))
    assert not np.array_equal(scores(0), scores(1))


def test_connections_are_the_papers_table():
    """Six maps of C3 read three neighbouring maps of S2, six read four, three read four with gaps, one reads all."""
    read = [set(np.flatnonzero(column)) for column in CONNECTIONS.T]
    neighbours = lambda first, count: {(first + i) % 6 for i in range(count)}
    assert read[:6] == [neighbours(first, 3) for first in range(6)]
    assert read[6:12] == [neighbours(first, 4) for first in range(6)]
    assert read[12:15] == [{0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}]
    assert read[15] == set(range(6))


def test_the_papers_trainable_parameters_layer_by_layer():
    """C1 156, S2 12, C3 1,516, S4 32, C5 48,120, F6 10,164: 60,000 in total; and the 850 of our dense output."""
    found = {name: counts.shared for name, _, counts in sharing(historical=True)}
    assert found == {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48_120, "F6": 10_164, "OUTPUT": 850}
    assert sum(found.values()) - 850 == 60_000


def test_the_papers_connections():
    """The paper counts a connection for each weight and bias at each place where it is used: 122,304 in C1, ..."""
    found = {name: counts.unshared for name, _, counts in sharing(historical=True)}
    assert (found["C1"], found["C3"], found["C5"], found["F6"]) == (122_304, 151_600, 48_120, 10_164)


def test_the_modern_table_adds_up_to_the_parameters():
    stored = {
        name.upper(): sum(leaf.size for leaf in layer.values())
        for name, layer in jax.eval_shape(init_lenet, jax.random.key(0)).items()
    }
    assert {name: counts.shared for name, _, counts in sharing()} == stored | {"S2": 0, "S4": 0}


def test_connections_that_do_not_exist_have_no_weight_and_no_gradient():
    """Kernels are shared across positions, not across maps: 36 of C3's 96 slices do not exist, and stay zero."""
    params = jax.tree.map(np.asarray, jax.jit(init_lenet_1998)(jax.random.key(0)))
    images = np.random.default_rng(1).random((2, 32, 32, 1)).astype(np.float32)
    gradient = evaluated(jax.grad(lambda params: jnp.sum(lenet_1998(params, images) ** 2)))(params)["c3"]["kernel"]
    absent = CONNECTIONS == 0
    assert absent.sum() == 36
    assert not params["c3"]["kernel"][..., absent].any()
    assert not gradient[..., absent].any()
    assert gradient[..., ~absent].all(axis=(0, 1)).all()


def test_scaled_tanh_maps_one_to_one():
    np.testing.assert_allclose(scaled_tanh(jnp.array([-1.0, 0.0, 1.0])), [-1, 0, 1], atol=1e-5)
