"""Whole networks of PyTorch and ours, with converted parameters and settings, compute the same. Run with `-m torch`."""

import jax
import numpy as np
import pytest
from support import converted_networks as ours
from support import torch_networks
from support.state_dicts import resnet18

import jaxconv as jc

torch = torch_networks.torch
pytestmark = pytest.mark.torch

NETWORKS = {
    "ResNet18": ((8, 10), ours.resnet18_shapes, ours.resnet18, (64, 96)),
    "MobileNetV2": ((8, 10), ours.mobilenet_shapes, ours.mobilenet, (64, 96)),
    "VGG11": ((16, 10), ours.vgg11_shapes, ours.vgg11, (32, 64)),
    "UNet": ((8, 2), ours.unet_shapes, ours.unet, (16, 24)),
}


def drawn(module):
    """A module in float64 with random parameters and running averages, whose outputs are of size 1."""
    draw = np.random.default_rng(0)
    for name, array in module.double().eval().state_dict().items():
        if name.endswith("running_var"):
            array.copy_(torch.from_numpy(draw.uniform(0.5, 2, array.shape)))
        elif array.ndim:
            fan_in = max(array[0].numel(), 1) if array.ndim > 1 else 1
            array.copy_(torch.from_numpy(draw.normal(0, fan_in**-0.5, array.shape)))
    return module


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_computes_the_same(name, tmp_path):
    """In float64, whose rounding is far below the difference that a wrong array or setting makes; from both kinds of files."""
    arguments, shapes, network, size = NETWORKS[name]
    module = drawn(getattr(torch_networks, name)(*arguments))
    params = shapes(*arguments)
    flat = {key: array.numpy() for key, array in module.state_dict().items()}
    like = (params, ours.averages(params))
    found = jc.from_state_dict(module.state_dict(), like, library="torch")  # tensors, as they are
    back = jc.to_state_dict(found, flat, library="torch")
    assert list(back) == list(flat)
    for key, array in flat.items():
        np.testing.assert_array_equal(back[key], array)

    x = np.random.default_rng(1).normal(size=(2, *size, 3))
    up = {f"up{n}": tuple(length // 2 ** (3 - n) for length in size) for n in (1, 2)} if name == "UNet" else {}
    settings = jc.settings_from_modules("torch", dict(module.named_modules()), lengths=up)
    with torch.no_grad():
        expected = module(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).numpy()
    with jax.enable_x64(True):
        y = jax.jit(lambda params, state, x: network(params, state, x, settings))(*found, x)
    y = np.moveaxis(y, -1, 1) if expected.ndim == 4 else y
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


def test_the_state_dict_that_needs_no_pytorch_is_pytorchs():
    module = torch_networks.ResNet18(8, 10)
    assert {name: tuple(array.shape) for name, array in module.state_dict().items()} == resnet18(8, 10)
    assert list(module.state_dict()) == list(resnet18(8, 10))


def test_tensors_that_numpy_does_not_read_are_refused():
    """Those of bfloat16, and those that require a gradient, which a state dict has not."""
    with pytest.raises(TypeError, match=r"from_state_dict: flat\['weight'\] is an array of shape .* grad"):
        jc.from_state_dict(
            dict(torch.nn.Linear(2, 3, bias=False).named_parameters()), {"kernel": np.ones((2, 3))}, library="torch"
        )
    with pytest.raises(TypeError, match=r"from_state_dict: flat\['weight'\] is .*BFloat16"):
        jc.from_state_dict({"weight": torch.ones(2, 3).bfloat16()}, {"kernel": np.ones((3, 2))}, library="torch")
