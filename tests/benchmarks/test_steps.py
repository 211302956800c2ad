"""The networks that are trained: the sizes that are promised, and who trains otherwise is not timed."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import steps
from architectures import CASES, Conv, Residual, lenet, mobilenet, parameters, resnet, weights
from peers import with_jaxconv
from support.numpy_evaluation import evaluated

from jaxconv.training.lenet import lenet as library_lenet


def macs(network, side):
    """Multiplications of one image's scores, and the side of what is left: counted layer by layer."""
    total = 0
    for layer in network:
        if isinstance(layer, Conv):
            side = (side + 2 * layer.pad - layer.window) // layer.stride + 1
            total += side**2 * layer.window**2 * layer.channels[0] // layer.groups * layer.channels[1]
        elif isinstance(layer, Residual):
            by_shortcut, _ = macs(layer.shortcut, side)
            by_body, side = macs(layer.body, side)
            total += by_shortcut + by_body
    return total, side


def test_lenet_is_the_librarys():
    given, images = weights(lenet("max")), CASES["LeNet-5, max, batch 1"].data()[0]
    params = dict(zip(("c1", "c3", "c5", "f6", "output"), jax.tree.map(jnp.asarray, given), strict=True))
    expected = evaluated(library_lenet)(params, images)
    found = evaluated(partial(with_jaxconv.apply, lenet("max")))(list(params.values()), images)
    np.testing.assert_array_equal(found, expected)
    assert sum(array.size for one in given for array in one.values()) == 61_706


def test_the_resnet_costs_what_is_said():
    """2.4 GFLOP for a step of 32 images: forward, and as much for each delta."""
    total, side = macs(resnet(), 32)
    assert side == 8
    assert 3 * 2 * 32 * total == pytest.approx(2.4e9, rel=0.02)


def test_the_mobilenet_is_depthwise_separable():
    layers = [layer for layer in parameters(mobilenet()) if isinstance(layer, Conv)]
    stem, *blocks = layers
    assert stem.stride == 2
    assert len(blocks) == 12
    assert all(layer.groups == layer.channels[0] == layer.channels[1] for layer in blocks[::2])
    assert all((layer.window, layer.groups) == (1, 1) for layer in blocks[1::2])
    assert blocks[-1].channels[1] == 128


# A step of each takes seconds to compile, and a benchmark compares the losses itself before it measures: one of them.
ONE = "LeNet-5, average, batch 1"


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name == ONE else pytest.mark.slow) for name in CASES])
def test_ours_and_lax_train_alike(name):
    """And the gradients are seen by what is compared: the losses of three steps go down by more than its tolerance."""
    case = CASES[name]
    ours, lax = (steps.CONTENDERS[contender].make(case) for contender in ("ours", "lax"))
    losses = {"ours": [float(ours()) for _ in range(3)], "lax": [float(lax()) for _ in range(3)]}
    steps.agree(name, losses)
    assert all(
        after < before * (1 - 10 * steps.AGREE) for before, after in zip(losses["lax"], losses["lax"][1:], strict=False)
    )


def test_who_trains_otherwise_is_not_timed():
    steps.agree("a net", {"lax": [2.0, 1.0], "ours": [2.0, 1.00005]})
    with pytest.raises(ValueError, match=r"a net: ours has the losses \[2.0, 1.001\], but lax \[2.0, 1.0\]"):
        steps.agree("a net", {"lax": [2.0, 1.0], "ours": [2.0, 1.001]})
    with pytest.raises(ValueError, match="a net: ours"):
        steps.agree("a net", {"lax": [2.0, 1.0], "ours": [2.0, float("nan")]})
